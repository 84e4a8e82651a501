//! Envelopes that were dealt with and whose acknowledgement the relay has not confirmed.
//!
//! Delivery is at least once. An envelope that comes again after a crash must be answered as it
//! was the first time: a first message opened twice looks like a replay, and reporting it as
//! unreadable would make the sender repeat what was read. So the outcome is stored, under the
//! envelope's commitment, in the transaction that stored the content.

use std::collections::BTreeMap;

use plico_endpoint::id::ContentId;
use plico_protocol::frame::{Channel, Sequence};
use plico_protocol::id::Commitment;
use plico_protocol::limits::RETENTION_HOURS;
use plico_protocol::time::Hour;
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
    due: BTreeMap<(LineId, Channel), Due>,
    unconfirmed: BTreeMap<(LineId, Channel), Vec<(Sequence, Commitment)>>,
}

#[derive(Debug, Default)]
struct Due {
    up_to: Sequence,
    unreadable: Vec<Sequence>,
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
        (line, channel): (LineId, Channel),
        sequence: Sequence,
        c2: Commitment,
        outcome: Outcome,
    ) {
        let due = self.due.entry((line, channel)).or_default();
        due.up_to = due.up_to.max(sequence);
        if outcome == Outcome::Unreadable {
            due.unreadable.push(sequence);
        }
        self.unconfirmed.entry((line, channel)).or_default().push((sequence, c2));
    }

    /// Sends what is due, one acknowledgement for each channel.
    pub(crate) fn send(&mut self, lines: &Lines) {
        for ((line, channel), Due { up_to, unreadable }) in core::mem::take(&mut self.due) {
            lines.ask(line, Ask::Acknowledge { channel, up_to, unreadable });
        }
    }

    /// Forgets what the relay will not deliver again.
    pub(crate) fn confirmed(
        &mut self,
        line: LineId,
        channel: Channel,
        up_to: Sequence,
        rows: &Rows<'_>,
    ) -> Result<(), StateError> {
        let Some(unconfirmed) = self.unconfirmed.get_mut(&(line, channel)) else { return Ok(()) };
        let (gone, kept) = unconfirmed.drain(..).partition(|(sequence, _)| *sequence <= up_to);
        *unconfirmed = kept;
        let gone: Vec<(Sequence, Commitment)> = gone;
        for (_, c2) in gone {
            rows.delete(Table::Handled, Name::Hidden(c2.as_bytes()))?;
        }
        Ok(())
    }

    /// Forgets a line's channels: the relay delivers on others again.
    pub(crate) fn lost(&mut self, line: LineId) {
        self.due.retain(|(on, _), _| *on != line);
        self.unconfirmed.retain(|(on, _), _| *on != line);
    }
}

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
