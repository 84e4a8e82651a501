//! The signatures of a commit, made while its sync is waited for. What is signed leaves only after it.

use std::collections::BTreeMap;

use plico_protocol::frame::RelayFrame;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{Entry, Head, HeadBody, Proof, Receipt};

use crate::decide;
use crate::keys::Ring;
use crate::request::Reply;

/// A receipt without its head.
pub(super) struct Unsigned {
    pub(super) account: AccountKey,
    pub(super) entry: Entry,
    pub(super) path: Proof,
}

/// Heads by account.
pub(super) type Heads = BTreeMap<AccountKey, Head>;

/// Does `work` and signs `heads`, on a thread beside it if they are many.
pub(super) fn sign_beside<T>(
    heads: &[HeadBody],
    ring: &Ring,
    work: impl FnOnce() -> T,
) -> (T, Heads) {
    let sign = || match ring.ledger() {
        Some(key) => heads.iter().map(|body| (body.account, *body.sign(key).head())).collect(),
        None => Heads::new(),
    };
    if heads.len() <= SIGNED_HERE_MAX {
        return (work(), sign());
    }
    std::thread::scope(|scope| {
        // Where the system has no thread to give, this one signs.
        let signing =
            std::thread::Builder::new().name("signer".to_owned()).spawn_scoped(scope, sign);
        let done = work();
        let signed = match signing {
            Ok(signing) => signing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => sign(),
        };
        (done, signed)
    })
}

impl Unsigned {
    /// Puts the receipt into its answer.
    pub(super) fn give(self, heads: &Heads, reply: &mut Reply) {
        let Self { account, entry, path } = self;
        match (reply, heads.get(&account)) {
            (Ok(RelayFrame::Accepted(acceptance)), Some(head)) => {
                acceptance.receipt = Some(Box::new(Receipt { entry, path, head: *head }));
            }
            // There was a key to sign with when it was decided.
            (reply, _) => *reply = Err(decide::busy()),
        }
    }
}

/// A thread begins and ends in the time of about two signatures, some 10 µs each.
const SIGNED_HERE_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use plico_protocol::ledger::{Generation, TreeHash};
    use plico_protocol::time::Hour;

    use super::*;
    use crate::writer::fixture::keys;

    #[test]
    fn every_head_is_signed_here_or_beside() {
        let ring = keys().ring();
        let body = |number: u8| HeadBody {
            account: AccountKey::new([number; 32]),
            generation: Generation::default(),
            size: 1,
            root: TreeHash::new([number; 32]),
            hour: Hour(1),
        };
        for count in [0, 1, 2, 3, 50] {
            let bodies: Vec<_> = (0..count).map(body).collect();
            let (done, heads) = sign_beside(&bodies, &ring, || "done");
            assert_eq!((done, heads.len()), ("done", bodies.len()));
            for body in &bodies {
                let signed = *body.sign(ring.ledger().unwrap()).head();
                assert_eq!(heads.get(&body.account), Some(&signed));
            }
        }
    }
}
