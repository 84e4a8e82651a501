//! Who is certified: every certificate in memory, so that "is this an inbox?" is answered before
//! any look-up on disk.
//!
//! Loaded from the store at start, kept current by commits. The certificate with the highest
//! serial wins wherever two claim one thing:
//!
//! - a *handle*: look-ups find its newest certificate. A handle may pass to another account,
//!   because the operator signs and so decides; the old account keeps its own standing.
//! - an *account*: its newest certificate says what it may send.
//! - an *inbox*: the newest certificate that names it says whether it takes messages. A renewal
//!   that brings a new inbox leaves the old one as it is: it takes messages until its certificate
//!   ends and can be drained for as long as anything is in it.
//!
//! A certificate that the present authority did not sign is as if it were not there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use plico_protocol::certificate::{BadCertificate, Handle, Serial, VerifiedCertificate};
use plico_protocol::id::{AccountKey, Address, AuthorityKey};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::time::Hour;

use crate::rows::Rows;
use crate::store::{ReadError, Reader};

/// The certified businesses, shared by all threads. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    shared: Arc<RwLock<State>>,
}

/// One certificate and whether the operator took it back.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: Arc<VerifiedCertificate>,
    /// Whether it is revoked.
    pub revoked: bool,
}

/// Why a certificate does not carry a request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStanding {
    /// The operator revoked it.
    #[error("the certificate is revoked")]
    Revoked,
    /// It has ended.
    #[error("the certificate has expired")]
    Expired,
    /// It has not begun.
    #[error("the certificate is not valid yet")]
    NotYetValid,
}

#[derive(Debug, Default)]
struct State {
    by_serial: BTreeMap<Serial, Certified>,
    by_handle: HashMap<Handle, Serial>,
    by_account: HashMap<AccountKey, Serial>,
    by_inbox: HashMap<Address, Serial>,
}

impl Certified {
    /// Whether it carries requests at `now`.
    ///
    /// # Errors
    ///
    /// [`NotStanding`].
    pub fn standing(&self, now: Hour) -> Result<(), NotStanding> {
        if self.revoked {
            return Err(NotStanding::Revoked);
        }
        self.certificate.valid_at(now).map_err(|error| match error {
            BadCertificate::NotYetValid => NotStanding::NotYetValid,
            _ => NotStanding::Expired,
        })
    }
}

impl From<NotStanding> for Refusal {
    fn from(reason: NotStanding) -> Self {
        match reason {
            NotStanding::Revoked => Self::new(Code::CertificateRevoked),
            NotStanding::Expired => Self::new(Code::CertificateExpired),
            NotStanding::NotYetValid => Self::because(Code::NotCertified, reason),
        }
    }
}

impl Directory {
    /// The newest certificate under a handle.
    pub fn by_handle(&self, handle: &Handle) -> Option<Certified> {
        let state = self.read();
        state.certified(state.by_handle.get(handle)?)
    }

    /// The newest certificate of an account.
    pub fn by_account(&self, account: &AccountKey) -> Option<Certified> {
        let state = self.read();
        state.certified(state.by_account.get(account)?)
    }

    /// The newest certificate that names this inbox; none if the address is no inbox.
    pub fn inbox(&self, address: &Address) -> Option<Certified> {
        let state = self.read();
        state.certified(state.by_inbox.get(address)?)
    }

    /// A certificate by its number.
    pub fn by_serial(&self, serial: Serial) -> Option<Certified> {
        self.read().certified(&serial)
    }

    /// At most `limit` certificates, newest first, for the operator's eyes.
    pub fn newest(&self, limit: usize) -> Vec<Certified> {
        self.read().by_serial.values().rev().take(limit).cloned().collect()
    }

    /// When each certificate that is valid now ends.
    pub(crate) fn ends(&self, now: Hour) -> Vec<Hour> {
        let state = self.read();
        let standing = state.by_serial.values().filter(|one| one.standing(now).is_ok());
        standing.map(|one| one.certificate.body().valid_to).collect()
    }

    /// The number for the next certificate.
    pub fn next_serial(&self) -> Serial {
        let last = self.read().by_serial.last_key_value().map_or(0, |(serial, _)| serial.0);
        Serial(last.saturating_add(1))
    }

    /// Takes in a certificate; the same one again changes nothing.
    pub(crate) fn insert(&self, certificate: VerifiedCertificate) {
        self.write().insert(Arc::new(certificate), false);
    }

    /// Marks a certificate as revoked.
    pub(crate) fn revoke(&self, serial: Serial) {
        if let Some(certified) = self.write().by_serial.get_mut(&serial) {
            certified.revoked = true;
        }
    }

    /// Replaces everything by what the store holds. Gives the number of certificates that were
    /// left out because this authority did not sign them.
    pub(crate) fn load(
        &self,
        rows: &Rows,
        reader: &dyn Reader,
        authority: &AuthorityKey,
    ) -> Result<usize, ReadError> {
        let mut state = State::default();
        let mut foreign = 0;
        rows.for_each_certificate(reader, |stored| {
            let verified = stored.and_then(|(certificate, revoked)| {
                Some((certificate.verify(authority).ok()?, revoked))
            });
            match verified {
                Some((certificate, revoked)) => state.insert(Arc::new(certificate), revoked),
                None => foreign += 1,
            }
        })?;
        *self.write() = state;
        Ok(foreign)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.shared.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn certified(&self, serial: &Serial) -> Option<Certified> {
        self.by_serial.get(serial).cloned()
    }

    fn insert(&mut self, certificate: Arc<VerifiedCertificate>, revoked: bool) {
        let body = certificate.body();
        let serial = body.serial;
        raise(&mut self.by_handle, body.handle.clone(), serial);
        raise(&mut self.by_account, body.keys.account, serial);
        raise(&mut self.by_inbox, body.keys.inbox, serial);
        let certified = Certified { certificate, revoked };
        self.by_serial.entry(serial).or_insert(certified).revoked |= revoked;
    }
}

fn raise<K: core::hash::Hash + Eq>(index: &mut HashMap<K, Serial>, key: K, serial: Serial) {
    let newest = index.entry(key).or_insert(serial);
    *newest = serial.max(*newest);
}

#[cfg(test)]
mod tests {
    use plico_protocol::certificate::BusinessKeys;
    use plico_protocol::signature::AuthoritySecret;

    use super::*;
    use crate::request::Request;
    use crate::writer::fixture::{START, World, bank, certificate, other_account, person};

    fn handle(name: &str) -> Handle {
        Handle::new(name).unwrap()
    }

    fn serial(certified: Option<Certified>) -> Option<u64> {
        certified.map(|certified| certified.certificate.body().serial.0)
    }

    #[test]
    fn a_renewal_wins_whatever_the_order_and_the_old_inbox_stays_one() {
        let renewed = BusinessKeys { inbox: person(9), ..bank() };
        let hour = START.hour();
        for order in [[1, 2], [2, 1]] {
            let directory = Directory::default();
            for number in order {
                let keys = if number == 1 { bank() } else { renewed };
                directory.insert(certificate(number, "bank", keys, hour));
            }
            assert_eq!(serial(directory.by_handle(&handle("bank"))), Some(2));
            assert_eq!(serial(directory.by_account(&bank().account)), Some(2));
            assert_eq!(serial(directory.inbox(&bank().inbox)), Some(1));
            assert_eq!(serial(directory.inbox(&person(9))), Some(2));
            assert_eq!(serial(directory.inbox(&person(8))), None);
            assert_eq!(directory.next_serial(), Serial(3));
        }
    }

    #[test]
    fn a_handle_passes_to_the_newest_and_the_old_account_keeps_its_standing() {
        let directory = Directory::default();
        let other = BusinessKeys { account: other_account(), inbox: person(9), ..bank() };
        directory.insert(certificate(1, "bank", bank(), START.hour()));
        directory.insert(certificate(2, "bank", other, START.hour()));
        assert_eq!(serial(directory.by_handle(&handle("bank"))), Some(2));
        let old = directory.by_account(&bank().account).unwrap();
        old.standing(START.hour()).unwrap();
    }

    #[test]
    fn standing_is_judged_at_the_edges() {
        let hour = START.hour();
        let directory = Directory::default();
        directory.insert(certificate(1, "bank", bank(), hour));
        let standing = |at| directory.by_serial(Serial(1)).unwrap().standing(at);
        assert_eq!(standing(hour.minus(1)), Err(NotStanding::NotYetValid));
        assert_eq!(standing(hour), Ok(()));
        assert_eq!(standing(hour.plus(90 * 24)), Err(NotStanding::Expired));
        directory.revoke(Serial(1));
        directory.insert(certificate(1, "bank", bank(), hour));
        let standing = directory.by_serial(Serial(1)).unwrap().standing(hour);
        assert_eq!(standing, Err(NotStanding::Revoked), "inserting again does not pardon");
    }

    #[test]
    fn loading_gives_back_what_was_committed_and_leaves_out_other_authorities() {
        let (mut world, _disk) = World::new();
        world.certify_bank();
        world.call(Request::RevokeCertificate { serial: Serial(1) }).unwrap();
        let reader = world.store.reader().unwrap();
        let (directory, rows) = (Directory::default(), Rows::new(&world.keys.ring()));
        assert_eq!(directory.load(&rows, &*reader, world.keys.authority()).unwrap(), 0);
        assert!(directory.by_serial(Serial(1)).unwrap().revoked);
        let other = AuthoritySecret::from_seed(&[77; 32]).public();
        assert_eq!(directory.load(&rows, &*reader, &other).unwrap(), 1);
        assert!(directory.by_serial(Serial(1)).is_none());
    }
}
