//! What a commit is asked for, and what comes of it.

use std::sync::Arc;

use getrandom::rand_core::CryptoRng;
use plico_protocol::ledger::Entry;
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::time::Timestamp;

use crate::decide::{self, Decision, Facts};
use crate::ledger::Path;
use crate::request::{Reply, Request};
use crate::writer::Swept;
use crate::writer::receipts::{Charged, Tree};

/// One thing to do in a commit.
#[derive(Debug)]
pub(super) enum Task {
    Request(Box<Request>),
    Sweep,
    /// Shares a commit with nothing: else commits would join accounts and mailboxes.
    Settle,
    /// The same: stores what is counted in memory.
    Leave,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Reply(Reply),
    /// The receipt is made by whoever waits for it.
    Charged(Charged),
    Swept(Result<Swept, Refusal>),
}

impl Answer {
    /// Says of which entry the reply is to carry the receipt; `tree` is there for every account of
    /// which one is asked for.
    pub(super) fn charge(&mut self, tree: Option<Arc<Tree>>, entry: Entry, path: Path) {
        let answer = std::mem::replace(self, Self::Reply(Err(decide::busy())));
        if let (Self::Reply(reply), Some(tree)) = (answer, tree) {
            *self = Self::Charged(Charged { reply, entry, path, tree });
        }
    }

    /// The whole answer to a request.
    pub(super) fn into_reply(self) -> Reply {
        match self {
            Self::Reply(reply) => reply,
            Self::Charged(charged) => charged.into_reply(),
            Self::Swept(swept) => Err(swept.err().unwrap_or_else(decide::busy)),
        }
    }
}

impl Task {
    pub(super) fn request(request: Request) -> Self {
        Self::Request(Box::new(request))
    }

    pub(super) fn decide(
        &self,
        facts: &Facts<'_>,
        now: Timestamp,
        fresh: &mut dyn CryptoRng,
    ) -> (Answer, Decision) {
        let swept = |more: Result<bool, Refusal>| Answer::Swept(more.map(|more| Swept { more }));
        match self {
            Self::Request(request) => {
                let (reply, decision) = decide::decide(facts, request, now, fresh);
                (Answer::Reply(reply), decision)
            }
            Self::Sweep => {
                let (more, decision) = decide::sweep(facts, now, fresh);
                (swept(more), decision)
            }
            Self::Settle => {
                let (more, decision) = decide::settle(facts, now, fresh);
                (swept(more), decision)
            }
            Self::Leave => {
                let (more, decision) = decide::leave(facts, now, fresh);
                (swept(more), decision)
            }
        }
    }

    pub(super) fn refused(&self, refusal: Refusal) -> Answer {
        match self {
            Self::Request(_) => Answer::Reply(Err(refusal)),
            Self::Sweep | Self::Settle | Self::Leave => Answer::Swept(Err(refusal)),
        }
    }
}

/// The requests among the tasks, each with its answer.
pub(super) fn requests<'a>(
    tasks: &'a [Task],
    answers: &'a [Answer],
) -> impl Iterator<Item = (&'a Request, &'a Answer)> {
    tasks.iter().zip(answers).filter_map(|(task, answer)| match task {
        Task::Request(request) => Some((&**request, answer)),
        Task::Sweep | Task::Settle | Task::Leave => None,
    })
}

/// What a full disk answers.
pub(super) fn refuse_all(tasks: &[Task]) -> Vec<Answer> {
    let refusal = || Refusal::new(Code::StorageFull).retry_after(FULL_RETRY_MS);
    tasks.iter().map(|task| task.refused(refusal())).collect()
}

/// Milliseconds after which a full disk is worth another try.
const FULL_RETRY_MS: u32 = 30_000;
