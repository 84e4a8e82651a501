//! Writes the history: one pen, held by the applications' tasks, the SDK's probes and the relay's.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};

use plico_client::ContentId;
use plico_protocol::frame::Submission;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::Entry as Line;
use plico_relay::clock::Clock;
use plico_relay::request::{Reply, Request};
use plico_relay::writer;

use crate::simulation::history::{End, Fact, History, Ruling, Sealed};

/// Appends to the history at the simulated time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    clock: Arc<dyn Clock>,
    history: Arc<Mutex<History>>,
}

/// Watches what an SDK seals.
pub(crate) struct SealWatch {
    end: End,
    recorder: Recorder,
}

/// Watches what the relay's writer decides. A batch that is not on the medium decided nothing.
pub(crate) struct RulingWatch {
    recorder: Recorder,
    undecided: Mutex<Batch>,
}

/// What a batch says, request by request.
#[derive(Default)]
struct Batch {
    requests: Vec<Said>,
    answered: usize,
}

/// What the answer of one request says, and what it leaves if it is never given.
struct Said {
    rulings: Vec<Ruling>,
    unanswered: Option<Ruling>,
}

impl Recorder {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, history: Arc::default() }
    }

    pub(crate) fn note(&self, fact: Fact) {
        let at = self.clock.now();
        self.lock().push(at, fact);
    }

    /// For an SDK's options.
    pub(crate) fn seals(&self, end: End) -> SealWatch {
        SealWatch { end, recorder: self.clone() }
    }

    /// For a relay's options; one for each of its lives.
    pub(crate) fn rulings(&self) -> Arc<RulingWatch> {
        let (recorder, undecided) = (self.clone(), Mutex::default());
        Arc::new(RulingWatch { recorder, undecided })
    }

    /// What happened so far.
    pub(crate) fn history(&self) -> History {
        self.lock().clone()
    }

    /// How much happened so far.
    pub(crate) fn count(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }
}

impl RulingWatch {
    /// Lines of ledgers are on the medium.
    pub(crate) fn entered(&self, lines: Vec<(AccountKey, Line)>) {
        for (account, line) in lines {
            self.recorder.note(Fact::Entered { account, line: Box::new(line) });
        }
    }

    /// The relay died in the middle of a commit, and the medium kept the batch: it is there though
    /// nobody was answered.
    pub(crate) fn kept(&self) {
        let batch = mem::take(&mut *self.undecided.lock().unwrap());
        for Said { rulings, unanswered } in batch.requests {
            for ruling in rulings.into_iter().chain(unanswered) {
                self.recorder.note(Fact::Ruled(ruling));
            }
        }
    }
}

impl writer::Probe for RulingWatch {
    fn reached(&self, point: writer::Point) {
        match point {
            writer::Point::BeforeDecide => *self.undecided.lock().unwrap() = Batch::default(),
            writer::Point::AfterCommit => self.kept(),
            _ => (),
        }
    }

    fn decided(&self, request: &Request, reply: &Reply) {
        let rulings = Ruling::of(request, reply).collect();
        let said = Said { rulings, unanswered: Ruling::unanswered(request, reply) };
        self.undecided.lock().unwrap().requests.push(said);
    }

    fn answered(&self, request: &Request, reply: &dyn Fn() -> Reply) {
        let mut batch = self.undecided.lock().unwrap();
        let place = batch.answered;
        let said = &mut batch.requests[place];
        said.rulings.extend(Ruling::priced(request, &reply()));
        said.unanswered = None;
        batch.answered += 1;
    }
}

impl plico_client::probe::Probe for SealWatch {
    fn reached(&self, _: plico_client::probe::Point) {}

    fn sealed(&self, id: ContentId, submission: &Submission, first: bool) {
        let sealed = Sealed::of(submission, first);
        self.recorder.note(Fact::Sealed { end: self.end, id, sealed });
    }
}
