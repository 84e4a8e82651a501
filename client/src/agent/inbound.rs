//! Envelopes that were dealt with and whose acknowledgement the relay has not confirmed.
//!
//! Delivery is at least once. An envelope that comes again after a crash must be answered as it
//! was the first time: a first message opened twice looks like a replay, and reporting it as
//! unreadable would make the sender repeat what was read. So the outcome is stored, under the
//! envelope's commitment, in the transaction that stored the content.

use std::collections::{BTreeMap, BTreeSet};

use plico_endpoint::id::ContentId;
use plico_protocol::frame::{Channel, Sequence};
use plico_protocol::id::Commitment;
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::refusal::Refusal;
use plico_protocol::time::{Hour, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::lines::Lines;
use crate::connection::{Ask, LineId};
use crate::state::{Name, Rows, StateError, Table};

/// What to tell the relay of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Stored, known already, or dropped on purpose.
    Read,
    /// It did not open.
    Unreadable,
}

/// Acknowledgements to send and to have confirmed.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    channels: BTreeMap<(LineId, Channel), Acknowledging>,
}

/// One channel. At most one acknowledgement is on its way: one that went ahead of a refused one
/// would confirm, as read, what that one named unreadable.
#[derive(Debug, Default)]
struct Acknowledging {
    due: Option<Due>,
    sent: Option<Due>,
    /// After a refusal nothing is sent before this.
    not_before: Option<Timestamp>,
    unconfirmed: Vec<(Sequence, Commitment)>,
}

#[derive(Clone, Debug, Default)]
struct Due {
    up_to: Sequence,
    unreadable: BTreeSet<Sequence>,
}

impl Inbound {
    /// The outcome of an envelope that was dealt with before.
    pub(crate) fn known(rows: &Rows<'_>, c2: &Commitment) -> Result<Option<Outcome>, StateError> {
        let handled = rows.get::<Handled>(Table::Handled, Name::Hidden(c2.as_bytes()))?;
        Ok(handled.map(|handled| handled.outcome))
    }

    /// Stores an outcome, in the transaction that stores what the envelope brought.
    pub(crate) fn remember(
        rows: &Rows<'_>,
        c2: &Commitment,
        outcome: Outcome,
        at: Hour,
    ) -> Result<(), StateError> {
        rows.put(Table::Handled, Name::Hidden(c2.as_bytes()), &Handled { outcome, at })
    }

    /// Whether content is new; it is known from now on.
    pub(crate) fn is_new(rows: &Rows<'_>, id: ContentId, at: Hour) -> Result<bool, StateError> {
        let name = Name::Hidden(id.as_bytes());
        if rows.has(Table::Seen, name)? {
            return Ok(false);
        }
        rows.put(Table::Seen, name, &at)?;
        Ok(true)
    }

    /// Forgets what cannot be delivered again: envelopes after 30 days, content, which may be sent
    /// again on a new session, after twice that.
    pub(crate) fn forget(rows: &Rows<'_>, now: Hour) -> Result<(), StateError> {
        let (old, older) = (now.minus(RETENTION_HOURS), now.minus(2 * RETENTION_HOURS));
        rows.delete_where::<Handled>(Table::Handled, |handled| handled.at < old)?;
        rows.delete_where::<Hour>(Table::Seen, |at| *at < older)
    }

    /// Notes that an envelope's outcome is stored. Envelopes of a channel come in order.
    pub(crate) fn dealt_with(
        &mut self,
        at: (LineId, Channel),
        sequence: Sequence,
        c2: Commitment,
        outcome: Outcome,
    ) {
        let channel = self.channels.entry(at).or_default();
        let due = channel.due.get_or_insert_default();
        due.up_to = due.up_to.max(sequence);
        if outcome == Outcome::Unreadable {
            due.unreadable.insert(sequence);
        }
        channel.unconfirmed.push((sequence, c2));
    }

    /// Sends what is due, one acknowledgement for each channel. What a full line does not take
    /// stays due.
    pub(crate) fn send(&mut self, lines: &Lines, now: Timestamp) {
        self.offer(now, |line, ask| lines.ask(line, ask));
    }

    fn offer(&mut self, now: Timestamp, mut take: impl FnMut(LineId, Ask) -> bool) {
        for ((line, channel), acknowledging) in &mut self.channels {
            if acknowledging.sent.is_some() || Some(now) < acknowledging.not_before {
                continue;
            }
            let Some(Due { up_to, unreadable }) = acknowledging.due.clone() else { continue };
            let unreadable = unreadable.into_iter().collect();
            if take(*line, Ask::Acknowledge { channel: *channel, up_to, unreadable }) {
                acknowledging.sent = acknowledging.due.take();
            }
        }
    }

    /// When an acknowledgement that was refused may be sent again.
    pub(crate) fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.channels.values().filter(|channel| channel.due.is_some());
        due.filter_map(|channel| channel.not_before).filter(|at| now < *at).min()
    }

    /// Notes a refusal. What passes is sent again; a channel that is gone is not acknowledged on,
    /// because the relay delivers what is unconfirmed on the next one.
    pub(crate) fn refused(&mut self, at: (LineId, Channel), refusal: &Refusal, now: Timestamp) {
        let Some(channel) = self.channels.get_mut(&at) else { return };
        let Some(sent) = channel.sent.take() else { return };
        if !refusal.code.passes() {
            tracing::debug!(code = refusal.code.name(), "an acknowledgement was refused");
            return;
        }
        let due = channel.due.get_or_insert_default();
        due.up_to = due.up_to.max(sent.up_to);
        due.unreadable.extend(sent.unreadable);
        let ms = u64::from(refusal.retry_after_ms).max(RETRY_MS);
        channel.not_before = Some(Timestamp(now.0.saturating_add(ms)));
    }

    /// Forgets what the relay will not deliver again.
    pub(crate) fn confirmed(
        &mut self,
        line: LineId,
        channel: Channel,
        up_to: Sequence,
        rows: &Rows<'_>,
    ) -> Result<(), StateError> {
        let Some(acknowledging) = self.channels.get_mut(&(line, channel)) else { return Ok(()) };
        acknowledging.sent = None;
        let unconfirmed = &mut acknowledging.unconfirmed;
        let (gone, kept) = unconfirmed.drain(..).partition(|(sequence, _)| *sequence <= up_to);
        *unconfirmed = kept;
        let gone: Vec<(Sequence, Commitment)> = gone;
        for (_, c2) in gone {
            rows.delete(Table::Handled, Name::Hidden(c2.as_bytes()))?;
        }
        Ok(())
    }

    /// Forgets a channel that ended.
    pub(crate) fn ended(&mut self, at: (LineId, Channel)) {
        self.channels.remove(&at);
    }

    /// Forgets a line's channels: the relay delivers on others again.
    pub(crate) fn lost(&mut self, line: LineId) {
        self.channels.retain(|(on, _), _| *on != line);
    }
}

const RETRY_MS: u64 = 1_000;

/// An outcome as it is stored.
struct Handled {
    outcome: Outcome,
    at: Hour,
}

impl Wire for Handled {
    fn write(&self, out: &mut Writer) {
        let Self { outcome, at } = self;
        out.u8(u8::from(*outcome == Outcome::Unreadable));
        at.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let unreadable = reader.flag("unreadable")?;
        let outcome = if unreadable { Outcome::Unreadable } else { Outcome::Read };
        Ok(Self { outcome, at: Wire::read(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use plico_protocol::refusal::Code;

    use super::*;

    const AT: (LineId, Channel) = (LineId(1), Channel(2));

    fn dealt_with(inbound: &mut Inbound, sequence: u64, outcome: Outcome) {
        inbound.dealt_with(AT, Sequence(sequence), Commitment::new([0; 32]), outcome);
    }

    impl Inbound {
        /// What goes out now on the only channel, as (up to, unreadable), to a line that has room.
        pub(crate) fn acknowledges(&mut self, now: Timestamp) -> Option<(u64, Vec<u64>)> {
            let mut sent = None;
            self.offer(now, |_, ask| {
                if let Ask::Acknowledge { up_to, unreadable, .. } = ask {
                    sent = Some((up_to.0, unreadable.iter().map(|sequence| sequence.0).collect()));
                }
                true
            });
            sent
        }
    }

    fn check(inbound: &mut Inbound, now: u64) -> Option<(u64, Vec<u64>)> {
        inbound.acknowledges(Timestamp(now))
    }

    #[test]
    fn a_full_line_keeps_what_is_due() {
        let mut inbound = Inbound::default();
        dealt_with(&mut inbound, 1, Outcome::Unreadable);
        inbound.offer(Timestamp(0), |_, _| false);
        dealt_with(&mut inbound, 2, Outcome::Read);
        assert_eq!(check(&mut inbound, 0), Some((2, vec![1])));
        assert_eq!(check(&mut inbound, 0), None);
    }

    #[test]
    fn a_refused_acknowledgement_goes_out_again_with_its_marks() {
        let mut inbound = Inbound::default();
        dealt_with(&mut inbound, 1, Outcome::Unreadable);
        assert_eq!(check(&mut inbound, 0), Some((1, vec![1])));
        // What comes meanwhile waits: it would confirm the first as read.
        dealt_with(&mut inbound, 2, Outcome::Unreadable);
        assert_eq!(check(&mut inbound, 0), None);
        let refusal = Refusal::new(Code::StorageFull).retry_after(5_000);
        inbound.refused(AT, &refusal, Timestamp(0));
        assert_eq!(check(&mut inbound, 4_999), None);
        assert_eq!(inbound.wake(Timestamp(0)), Some(Timestamp(5_000)));
        assert_eq!(check(&mut inbound, 5_000), Some((2, vec![1, 2])));
        inbound.refused(AT, &Refusal::new(Code::UnknownChannel), Timestamp(0));
        assert_eq!(check(&mut inbound, 9_000), None);
    }
}
