//! Receipts, made by whoever waits for an answer, so that the writer goes on. What they say leaves only
//! after the commit: nobody has the answer before.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::Ed25519KeyPair;
use plico_protocol::frame::RelayFrame;
use plico_protocol::id::{AccountKey, LedgerKey, SignatureBytes};
use plico_protocol::ledger::{Entry, Generation, Grown, Head, HeadBody, Receipt};
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
    signer: Option<Arc<Signer>>,
    proven: OnceLock<Option<(Grown, Head)>>,
}

/// Signs heads by the TLS provider's Ed25519, in half the time that the portable one takes (6 for 13 µs).
/// The provider wipes the key when it frees it.
pub(super) struct Signer {
    key: LedgerKey,
    pair: Ed25519KeyPair,
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

impl Signer {
    /// What signs with the ledger key of a ring: `last`, if it is the same key. None without a key.
    pub(super) fn of(ring: &Ring, last: Option<Arc<Self>>) -> Option<Arc<Self>> {
        let secret = ring.ledger()?;
        let key = secret.public();
        last.filter(|last| last.key == key).or_else(|| {
            let seed = secret.expose_seed();
            let pair = Ed25519KeyPair::from_seed_and_public_key(&*seed, key.as_bytes()).ok()?;
            Some(Arc::new(Self { key, pair }))
        })
    }

    fn sign(&self, body: HeadBody) -> Head {
        body.sign_by(|message| {
            let mut bytes = [0; SignatureBytes::BYTES];
            bytes.iter_mut().zip(self.pair.sign(message).as_ref()).for_each(|(to, by)| *to = *by);
            SignatureBytes::new(bytes)
        })
    }
}

impl Trees {
    /// With what their heads state, and what signs them.
    pub(super) fn new(
        shown: Vec<Shown>,
        generation: Generation,
        hour: Hour,
        signer: Option<&Arc<Signer>>,
    ) -> Self {
        let tree = |shown: Shown| {
            let (signer, proven) = (signer.cloned(), OnceLock::new());
            (shown.account, Arc::new(Tree { shown, generation, hour, signer, proven }))
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
            Some((grown, self.signer.as_ref()?.sign(body)))
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

#[cfg(test)]
mod tests {
    use getrandom::rand_core::TryRng as _;
    use plico_protocol::ledger::TreeHash;

    use super::*;
    use crate::keys::Keys;
    use crate::writer::fixture::{START, Seeded, authority};

    #[test]
    fn both_libraries_sign_alike_and_another_key_makes_another_signer() {
        let mut rng = Seeded(3);
        let rings = [0, 1].map(|_| {
            let seed = rng.try_next_u64().unwrap();
            Keys::in_memory(&authority(), START, &mut Seeded(seed)).ring()
        });
        let mut signer = None;
        for (ring, number) in [(&rings[0], 0), (&rings[0], 1), (&rings[1], 2), (&rings[0], 3)] {
            let before = signer.clone();
            signer = Signer::of(ring, signer);
            let signer = signer.as_ref().unwrap();
            assert_eq!(before.is_some_and(|before| Arc::ptr_eq(&before, signer)), number == 1);
            let body = HeadBody {
                account: AccountKey::new([number; 32]),
                generation: Generation::default(),
                size: u64::from(number),
                root: TreeHash::new([7; 32]),
                hour: Hour(1),
            };
            assert_eq!(signer.sign(body), *body.sign(ring.ledger().unwrap()).head());
        }
    }
}
