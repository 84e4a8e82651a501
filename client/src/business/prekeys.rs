//! A business's prekeys: made and stored before they are published, replaced daily, and kept only
//! as long as an envelope that needs them can still come.

use plico_endpoint::prekeys::{KemPrekey, OneTimePrekey, SignedPrekey, publication};
use plico_protocol::frame::{ClientFrame, PrekeyStock, RelayFrame};
use plico_protocol::limits::{
    ONE_TIME_PREKEYS_LOW, ONE_TIME_PREKEYS_PER_FRAME_MAX, PREKEY_HOURS_MAX,
};
use plico_protocol::prekey::PrekeyId;
use plico_protocol::time::{Hour, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::command::Job;
use super::core::BusinessCore;
use super::event::Trouble;
use super::record::Seen;
use crate::agent::lines::Lines;
use crate::probe::Point;
use crate::random;
use crate::state::{Name, Rows, StateError, Table};

/// A signed X25519 and a signed ML-KEM prekey of the same id.
pub(super) struct Pair {
    pub(super) signed: SignedPrekey,
    pub(super) kem: KemPrekey,
    created: Hour,
    replaced: Option<Hour>,
}

/// A one-time prekey.
pub(super) struct OneTime(pub(super) OneTimePrekey);

impl BusinessCore {
    /// Asks what the relay holds when that is due: after connecting, and once a day.
    pub(super) fn tend_prekeys(&mut self, lines: &mut Lines) {
        let now = self.now();
        let Some(line) = self.proven_line(lines) else { return };
        let busy = self.jobs.has(&Job::Stock) || self.jobs.has(&Job::Publish);
        if busy || now < self.prekeys_due {
            return;
        }
        self.jobs.ask(lines, line, Job::Stock, ClientFrame::PrekeyStatus);
    }

    /// Takes the answer to that question, and notes what to publish.
    pub(super) fn stock_came(&mut self, frame: &RelayFrame) -> Result<(), StateError> {
        let now = self.now();
        match frame {
            RelayFrame::Stock(stock) => {
                self.prekeys_due = Timestamp(now.0.saturating_add(CHECK_MS));
                let void_due = self.restore.is_some_and(|restore| restore.void_due);
                self.trusted = void_due || !self.is_behind(stock)?;
                if !self.trusted {
                    self.prekeys_due = Timestamp(now.0.saturating_add(RETRY_MS));
                    return self.trouble(Trouble::OlderCopy);
                }
                self.count_above(stock)?;
                self.publish_wanted = self.lacks(stock)?;
                if void_due {
                    self.void = believed(stock.highest);
                    self.publish_wanted = Some(ONE_TIME_PREKEYS_PER_FRAME_MAX);
                }
                if self.drained { self.forget_prekeys() } else { Ok(()) }
            }
            RelayFrame::Refused(refusal) => {
                self.prekeys_due = Timestamp(now.0.saturating_add(RETRY_MS));
                self.trouble(Trouble::Refused(refusal.code))
            }
            _ => Ok(()),
        }
    }

    /// Publishes, once what is published is stored.
    pub(super) fn publish(&mut self, lines: &mut Lines) -> Result<(), StateError> {
        let Some(line) = self.proven_line(lines).filter(|_| self.trusted) else { return Ok(()) };
        let Some(wanted) = self.publish_wanted.take() else { return Ok(()) };
        let now = self.now().hour();
        let (account, void) = (&self.identity.account, self.void);
        let publication = self.state.write::<_, StateError>(|rows| {
            let pair = current_pair(rows, now)?;
            let end = now.plus(PREKEY_HOURS_MAX);
            let mut one_time = Vec::with_capacity(wanted);
            for _ in 0..wanted {
                let number = rows.next_number(Table::OneTimePrekey)?;
                let id = PrekeyId(u32::try_from(number).unwrap_or(u32::MAX));
                let prekey = OneTimePrekey::generate(id, end, &mut random::system());
                rows.put(Table::OneTimePrekey, Name::Number(number), &OneTime(prekey.clone()))?;
                one_time.push(prekey);
            }
            Ok(publication(&pair.signed, &pair.kem, void, &one_time, account))
        })?;
        self.state.reached(Point::BeforePublish);
        let frame = ClientFrame::PublishPrekeys(Box::new(publication));
        self.jobs.ask(lines, line, Job::Publish, frame);
        Ok(())
    }

    pub(super) fn published(&mut self, frame: &RelayFrame) -> Result<(), StateError> {
        match frame {
            RelayFrame::Refused(refusal) => {
                self.prekeys_due = Timestamp(self.now().0.saturating_add(RETRY_MS));
                self.trouble(Trouble::Refused(refusal.code))
            }
            RelayFrame::Stock(_) => self.voided(),
            _ => Ok(()),
        }
    }

    /// The relay hands out no prekey any more that was lost.
    fn voided(&mut self) -> Result<(), StateError> {
        self.void = PrekeyId(0);
        let Some(restore) = self.restore.as_mut().filter(|restore| restore.void_due) else {
            return Ok(());
        };
        restore.void_due = false;
        let restore = *restore;
        self.state.write(|rows| restore.put(rows))
    }

    /// Whether the relay was given prekeys that this state never made: then it is a copy from
    /// before, and must not go on as if nothing had happened since.
    pub(super) fn is_behind(&mut self, stock: &PrekeyStock) -> Result<bool, StateError> {
        let (one_time, pair) = self.state.read(|rows| {
            let one_time = rows.number_to_come(Table::OneTimePrekey)?;
            Ok((one_time, rows.number_to_come(Table::SignedPrekey)?))
        })?;
        let highest = stock.signed.max(stock.kem);
        Ok(one_time <= u64::from(stock.highest.0) || pair <= u64::from(highest.0))
    }

    /// Deletes private halves that no envelope can need any more. Called when the inbox is drained:
    /// what waited has been opened.
    pub(super) fn forget_prekeys(&mut self) -> Result<(), StateError> {
        let now = self.now().hour();
        self.state.write(|rows| {
            rows.delete_where::<Pair>(Table::SignedPrekey, |pair| {
                let end = pair.replaced.unwrap_or(pair.signed.not_after());
                let gone = pair.created.plus(KEPT_HOURS_MAX);
                end.min(pair.signed.not_after()).plus(KEPT_HOURS) < now || gone < now
            })?;
            rows.delete_where::<OneTime>(Table::OneTimePrekey, |OneTime(prekey)| {
                prekey.not_after().plus(KEPT_HOURS) < now
            })?;
            rows.delete_where::<Seen>(Table::Replay, |seen| seen.0.plus(KEPT_HOURS_MAX) < now)
        })
    }

    /// Follows the relay where it knows higher ids than a restored state: ids from before would be
    /// ignored, and people would get bundles nobody can open.
    pub(super) fn count_above(&mut self, stock: &PrekeyStock) -> Result<(), StateError> {
        let now = self.now().hour();
        let pair = u64::from(believed(stock.signed).max(believed(stock.kem)).0);
        self.state.write(|rows| {
            rows.count_above(Table::OneTimePrekey, u64::from(believed(stock.highest).0))?;
            rows.count_above(Table::SignedPrekey, pair)?;
            if let Some((number, mut newest)) = newest_pair(rows)?
                && number < pair
                && newest.replaced.is_none()
            {
                newest.replaced = Some(now);
                rows.put(Table::SignedPrekey, Name::Number(number), &newest)?;
            }
            Ok(())
        })
    }

    /// How many one-time prekeys to publish, if the relay's stock calls for a publication.
    pub(super) fn lacks(&mut self, stock: &PrekeyStock) -> Result<Option<usize>, StateError> {
        let now = self.now().hour();
        let newest = self.state.read(newest_pair)?;
        let current = newest.filter(|(_, pair)| pair.is_current(now));
        let held = current.is_some_and(|(_, pair)| {
            pair.signed.id() == stock.signed && pair.kem.id() == stock.kem
        });
        let left = usize::try_from(stock.one_time).unwrap_or(usize::MAX);
        let lacks = !held || left <= ONE_TIME_PREKEYS_LOW;
        Ok(lacks.then(|| ONE_TIME_PREKEYS_PER_FRAME_MAX.saturating_sub(left)))
    }
}

/// An id a relay names, unless no honest one could.
fn believed(id: PrekeyId) -> PrekeyId {
    if id.0 <= ID_BELIEVED_MAX { id } else { PrekeyId(0) }
}

impl Pair {
    fn is_current(&self, now: Hour) -> bool {
        self.replaced.is_none() && now < self.created.plus(REPLACED_HOURS)
    }
}

fn newest_pair(rows: &Rows<'_>) -> Result<Option<(u64, Pair)>, StateError> {
    Ok(rows.ordered::<Pair>(Table::SignedPrekey)?.pop())
}

/// Today's pair; a new one replaces that of yesterday.
pub(super) fn current_pair(rows: &Rows<'_>, now: Hour) -> Result<Pair, StateError> {
    if let Some((number, mut newest)) = newest_pair(rows)? {
        if newest.is_current(now) {
            return Ok(newest);
        }
        newest.replaced = Some(now);
        rows.put(Table::SignedPrekey, Name::Number(number), &newest)?;
    }
    let number = rows.next_number(Table::SignedPrekey)?;
    let id = PrekeyId(u32::try_from(number).unwrap_or(u32::MAX));
    let end = now.plus(PREKEY_HOURS_MAX);
    let rng = &mut random::system();
    let pair = Pair {
        signed: SignedPrekey::generate(id, end, rng),
        kem: KemPrekey::generate(id, end, rng),
        created: now,
        replaced: None,
    };
    rows.put(Table::SignedPrekey, Name::Number(number), &pair)?;
    Ok(pair)
}

impl Wire for Pair {
    fn write(&self, out: &mut Writer) {
        let Self { signed, kem, created, replaced } = self;
        out.sized(&signed.to_bytes());
        out.sized(&kem.to_bytes());
        created.write(out);
        out.optional(replaced.as_ref());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            signed: SignedPrekey::from_bytes(&reader.sized("signed", SECRET_BYTES_MAX)?)?,
            kem: KemPrekey::from_bytes(&reader.sized("kem", SECRET_BYTES_MAX)?)?,
            created: Wire::read(reader)?,
            replaced: reader.optional("has_replaced")?,
        })
    }
}

impl Wire for OneTime {
    fn write(&self, out: &mut Writer) {
        out.sized(&self.0.to_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        OneTimePrekey::from_bytes(&reader.sized("one_time", SECRET_BYTES_MAX)?).map(Self)
    }
}

/// A relay that claims more lies: at 100 a minute it would take 40 years. Its word must not use up
/// the ids of a business that moves to another.
const ID_BELIEVED_MAX: u32 = u32::MAX / 2;
/// Hours after which the signed prekeys are replaced.
const REPLACED_HOURS: u32 = 24;
/// Hours a private half is kept past its replacement or end: a person may use a bundle for 24, and
/// as long again passes for what is on its way.
const KEPT_HOURS: u32 = 48;
/// Hours after which a private half is gone in any case (62 days): a bundle lives 30 days and an
/// envelope waits 30 more.
const KEPT_HOURS_MAX: u32 = 62 * 24;
const CHECK_MS: u64 = 3_600_000;
const RETRY_MS: u64 = 60_000;
const SECRET_BYTES_MAX: usize = 128;
