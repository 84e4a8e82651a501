//! Reporting a message to the relay's operator: what the relay stamped on it and, if the person
//! wishes, what it said. Everything needed is kept for 30 days. SPEC.md §11.

use bytes::Bytes;
use plico_endpoint::id::ContentId;
use plico_endpoint::layout::MAILBOX_OVERHEAD_BYTES;
use plico_endpoint::message::pad;
use plico_endpoint::session::Opened;
use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::id::{Address, Commitment};
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::mac::MacKey;
use plico_protocol::refusal::Code;
use plico_protocol::report::{Disclosure, Report, Reported};
use plico_protocol::stamp::StampedOrigin;
use plico_protocol::time::Hour;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::core::{Job, PersonCore};
use super::record::Wish;
use crate::agent::history::Kept;
use crate::agent::journal::News;
use crate::agent::lines::Lines;
use crate::state::{Name, Rows, StateError, Table};

/// What a report shows beside what the relay knows already: which business wrote to this mailbox,
/// when, and what it declared the message to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// What this message said, and no other. The relay checks that it was sent so, and drops it.
    Content,
    /// Nothing.
    Nothing,
}

/// What a report did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    /// It counts against the business's standing.
    Counted,
    /// This message was reported before, or another of this business's today: a person counts once
    /// a day.
    Already,
    /// It counts for nothing: the business was answering what this person wrote.
    Answer,
    /// The relay did not take it.
    Refused,
}

impl ReportOutcome {
    /// None is a refusal.
    pub(super) fn of(reported: Option<Reported>) -> Self {
        match reported {
            Some(Reported::Counted) => Self::Counted,
            Some(Reported::Already) => Self::Already,
            Some(Reported::InWindow) => Self::Answer,
            None => Self::Refused,
        }
    }
}

impl PersonCore {
    /// Whether a message can be reported: it came through this conversation in the last 30 days.
    pub(super) fn is_reportable(&mut self, peer: u64, id: ContentId) -> Result<bool, StateError> {
        let franking = self.state.read(|rows| Franking::get(rows, id))?;
        Ok(franking.is_some_and(|franking| franking.peer == peer))
    }

    /// Takes a report to the relay. It needs a proof of the mailbox and nothing of its state.
    pub(super) fn carry_report(
        &mut self,
        peer: u64,
        wish: Wish,
        lines: &mut Lines,
    ) -> Result<(), StateError> {
        let Wish::Report { id, evidence } = wish else { return Ok(()) };
        if self.jobs.has(&Job::Wish(peer, wish)) {
            return Ok(());
        }
        let Some(line) = self.proven_line(peer, lines) else { return Ok(()) };
        let Some(address) = self.talks.get(&peer).map(|talk| talk.record.address()) else {
            return Ok(());
        };
        let report = self.state.read(|rows| {
            let Some(franking) = Franking::get(rows, id)? else { return Ok(None) };
            franking.report(rows, address, evidence).map(Some)
        })?;
        match report {
            Some(report) => {
                let frame = ClientFrame::Report(Box::new(report));
                self.jobs.ask(lines, line, Job::Wish(peer, wish), frame);
                Ok(())
            }
            // It grew 30 days old while the relay could not be reached.
            None => self.report_done(peer, wish, None),
        }
    }

    pub(super) fn report_answered(
        &mut self,
        peer: u64,
        wish: Wish,
        frame: &RelayFrame,
    ) -> Result<(), StateError> {
        let reported = match frame {
            RelayFrame::Reported(reported) => Some(*reported),
            RelayFrame::Refused(refusal)
                if matches!(refusal.code, Code::Busy | Code::ShuttingDown | Code::RateLimited) =>
            {
                return self.refused(peer, refusal);
            }
            _ => None,
        };
        self.report_done(peer, wish, reported)
    }

    fn report_done(
        &mut self,
        peer: u64,
        wish: Wish,
        reported: Option<Reported>,
    ) -> Result<(), StateError> {
        let Wish::Report { id, .. } = wish else { return Ok(()) };
        self.wish_done(peer, wish, None)?;
        self.tell(peer, News::Reported { id, reported })
    }
}

/// What a report needs beside the content, which the history keeps: the key that opens its
/// commitment, and what the relay stamped.
pub(super) struct Franking {
    at: Hour,
    peer: u64,
    /// Where the content is in the conversation's history.
    place: Option<u64>,
    franking_key: MacKey,
    commitment: Commitment,
    class: SizeClass,
    origin: StampedOrigin,
}

impl Franking {
    pub(super) fn of(
        opened: &Opened,
        origin: StampedOrigin,
        (peer, place): (u64, Option<u64>),
        at: Hour,
    ) -> Self {
        Self {
            at,
            peer,
            place,
            franking_key: opened.franking_key().clone(),
            commitment: *opened.commitment(),
            class: opened.class(),
            origin,
        }
    }

    pub(super) fn put(&self, rows: &Rows<'_>, id: ContentId) -> Result<(), StateError> {
        rows.put(Table::Franking, Name::Hidden(id.as_bytes()), self)
    }

    fn get(rows: &Rows<'_>, id: ContentId) -> Result<Option<Self>, StateError> {
        rows.get(Table::Franking, Name::Hidden(id.as_bytes()))
    }

    /// Content that is not kept any more is not disclosed; the rest still counts.
    fn report(
        self,
        rows: &Rows<'_>,
        address: Address,
        evidence: Evidence,
    ) -> Result<Report, StateError> {
        let place = self.place.filter(|_| evidence == Evidence::Content);
        let kept = match place {
            Some(place) => rows.get::<Kept>(Table::History, Name::Within(self.peer, place))?,
            None => None,
        };
        let padded = kept.and_then(|kept| {
            pad(&kept.content, self.class.bytes().saturating_sub(MAILBOX_OVERHEAD_BYTES)).ok()
        });
        let Self { franking_key, commitment, class, origin, .. } = self;
        let disclosure =
            padded.map(|padded| Disclosure { padded: Bytes::from_owner(padded), franking_key });
        Ok(Report { address, commitment, class, origin, disclosure })
    }
}

/// Deletes what is 30 days old: no report is taken any more, and nothing older is delivered.
pub(super) fn forget_franking(rows: &Rows<'_>, now: Hour) -> Result<(), StateError> {
    let old = now.minus(RETENTION_HOURS);
    rows.delete_where::<Franking>(Table::Franking, |franking| franking.at < old)
}

impl Wire for Franking {
    fn write(&self, out: &mut Writer) {
        let Self { at, peer, place, franking_key, commitment, class, origin } = self;
        at.write(out);
        out.u64(*peer);
        out.u8(u8::from(place.is_some()));
        out.u64(place.unwrap_or_default());
        out.bytes(franking_key.expose_secret());
        commitment.write(out);
        class.write(out);
        origin.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let (at, peer) = (Wire::read(reader)?, reader.u64()?);
        let (has_place, place) = (reader.flag("has_place")?, reader.u64()?);
        Ok(Self {
            at,
            peer,
            place: has_place.then_some(place),
            franking_key: MacKey::new(reader.array()?),
            commitment: Wire::read(reader)?,
            class: Wire::read(reader)?,
            origin: Wire::read(reader)?,
        })
    }
}

impl Wire for Evidence {
    fn write(&self, out: &mut Writer) {
        out.u8(match self {
            Self::Content => 1,
            Self::Nothing => 2,
        });
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        match reader.u8()? {
            1 => Ok(Self::Content),
            2 => Ok(Self::Nothing),
            _ => Err(DecodeError::BadValue { field: "evidence" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use plico_protocol::commitment::commit;
    use plico_protocol::id::{AccountKey, TicketId};
    use plico_protocol::signature::MailboxSecret;
    use plico_protocol::stamp::{Origin, Reason};
    use plico_protocol::ticket::{Category, address_tag};
    use plico_protocol::time::Timestamp;

    use super::*;
    use crate::agent::history::{self, Direction};
    use crate::state::{Owner, Protection, State};

    const PEER: u64 = 1;

    fn key(seed: u8) -> MacKey {
        MacKey::new([seed; 32])
    }

    /// A message of this content to mailbox 3, stamped under key 1, tagged under key 2.
    fn franking(content: &[u8], place: Option<u64>) -> Franking {
        let class = SizeClass::Small;
        let padded = pad(content, class.bytes() - MAILBOX_OVERHEAD_BYTES).unwrap();
        let commitment = commit(&key(4), 1, class, &padded);
        let origin = Origin {
            account: AccountKey::new([5; 32]),
            tag: address_tag(&key(2), &MailboxSecret::from_seed(&[3; 32]).public()),
            ticket: TicketId::new([6; 16]),
            hour: Hour(7),
            category: Category::Utility,
            reason: Reason::OutsideWindow,
        };
        let origin = origin.stamp(&key(1), &commitment, class);
        Franking { at: Hour(7), peer: PEER, place, franking_key: key(4), commitment, class, origin }
    }

    /// `place` is given where the content was kept.
    fn check(place: impl FnOnce(u64) -> Option<u64>, evidence: Evidence, disclosed: bool) {
        let folder = tempfile::TempDir::new().unwrap();
        let protection = Protection::key_file(folder.path().join("key"));
        let mut state =
            State::create(&folder.path().join("state"), &protection, Owner::Person).unwrap();
        let address = MailboxSecret::from_seed(&[3; 32]).public();
        let id = ContentId::new([7; 16]);
        let report = state.write::<_, StateError>(|rows| {
            let direction = Direction::Received { category: Some(Category::Utility) };
            let content = Bytes::from_static(b"buy now");
            let kept = history::keep(
                rows,
                PEER,
                &Kept { at: Timestamp(0), content, direction, delivered: None },
            )?;
            franking(b"buy now", place(kept)).put(rows, id)?;
            Franking::get(rows, id)?.unwrap().report(rows, address, evidence)
        });
        let report = report.unwrap();
        assert_eq!(report.disclosure.is_some(), disclosed);
        assert!(report.prove(Some(&key(1)), &key(2)).is_ok());
    }

    #[test]
    fn content_that_is_kept_is_disclosed_if_the_person_wishes_and_proves_itself() {
        check(Some, Evidence::Content, true);
        check(Some, Evidence::Nothing, false);
        check(|kept| Some(kept + 1), Evidence::Content, false);
        check(|_| None, Evidence::Content, false);
    }
}
