//! The commit path without its thread: decide, commit, answer.

use std::sync::Arc;

use getrandom::rand_core::CryptoRng;
use plico_protocol::ledger::Generation;
use plico_protocol::time::{Minute, Timestamp};

use crate::clock::Clock;
use crate::decide::{
    self, Batch, Effect, Facts, Finished, Fixed, Kept, Limits, Marks, OpenAccount,
};
use crate::directory::Directory;
use crate::keys::Keys;
use crate::ledger::FreeCounts;
use crate::policy::rate_card::RateCards;
use crate::request::{Reply, Request};
use crate::rows::{BadRow, Rows, SweptRow, View};
use crate::rules::Current;
use crate::store::{Change, CommitError, ReadError, Store, Table};
use crate::writer::receipts::{Charged, Signer, Trees};
use crate::writer::task::{Answer, Task, refuse_all, requests};
use crate::writer::{Event, Point, Probe, Wake};

/// What the commit path is made of.
pub struct Setup {
    /// Where rows are kept.
    pub store: Arc<dyn Store>,
    /// The relay's keys.
    pub keys: Keys,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Randomness for epochs, ticket ids and nonces.
    pub rng: Box<dyn CryptoRng + Send>,
    /// Bounds of queues.
    pub limits: Limits,
    /// Whom to tell of changes.
    pub wake: Arc<dyn Wake>,
    /// Who watches the path.
    pub probe: Arc<dyn Probe>,
}

/// Decides and commits batches of requests.
pub struct Core {
    setup: Setup,
    rows: Rows,
    rate_cards: Current<RateCards>,
    directory: Directory,
    free: FreeCounts,
    marks: Marks,
    kept: Kept,
    signer: Option<Arc<Signer>>,
    generation: Generation,
    /// The disk was full: before anything else the store must recover.
    full: bool,
    /// When a key rotation failed, which is then tried once a minute.
    rotation_failed: Option<Minute>,
}

/// What one step of the sweeps left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Whether more is due.
    pub more: bool,
}

/// The commit path cannot go on; what the medium holds is not known.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// A commit failed.
    #[error(transparent)]
    Commit(CommitError),
    /// The store recovered, and cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A bug.
    #[error("the writer panicked")]
    Panicked,
}

/// Why the commit path cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The store's word.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store's word.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The data was written with other keys.
    #[error("the key directory does not fit the data directory: {0}; give each relay its own pair")]
    OtherKeys(#[source] BadRow),
}

impl Core {
    /// Checks that keys and data belong together and loads the directory.
    ///
    /// # Errors
    ///
    /// [`CoreError`].
    pub fn open(setup: Setup) -> Result<Self, CoreError> {
        let rows = Rows::new(&setup.keys.ring());
        let mut core = Self {
            setup,
            rows,
            rate_cards: Current::default(),
            directory: Directory::default(),
            free: FreeCounts::default(),
            marks: Marks::default(),
            kept: Kept::default(),
            signer: None,
            generation: Generation::default(),
            full: false,
            rotation_failed: None,
        };
        core.check_keys()?;
        core.load_directory()?;
        Ok(core)
    }

    /// Has accounts pay the subscription of these cards, where they have one.
    #[must_use]
    pub fn charging(self, rate_cards: Current<RateCards>) -> Self {
        Self { rate_cards, ..self }
    }

    /// The certified businesses, kept current by commits.
    pub fn directory(&self) -> Directory {
        self.directory.clone()
    }

    /// The reading side of the same store.
    pub fn view(&self) -> View {
        View::new(Arc::clone(&self.setup.store), &self.setup.keys)
    }

    /// Decides the requests in order, commits them together, and wakes subscribers. For callers
    /// without a thread; the answers are one for each request.
    ///
    /// # Errors
    ///
    /// [`Fatal`]; nobody may then be answered.
    pub fn commit_batch(&mut self, requests: Vec<Request>) -> Result<Vec<Reply>, Fatal> {
        let (answers, events) = self.commit(requests.into_iter().map(Task::request).collect())?;
        self.wake(events);
        Ok(answers.into_iter().map(Answer::into_reply).collect())
    }

    /// One bounded step of the sweeps.
    ///
    /// # Errors
    ///
    /// [`Fatal`]. Where nothing can be done now, as on a full disk, there is no use in going on.
    pub fn sweep(&mut self) -> Result<Swept, Fatal> {
        self.step(Task::Sweep)
    }

    /// One bounded step of the settlement of past days, in a commit of its own.
    ///
    /// # Errors
    ///
    /// [`Fatal`], as of [`Core::sweep`].
    pub fn settle(&mut self) -> Result<Swept, Fatal> {
        self.step(Task::Settle)
    }

    /// Stores what is counted in memory alone, before the relay stops.
    ///
    /// # Errors
    ///
    /// [`Fatal`], as of [`Core::sweep`].
    pub fn leave(&mut self) -> Result<(), Fatal> {
        while !self.free.is_empty() && self.step(Task::Leave)?.more {}
        Ok(())
    }

    fn step(&mut self, task: Task) -> Result<Swept, Fatal> {
        let (answers, events) = self.commit(vec![task])?;
        self.wake(events);
        Ok(match answers.first() {
            Some(Answer::Swept(Ok(swept))) => *swept,
            _ => Swept { more: false },
        })
    }

    /// Decides, commits, and takes in what changed; answering and waking is the caller's.
    pub(super) fn commit(&mut self, tasks: Vec<Task>) -> Result<(Vec<Answer>, Vec<Event>), Fatal> {
        self.reached(Point::BeforeDecide);
        if !self.recover()? {
            return Ok((refuse_all(&tasks), Vec::new()));
        }
        let now = self.setup.clock.now();
        self.rotate(now);
        let decided = self.decide(&tasks, now)?;
        for (request, answer) in requests(&tasks, &decided.answers) {
            if let Answer::Reply(reply) | Answer::Charged(Charged { reply, .. }) = answer {
                self.setup.probe.decided(request, reply);
            }
        }
        self.reached(Point::BeforeCommit);
        let changes = &decided.changes;
        match if changes.is_empty() { Ok(()) } else { self.setup.store.commit(changes) } {
            Ok(()) => (),
            Err(CommitError::Full) => {
                tracing::warn!(target: "plico_relay::writer", "the disk is full");
                self.full = true;
                // The batch may be there although it was refused.
                self.kept = Kept::default();
                return Ok((refuse_all(&tasks), Vec::new()));
            }
            Err(error) => return Err(Fatal::Commit(error)),
        }
        self.kept.extend(decided.kept);
        for (request, answer) in requests(&tasks, &decided.answers) {
            self.setup.probe.answered(request, &|| answer.clone().into_reply());
        }
        tracing::trace!(target: "plico_relay::writer", count = tasks.len(), "committed");
        self.reached(Point::AfterCommit);
        Ok((decided.answers, self.take_in(decided.effects, now)))
    }

    /// Passes events on.
    pub(super) fn wake(&self, events: Vec<Event>) {
        for event in events {
            self.setup.wake.wake(event);
        }
    }

    /// Tells the probe.
    pub(super) fn reached(&self, point: Point) {
        self.setup.probe.reached(point);
    }

    /// Whether the store takes commits. After a full disk the directory is read again: the last
    /// batch may be there although it was refused.
    fn recover(&mut self) -> Result<bool, Fatal> {
        if !self.full {
            return Ok(true);
        }
        match self.setup.store.recover() {
            Ok(()) => {
                self.load_directory()?;
                self.full = false;
                tracing::info!(target: "plico_relay::writer", "the store takes commits again");
                Ok(true)
            }
            Err(CommitError::Full) => Ok(false),
            Err(error) => Err(Fatal::Commit(error)),
        }
    }

    /// A failure is not fatal: what needs the missing key is refused until it is there.
    fn rotate(&mut self, now: Timestamp) {
        if self.rotation_failed == Some(now.minute()) {
            return;
        }
        let Setup { keys, rng, .. } = &mut self.setup;
        self.rotation_failed = None;
        if let Err(error) = keys.rotate(now, &mut **rng) {
            self.rotation_failed = Some(now.minute());
            tracing::error!(target: "plico_relay::writer", error = %error, "key rotation failed");
        }
    }

    fn decide(&mut self, tasks: &[Task], now: Timestamp) -> Result<Decided, Fatal> {
        let Setup { store, keys, rng, limits, .. } = &mut self.setup;
        let ring = keys.ring();
        self.signer = Signer::of(&ring, self.signer.take());
        let reader = store.reader()?;
        let rate_cards = self.rate_cards.get();
        let fixed = Fixed {
            rows: &self.rows,
            ring: &ring,
            authority: keys.authority(),
            directory: &self.directory,
            limits,
            generation: self.generation,
            rate_cards: &rate_cards,
            certified: keys.ledger_key(now).is_some(),
            free: &self.free,
            marks: &self.marks,
            kept: &self.kept,
        };
        let mut batch = Batch::new(Facts::new(&*reader, fixed));
        let mut answers = Vec::with_capacity(tasks.len());
        let mut receipts = Vec::new();
        for task in tasks {
            let (mut answer, mut decision) = task.decide(batch.facts(), now, &mut **rng);
            let receipt = decision.receipt.take();
            match batch.take(decision) {
                Ok(()) => receipts.extend(receipt.map(|receipt| (answers.len(), receipt))),
                Err(refusal) => answer = task.refused(refusal),
            }
            answers.push(answer);
        }
        let mut paths = Vec::with_capacity(receipts.len());
        for (index, (account, entry)) in receipts {
            match batch.receipt(&account, &entry) {
                Ok(path) => paths.push((index, account, entry, path)),
                Err(refusal) => {
                    if let Some(answer) = answers.get_mut(index) {
                        *answer = Answer::Reply(Err(refusal));
                    }
                }
            }
        }
        let Finished { changes, kept, effects, shown } = batch.finish(&mut **rng);
        let trees = Trees::new(shown, self.generation, now.hour(), self.signer.as_ref());
        for (index, account, entry, path) in paths {
            if let Some(answer) = answers.get_mut(index) {
                answer.charge(trees.of(&account), entry, path);
            }
        }
        Ok(Decided { answers, effects, changes, kept })
    }

    /// Keeps the directory current and gives what is left for subscribers.
    fn take_in(&mut self, effects: Vec<Effect>, now: Timestamp) -> Vec<Event> {
        let event = |effect| match effect {
            Effect::Wake(event) => Some(event),
            Effect::Certified(certificate) => {
                self.directory.insert(*certificate);
                None
            }
            Effect::CertificateRevoked(serial) => {
                self.directory.revoke(serial);
                None
            }
            Effect::SentFree(account) => {
                self.free.add(now.day(), account);
                None
            }
            Effect::FreeStored(day, account) => {
                self.free.stored(day, account);
                None
            }
            Effect::SweptTo(index, mark) => {
                self.marks.set(index, mark);
                None
            }
        };
        effects.into_iter().filter_map(event).collect()
    }

    fn load_directory(&self) -> Result<(), ReadError> {
        let reader = self.setup.store.reader()?;
        let foreign = self.directory.load(&self.rows, &*reader, self.setup.keys.authority())?;
        if 0 < foreign {
            tracing::warn!(
                target: "plico_relay::writer",
                count = foreign,
                "certificates of another authority are ignored"
            );
        }
        Ok(())
    }

    /// A store that was never used is marked with the keys and the hour its sweeps begin at.
    fn check_keys(&mut self) -> Result<(), CoreError> {
        let Setup { store, clock, rng, .. } = &mut self.setup;
        let sealed = store.reader()?.get(Table::Meta, decide::SWEPT_KEY)?;
        if let Some(sealed) = sealed {
            let opened = self.rows.open::<SweptRow>(decide::SWEPT_KEY, &sealed);
            self.generation = opened.map_err(CoreError::OtherKeys)?.generation;
            return Ok(());
        }
        let hour = clock.now().hour();
        let swept = SweptRow::begun(hour);
        let mark = self.rows.put(decide::SWEPT_KEY, &swept, &mut **rng);
        Ok(store.commit(&[mark])?)
    }
}

/// A decided batch.
struct Decided {
    answers: Vec<Answer>,
    effects: Vec<Effect>,
    changes: Vec<Change>,
    kept: Vec<OpenAccount>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("full", &self.full).finish_non_exhaustive()
    }
}
