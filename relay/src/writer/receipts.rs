//! Receipts, made by whoever waits for an answer, so that the writer goes on. What they say leaves only
//! after the commit: nobody has the answer before.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use plico_protocol::frame::RelayFrame;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{Entry, Generation, Grown, Head, Receipt};
use plico_protocol::time::Hour;

use crate::decide;
use crate::keys::Ring;
use crate::ledger::{Path, Shown};
use crate::request::Reply;

/// An account's tree as a commit leaves it. One head answers for all of it: the first who needs it hashes
/// and signs.
pub(super) struct Tree {
    shown: Shown,
    generation: Generation,
    hour: Hour,
    ring: Arc<Ring>,
    proven: OnceLock<Option<(Grown, Head)>>,
}

/// The trees of one commit.
pub(super) struct Trees(BTreeMap<AccountKey, Arc<Tree>>);

/// An answer without the receipt that belongs to it.
#[derive(Clone)]
pub(super) struct Charged {
    pub(super) reply: Reply,
    pub(super) entry: Entry,
    pub(super) path: Path,
    pub(super) tree: Arc<Tree>,
}

impl Trees {
    /// With what their heads state, and the keys that sign them.
    pub(super) fn new(
        shown: Vec<Shown>,
        generation: Generation,
        hour: Hour,
        ring: &Arc<Ring>,
    ) -> Self {
        let tree = |shown: Shown| {
            let (ring, proven) = (Arc::clone(ring), OnceLock::new());
            (shown.account, Arc::new(Tree { shown, generation, hour, ring, proven }))
        };
        Self(shown.into_iter().map(tree).collect())
    }

    /// An account's, if a receipt was asked of it.
    pub(super) fn of(&self, account: &AccountKey) -> Option<Arc<Tree>> {
        self.0.get(account).cloned()
    }
}

impl Tree {
    /// None without a key to sign with.
    fn proven(&self) -> Option<&(Grown, Head)> {
        let prove = || {
            let (grown, body) = self.shown.prove(self.generation, self.hour);
            Some((grown, *body.sign(self.ring.ledger()?).head()))
        };
        self.proven.get_or_init(prove).as_ref()
    }
}

impl Charged {
    /// The whole answer.
    pub(super) fn into_reply(self) -> Reply {
        let Self { reply, entry, path, tree } = self;
        let RelayFrame::Accepted(mut acceptance) = reply? else { return Err(decide::busy()) };
        // There was a key to sign with, and the entry in the tree, when it was decided.
        let (grown, head) = tree.proven().ok_or_else(decide::busy)?;
        let path = match path {
            Path::New => grown.inclusion(entry.sequence.0).ok_or_else(decide::busy)?,
            Path::Known(path) => path,
        };
        acceptance.receipt = Some(Box::new(Receipt { entry, path, head: *head }));
        Ok(RelayFrame::Accepted(acceptance))
    }
}

impl core::fmt::Debug for Charged {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Charged").field("entry", &self.entry).finish_non_exhaustive()
    }
}
