//! What an operator's command asks of the relay and what it answers: bytes over a local socket,
//! in the wire protocol's layout, one request and one answer per connection.

use plico_protocol::certificate::{Certificate, Handle, Serial};
use plico_protocol::ledger::{Amount, Entry};
use plico_protocol::limits::ENTRIES_PER_FRAME_MAX;
use plico_protocol::reputation::AccountStanding;
use plico_protocol::ticket::{TicketKeyId, TicketKeys};
use plico_protocol::time::Day;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::ledger::{Balance, Days, LINES_MAX, LedgerLine};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Where the relay is and which number the next certificate has.
    Describe,
    /// Makes a certificate known.
    Install(Certificate),
    /// Takes a certificate back.
    Revoke(Serial),
    /// The newest certificates.
    List,
    /// Everything the store holds, answered by the bytes of a backup file instead of an [`Answer`].
    Backup,
    /// Reads certificates, rate card and zones again. Answered [`Answer::Reloaded`].
    Reload,
    /// What the relay counts. Answered [`Answer::Status`].
    Status,
    /// How a business stands. Answered [`Answer::Standing`].
    Standing(Handle),
    /// Ends a business's suspension. Answered [`Answer::Standing`].
    Restore(Handle),
    /// What a business was charged, by day. Answered [`Answer::Ledger`].
    Ledger {
        /// Who.
        handle: Handle,
        /// On which days.
        days: Days,
    },
    /// A business paid. Answered [`Answer::Paid`] or [`Answer::PaidBefore`].
    Pay {
        /// Who.
        handle: Handle,
        /// How much.
        amount: Amount,
        /// Of the transfer, at most [`REFERENCE_BYTES_MAX`] bytes and not empty.
        reference: Option<String>,
        /// Whether it takes back what was entered as paid by mistake.
        correction: bool,
    },
    /// What a business paid and owes. Answered [`Answer::Balance`].
    Balance(Handle),
    /// Sets how far a business may owe. Answered [`Answer::Balance`], as it is then.
    Credit {
        /// Which.
        handle: Handle,
        /// None for the relay's setting.
        credit: Option<Amount>,
    },
    /// Has a fresh key sign tickets, and ends the others' tickets if so asked. Answered
    /// [`Answer::Rotated`].
    RotateTickets {
        /// Whether every ticket ends.
        end_all: bool,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Command::Describe`].
    Described {
        /// The relay's link.
        link: String,
        /// The number for the next certificate.
        next_serial: Serial,
    },
    /// To [`Command::Install`] and [`Command::Revoke`]: the certificate it was about.
    Done(Certificate),
    /// To [`Command::List`]: certificates, newest first, and whether each is revoked.
    Listed(Vec<(Certificate, bool)>),
    /// Not done: what happened, why, and what to do next.
    Refused(String),
    /// To [`Command::Reload`]: what was read holds from now on.
    Reloaded,
    /// To [`Command::Status`]: the metrics in Prometheus's text format.
    Status(String),
    /// To [`Command::Standing`], and to [`Command::Restore`] as it stands then.
    Standing(AccountStanding),
    /// To [`Command::Ledger`]: totals, in the order of days; and how many messages were free, by day.
    Ledger(Vec<LedgerLine>, Vec<(Day, u64)>),
    /// To [`Command::Pay`]: the entry that says so, and those of what it was owed for.
    Paid(Vec<Entry>),
    /// To [`Command::Pay`] with a reference that is known: the entry under it. Nothing was entered.
    PaidBefore(Entry),
    /// To [`Command::Balance`] and [`Command::Credit`].
    Balance(Balance),
    /// To [`Command::RotateTickets`]: the keys that verify now.
    Rotated(TicketKeys),
}

impl Wire for Command {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Describe => out.u8(1),
            Self::Install(certificate) => {
                out.u8(2);
                certificate.write(out);
            }
            Self::Revoke(serial) => {
                out.u8(3);
                serial.write(out);
            }
            Self::List => out.u8(4),
            Self::Backup => out.u8(5),
            Self::Reload => out.u8(6),
            Self::Status => out.u8(7),
            Self::Standing(handle) => {
                out.u8(16);
                handle.write(out);
            }
            Self::Restore(handle) => {
                out.u8(17);
                handle.write(out);
            }
            Self::Ledger { handle, days } => {
                out.u8(20);
                handle.write(out);
                days.write(out);
            }
            Self::Pay { handle, amount, reference, correction } => {
                out.u8(21);
                handle.write(out);
                amount.write(out);
                out.sized(reference.as_deref().unwrap_or_default().as_bytes());
                out.u8(u8::from(*correction));
            }
            Self::Balance(handle) => {
                out.u8(22);
                handle.write(out);
            }
            Self::Credit { handle, credit } => {
                out.u8(23);
                handle.write(out);
                out.optional(credit.as_ref());
            }
            Self::RotateTickets { end_all } => {
                out.u8(8);
                out.u8(u8::from(*end_all));
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        match reader.u8()? {
            1 => Ok(Self::Describe),
            2 => Certificate::read(reader).map(Self::Install),
            3 => Serial::read(reader).map(Self::Revoke),
            4 => Ok(Self::List),
            5 => Ok(Self::Backup),
            6 => Ok(Self::Reload),
            7 => Ok(Self::Status),
            16 => Handle::read(reader).map(Self::Standing),
            17 => Handle::read(reader).map(Self::Restore),
            20 => Ok(Self::Ledger { handle: Wire::read(reader)?, days: Wire::read(reader)? }),
            21 => {
                let (handle, amount) = (Wire::read(reader)?, Wire::read(reader)?);
                let reference = reader.text("reference", REFERENCE_BYTES_MAX)?;
                let reference = Some(reference).filter(|reference| !reference.is_empty());
                let correction = reader.flag("correction")?;
                Ok(Self::Pay { handle, amount, reference, correction })
            }
            22 => Handle::read(reader).map(Self::Balance),
            23 => {
                let handle = Wire::read(reader)?;
                Ok(Self::Credit { handle, credit: reader.optional("has_credit")? })
            }
            8 => Ok(Self::RotateTickets { end_all: reader.flag("end_all")? }),
            _ => Err(DecodeError::BadValue { field: "command" }),
        }
    }
}

impl Wire for Answer {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Described { link, next_serial } => {
                out.u8(1);
                out.sized(link.as_bytes());
                next_serial.write(out);
            }
            Self::Done(certificate) => {
                out.u8(2);
                certificate.write(out);
            }
            Self::Listed(certificates) => {
                out.u8(3);
                out.count(certificates.len());
                for (certificate, revoked) in certificates {
                    certificate.write(out);
                    out.u8(u8::from(*revoked));
                }
            }
            Self::Refused(text) => {
                out.u8(4);
                out.sized(text.as_bytes());
            }
            Self::Reloaded => out.u8(5),
            Self::Standing(standing) => {
                out.u8(16);
                standing.write(out);
            }
            Self::Status(text) => {
                out.u8(6);
                out.sized(text.as_bytes());
            }
            Self::Ledger(lines, free) => {
                out.u8(20);
                out.count(lines.len());
                lines.iter().for_each(|line| line.write(out));
                out.count(free.len());
                for (day, count) in free {
                    out.u32(day.0);
                    out.u64(*count);
                }
            }
            Self::Paid(entries) => {
                out.u8(21);
                out.count(entries.len());
                entries.iter().for_each(|entry| entry.write(out));
            }
            Self::PaidBefore(entry) => {
                out.u8(24);
                entry.write(out);
            }
            Self::Balance(balance) => {
                out.u8(22);
                balance.write(out);
            }
            Self::Rotated(TicketKeys { oldest, newest }) => {
                out.u8(7);
                out.u8(oldest.0);
                out.u8(newest.0);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        match reader.u8()? {
            1 => Ok(Self::Described {
                link: reader.text("link", TEXT_BYTES_MAX)?,
                next_serial: Wire::read(reader)?,
            }),
            2 => Certificate::read(reader).map(Self::Done),
            3 => {
                let count = reader.count("certificates", LISTED_MAX)?;
                (0..count)
                    .map(|_| Ok((Certificate::read(reader)?, reader.flag("revoked")?)))
                    .collect::<Result<_, _>>()
                    .map(Self::Listed)
            }
            4 => reader.text("refused", TEXT_BYTES_MAX).map(Self::Refused),
            5 => Ok(Self::Reloaded),
            6 => reader.text("status", STATUS_BYTES_MAX).map(Self::Status),
            16 => AccountStanding::read(reader).map(Self::Standing),
            20 => {
                let count = reader.count("ledger", LINES_MAX)?;
                let lines = (0..count).map(|_| LedgerLine::read(reader));
                let lines = lines.collect::<Result<_, _>>()?;
                let count = reader.count("free", LINES_MAX)?;
                let free = (0..count).map(|_| Ok((Day(reader.u32()?), reader.u64()?)));
                Ok(Self::Ledger(lines, free.collect::<Result<_, DecodeError>>()?))
            }
            21 => {
                let count = reader.count("paid", ENTRIES_PER_FRAME_MAX)?;
                let entries = (0..count).map(|_| Entry::read(reader));
                entries.collect::<Result<_, _>>().map(Self::Paid)
            }
            22 => Balance::read(reader).map(Self::Balance),
            24 => Entry::read(reader).map(Self::PaidBefore),
            7 => Ok(Self::Rotated(TicketKeys {
                oldest: TicketKeyId(reader.u8()?),
                newest: TicketKeyId(reader.u8()?),
            })),
            _ => Err(DecodeError::BadValue { field: "answer" }),
        }
    }
}

/// Certificates in one list: a megabyte at most.
pub const LISTED_MAX: usize = 1_000;
/// A bank's reference has 35 characters or 140 (ISO 20022, remittance information).
pub const REFERENCE_BYTES_MAX: usize = 140;
const TEXT_BYTES_MAX: usize = 1_024;
/// The metrics are about eight kilobytes.
const STATUS_BYTES_MAX: usize = 64 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_read_back_as_written() {
        for command in [
            Command::Describe,
            Command::Revoke(Serial(7)),
            Command::List,
            Command::Backup,
            Command::Status,
            Command::Standing(Handle::new("bank").unwrap()),
            Command::Restore(Handle::new("bank").unwrap()),
            Command::RotateTickets { end_all: true },
            Command::Balance(Handle::new("bank").unwrap()),
            Command::Ledger { handle: Handle::new("bank").unwrap(), days: Days::ALL },
            Command::Credit { handle: Handle::new("bank").unwrap(), credit: None },
        ] {
            assert_eq!(Command::decode(command.encode()), Ok(command));
        }
        let described = Answer::Described { link: "plico://x".into(), next_serial: Serial(3) };
        for answer in [
            described,
            Answer::Status("a 1".into()),
            Answer::Rotated(TicketKeys { oldest: TicketKeyId(255), newest: TicketKeyId(1) }),
            Answer::Listed(Vec::new()),
            Answer::Refused("no".into()),
            Answer::Standing(AccountStanding::default()),
        ] {
            assert_eq!(Answer::decode(answer.encode()), Ok(answer));
        }
        assert!(Command::decode(vec![9]).is_err());
    }
}
