//! The relay's secret keys: a directory apart from the data, so that a stolen disk of one says
//! nothing without the other.
//!
//! The directory has mode 0700, its files 0600; a file that others may read is refused, but for
//! `authority.pub`, which only its owner may write. A process
//! that uses it holds a lock on its `keys.lock`, which is empty and stays. What each
//! key is for, what a thief of it gets, how it is renewed and what breaks when it is lost:
//!
//! | key | used for | a thief gets | renewed | lost or replaced: what breaks |
//! |---|---|---|---|---|
//! | row | names of rows | with the data: checks a guess "is this address, account or submit_id here?" | never (every row would have to be renamed) | the data directory is unreadable; the relay refuses to start on it |
//! | seal | values at rest | with the data: counters, expiry hours, submission outcomes, senders of stored envelopes, accounts' ledgers | never (ledgers live as long as the relay; a new data directory gets a new key) | as above |
//! | tag | the mailbox inside a ticket | links tickets of an address he knows | never | every ticket answers `ticket_other_mailbox` until people mint again |
//! | ticket, by id | minting and checking tickets | forges tickets for a mailbox whose epoch he knows, until that key retires | every 30 days, kept 400 days after its last signature; by hand `plico-relay keys rotate-tickets`, after a theft with `--end-all` | tickets it signed answer `ticket_forged`; devices are told and mint again |
//! | ledger | heads of accounts' ledgers, rate cards | signs other books and prices to businesses; those who keep receipts notice | by the operator, by taking its line out of `relay.keys`; its certificate 100 days before its end | what it signed stays valid; the next key must be certified before anything is charged |
//! | stamp, by UTC day | stamps over origins | forges stamps of that day, so reports of that day prove nothing | daily; destroyed after 62 days | reports of that day cannot be checked |
//! | TLS, `tls.key` | the relay's identity on the network; stateless resets | stands in for the relay, sees what a relay sees, ends connections | by the operator | every link's `pin`: clients refuse the relay until they get a new link |
//! | authority (public) | checking certificates | nothing | by the operator; every certificate anew | all certificates are ignored |
//! | authority (secret), `authority.key` | signing certificates; may be moved offline | certifies anyone as anything | by the operator | no certificate can be issued; present ones hold until they end |
//!
//! Destroying a key removes it from `relay.keys`; on a journaling or flash medium the old bytes
//! may linger until they are overwritten. The files are text, one key per line: `keys/file.rs` and
//! `keys/authority.rs` document the formats; `ledger.certificate` is the authority's word for the
//! ledger key (SPEC.md §14.1), signed by the relay itself while `authority.key` is here. `tls.key` is PKCS #8 in PEM and belongs to [`crate::tls`].

mod authority;
mod file;
mod ledger;
mod lock;
mod ring;
#[cfg(test)]
mod tests;

pub(crate) use authority::AUTHORITY_FILE;
use authority::make_authority;
pub use authority::{AuthorityFileError, create_authority, read_authority, read_authority_secret};
pub use file::KeyFileError;
pub(crate) use file::{KEYS_FILE, hex, next_step, read_private, replace, unhex};
pub(crate) use ledger::{CERTIFICATE_FILE, certify, read_certificate};
pub use ring::{Ring, SealKey};
pub(crate) use ring::{STAMP_KEY_DAYS_KEPT, TICKET_KEY_DAYS};

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use getrandom::rand_core::CryptoRng;
use plico_protocol::id::AuthorityKey;
use plico_protocol::ledger::VerifiedLedgerKey;
use plico_protocol::signature::{AuthoritySecret, LedgerSecret};
use plico_protocol::time::{Day, Timestamp};

use self::lock::{DirectoryLock, lock};

/// The relay's keys, shared by all its threads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keys {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Where `relay.keys` is; none for simulations.
    place: Option<Place>,
    authority: AuthorityKey,
    /// Locked for writing only to put the next one in its place.
    ring: RwLock<Arc<Ring>>,
    /// The certificate of the ring's ledger key, and when another was last looked for.
    ledger: RwLock<(Option<VerifiedLedgerKey>, Day)>,
    /// Held over a whole rotation, so that two callers cannot each add a key of the same day.
    rotating: Mutex<()>,
}

/// A key directory, and this process's hold on it.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
    _lock: DirectoryLock,
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// `relay.keys`, or the directory.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// `authority.key` or `authority.pub`.
    #[error(transparent)]
    Authority(#[from] AuthorityFileError),
    /// Ticket keys were added by hand again and again.
    #[error(
        "there are as many ticket keys as can be told apart; end the tickets they signed with \
         --end-all, or wait until the oldest is destroyed"
    )]
    TooManyTicketKeys,
}

/// The keys a directory holds, for showing what there is; none if there are none. It takes no lock
/// and changes nothing, so it works beside a running relay, which replaces the file as a whole.
pub(crate) fn read_ring(dir: &Path) -> Result<Option<Ring>, KeyFileError> {
    file::read(dir)
}

impl Keys {
    /// Reads the key directory, or makes one with fresh keys, an authority included; then
    /// [rotates](Self::rotate). The directory is this process's until the last clone is dropped.
    ///
    /// # Errors
    ///
    /// [`KeysError`]; [`KeyFileError::InUse`] while another process has the directory.
    pub fn open_or_create(
        dir: &Path,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, KeysError> {
        file::ensure_directory(dir)?;
        let place = Place { dir: dir.to_owned(), _lock: lock(dir)? };
        let ring = match file::read(dir)? {
            Some(ring) => ring,
            None => {
                let ring = Ring::generate(now, rng);
                file::write(dir, &ring)?;
                ring
            }
        };
        let authority = match read_authority(dir)? {
            Some(authority) => authority,
            None => make_authority(dir, rng)?,
        };
        let keys = Self::new(Some(place), authority, ring);
        keys.rotate(now, rng)?;
        Ok(keys)
    }

    /// Fresh keys that live in memory only, for simulations and tests.
    pub fn in_memory(authority: &AuthoritySecret, now: Timestamp, rng: &mut dyn CryptoRng) -> Self {
        let keys = Self::new(None, authority.public(), Ring::generate(now, rng));
        let key = keys.ring().ledger().map(LedgerSecret::public);
        let certificate = key.and_then(|key| certify(&key, authority, now));
        keys.set_certificate(certificate, now);
        keys
    }

    fn new(place: Option<Place>, authority: AuthorityKey, ring: Ring) -> Self {
        let ring = RwLock::new(Arc::new(ring));
        let ledger = RwLock::new((None, Day(0)));
        let shared = Shared { place, authority, ring, ledger, rotating: Mutex::new(()) };
        Self { shared: Arc::new(shared) }
    }

    /// The key certificates are checked with.
    pub fn authority(&self) -> &AuthorityKey {
        &self.shared.authority
    }

    /// Today's keys. Hold it for one request, not for longer: it does not change.
    pub fn ring(&self) -> Arc<Ring> {
        let ring = self.shared.ring.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&ring)
    }

    /// The certificate of today's ledger key; none if nothing can be signed with it now.
    pub fn ledger_key(&self, now: Timestamp) -> Option<VerifiedLedgerKey> {
        let (certificate, _) = *self.shared.ledger.read().unwrap_or_else(PoisonError::into_inner);
        let key = self.ring().ledger()?.public();
        certificate.filter(|found| *found.key() == key && found.valid_at(now.hour()).is_ok())
    }

    /// Has a fresh key sign tickets from now on, durably. With `end_all` every ticket ends, because
    /// the keys that check them are destroyed: after a theft of `relay.keys`, and after a restore,
    /// which takes revocations and counts back.
    ///
    /// # Errors
    ///
    /// [`KeysError`], and then nothing changed.
    pub fn rotate_tickets(
        &self,
        end_all: bool,
        now: Timestamp,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), KeysError> {
        let _rotating = self.shared.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.ring().with_ticket(end_all, now, rng);
        self.replace(next.ok_or(KeysError::TooManyTicketKeys)?)
    }

    /// Adds the day's stamp key and, every 30 days, a ticket key; destroys what is past its time.
    /// New keys are durable before anyone can see them: a stamp or ticket made with a key that a
    /// crash takes away could never be checked.
    ///
    /// # Errors
    ///
    /// [`KeysError::File`], and then nothing changed: what needs the missing key must be refused.
    pub fn rotate(&self, now: Timestamp, rng: &mut dyn CryptoRng) -> Result<(), KeysError> {
        if self.ring().is_due(now) {
            let _rotating = self.shared.rotating.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(next) = self.ring().rotated(now, rng) {
                self.replace(next)?;
            }
        }
        let (_, looked) = *self.shared.ledger.read().unwrap_or_else(PoisonError::into_inner);
        let certified = self.ledger_key(now).is_some_and(|key| !ledger::is_due(&key, now.hour()));
        if certified || looked == now.day() {
            return Ok(());
        }
        self.recertify(now)
    }

    /// Reads the ledger key's certificate again, or has one signed where the authority is at hand.
    ///
    /// # Errors
    ///
    /// [`KeysError`], and then nothing changed.
    pub fn recertify(&self, now: Timestamp) -> Result<(), KeysError> {
        let Some(place) = &self.shared.place else { return Ok(()) };
        let Some(key) = self.ring().ledger().map(LedgerSecret::public) else { return Ok(()) };
        let found = ledger::certificate(&place.dir, self.authority(), &key, now)?;
        self.set_certificate(found, now);
        Ok(())
    }

    fn set_certificate(&self, certificate: Option<VerifiedLedgerKey>, now: Timestamp) {
        let mut ledger = self.shared.ledger.write().unwrap_or_else(PoisonError::into_inner);
        *ledger = (certificate, now.day());
    }

    /// Two syncs, during which everyone goes on with the present keys.
    fn replace(&self, next: Ring) -> Result<(), KeysError> {
        if let Some(place) = &self.shared.place {
            file::write(&place.dir, &next)?;
        }
        *self.shared.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }
}
