//! What a business stores: its own keys, its customers, its sessions.

use plico_endpoint::id::SessionId;
use plico_endpoint::primitives::dh::{HintSecret, IdentitySecret};
use plico_protocol::certificate::{BusinessKeys, Certificate, CertificateRequest, Handle};
use plico_protocol::id::{Address, DhKey, TicketOpening};
use plico_protocol::limits::{DISPLAY_NAME_BYTES_MAX, DOMAIN_BYTES_MAX};
use plico_protocol::link::RelayLink;
use plico_protocol::signature::{AccountSecret, MailboxSecret};
use plico_protocol::ticket::{Category, Ticket, TicketFields};
use plico_protocol::time::{Hour, Minute};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::uses::Uses;
use super::{Customer, CustomerId};
use crate::random;
use crate::state::{Name, Rows, State, StateError, Table};

/// A business's own keys and where it is connected.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) handle: Handle,
    pub(super) display_name: String,
    pub(super) domain: String,
    pub(super) account: AccountSecret,
    pub(super) identity: IdentitySecret,
    pub(super) hint: HintSecret,
    pub(super) inbox: MailboxSecret,
    /// As the operator gave it; compared with what the relay says when connecting.
    pub(super) certificate: Option<Certificate>,
    pub(super) relay: Option<RelayLink>,
}

impl Identity {
    pub(super) fn new(handle: Handle, display_name: &str, domain: &str) -> Self {
        Self {
            handle,
            display_name: display_name.to_owned(),
            domain: domain.to_owned(),
            account: AccountSecret::from_seed(&random::bytes()),
            identity: IdentitySecret::generate(&mut random::system()),
            hint: HintSecret::generate(&mut random::system()),
            inbox: MailboxSecret::from_seed(&random::bytes()),
            certificate: None,
            relay: None,
        }
    }

    pub(super) fn keys(&self) -> BusinessKeys {
        BusinessKeys {
            account: self.account.public(),
            identity: self.identity.public().key(),
            hint: self.hint.public().key(),
            inbox: self.inbox.public(),
        }
    }

    pub(super) fn request(&self) -> CertificateRequest {
        let (name, domain) = (self.display_name.clone(), self.domain.clone());
        let (handle, keys) = (self.handle.clone(), self.keys());
        CertificateRequest::sign(handle, name, domain, keys, &self.account, &self.inbox)
    }

    pub(super) fn store(&self, state: &mut State) -> Result<(), StateError> {
        state.write(|rows| rows.put(Table::Identity, Name::ONLY, self))
    }
}

/// One person, as far as a business can tell: a mailbox and an identity key.
#[derive(Clone, Debug)]
pub(super) struct CustomerRecord {
    pub(super) identity: DhKey,
    pub(super) address: Address,
    /// The session that received last: answers go on it.
    pub(super) session: SessionId,
    pub(super) profile_name: Option<String>,
    /// The latest ticket with a window.
    pub(super) window: Option<(Ticket, TicketOpening)>,
    /// The latest standing consent.
    pub(super) standing: Option<(Ticket, TicketOpening)>,
    /// How much of them is used up.
    pub(super) uses: Uses,
}

impl CustomerRecord {
    /// The ticket to use for a category now: inside a window that one, else whichever allows it.
    pub(super) fn consent(
        &self,
        category: Category,
        now: Minute,
    ) -> Option<(Ticket, TicketOpening)> {
        let usable = |(ticket, _): &&(Ticket, TicketOpening)| {
            let fields = ticket.fields();
            fields.is_ok_and(|f| f.categories.contains(category) && now < f.valid_until)
        };
        let in_window = |(ticket, _): &&(Ticket, TicketOpening)| {
            ticket.fields().is_ok_and(|f| f.free_until.is_some_and(|end| now < end))
        };
        let window = self.window.as_ref().filter(usable);
        let chosen = window.filter(in_window).or(self.standing.as_ref().filter(usable)).or(window);
        // If none allows it, the relay's refusal says why, in its own words.
        chosen.or(self.window.as_ref()).or(self.standing.as_ref()).copied()
    }

    /// Whether service is free of charge now.
    pub(super) fn is_in_window(&self, now: Minute) -> bool {
        let fields = self.window.as_ref().and_then(|(ticket, _)| ticket.fields().ok());
        fields.and_then(|fields| fields.answers_until()).is_some_and(|end| now < end)
    }

    /// Keeps a ticket, and gives what it states; none for one that another replaced already. A
    /// message may come late, on a session that another replaced.
    pub(super) fn take_ticket(
        &mut self,
        ticket: Ticket,
        opening: TicketOpening,
    ) -> Option<TicketFields> {
        let new = ticket.fields().ok()?;
        let windowed = new.free_until.is_some();
        let held = if windowed { self.window } else { self.standing }.map(|(held, _)| held);
        let (same, other) = match windowed {
            true => (&mut self.window, &mut self.standing),
            false => (&mut self.standing, &mut self.window),
        };
        let fields = |slot: &Option<(Ticket, TicketOpening)>| slot.as_ref()?.0.fields().ok();
        // Within an epoch a window only moves on; `opened_at` alone is too coarse to tell which came last.
        let earlier_window =
            |held: &TicketFields| new.epoch == held.epoch && new.free_until < held.free_until;
        let later = |held: &TicketFields| new.opened_at < held.opened_at || earlier_window(held);
        let of_other_epoch = fields(other).filter(|held| held.epoch != new.epoch);
        if fields(same).is_some_and(|held| later(&held))
            || of_other_epoch.is_some_and(|held| later(&held))
        {
            return None;
        }
        // A revocation or a change of terms ended every ticket of the epoch before.
        if of_other_epoch.is_some() {
            *other = None;
        }
        *same = Some((ticket, opening));
        if held != Some(ticket) {
            let held = held.and_then(|held| held.fields().ok());
            self.uses = self.uses.renewed(&new, held.as_ref());
        }
        Some(new)
    }

    /// Forgets a ticket that the relay does not honour any more.
    pub(super) fn drop_ticket(&mut self, ended: &Ticket) {
        for held in [&mut self.window, &mut self.standing] {
            held.take_if(|(ticket, _)| ticket == ended);
        }
    }

    pub(super) fn to_customer(&self, id: u64) -> Customer {
        let fields = |ticket: &Option<(Ticket, TicketOpening)>| -> Option<TicketFields> {
            ticket.as_ref().and_then(|(ticket, _)| ticket.fields().ok())
        };
        Customer {
            id: CustomerId(id),
            profile_name: self.profile_name.clone(),
            window: fields(&self.window),
            standing: fields(&self.standing),
        }
    }

    pub(super) fn get(rows: &Rows<'_>, id: u64) -> Result<Option<Self>, StateError> {
        rows.get(Table::Customer, Name::Number(id))
    }

    pub(super) fn put(&self, rows: &Rows<'_>, id: u64) -> Result<(), StateError> {
        rows.put(Table::Customer, Name::Number(id), self)
    }
}

/// A session and whose it is.
pub(super) struct SessionRecord {
    pub(super) customer: u64,
    pub(super) received: Hour,
    /// A message on it said that this business was restored from a backup.
    pub(super) told: bool,
    pub(super) bytes: bytes::Bytes,
}

/// When a handshake was seen.
pub(super) struct Seen(pub(super) Hour);

impl Wire for Seen {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Wire::read(reader).map(Self)
    }
}

impl Wire for SessionRecord {
    fn write(&self, out: &mut Writer) {
        out.u64(self.customer);
        self.received.write(out);
        out.u8(u8::from(self.told));
        out.sized(&self.bytes);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            customer: reader.u64()?,
            received: Wire::read(reader)?,
            told: reader.flag("told")?,
            bytes: reader.sized("session", plico_endpoint::session::SESSION_BYTES_MAX)?,
        })
    }
}

impl Wire for Identity {
    fn write(&self, out: &mut Writer) {
        self.handle.write(out);
        out.sized(self.display_name.as_bytes());
        out.sized(self.domain.as_bytes());
        out.bytes(self.account.expose_seed().as_slice());
        out.bytes(self.identity.expose_secret());
        out.bytes(self.hint.expose_secret());
        out.bytes(self.inbox.expose_seed().as_slice());
        out.optional(self.certificate.as_ref());
        let relay = self.relay.as_ref().map(ToString::to_string).unwrap_or_default();
        out.sized(relay.as_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            handle: Wire::read(reader)?,
            display_name: reader.text("display_name", DISPLAY_NAME_BYTES_MAX)?,
            domain: reader.text("domain", DOMAIN_BYTES_MAX)?,
            account: AccountSecret::from_seed(&reader.array()?),
            identity: IdentitySecret::new(reader.array()?),
            hint: HintSecret::new(reader.array()?),
            inbox: MailboxSecret::from_seed(&reader.array()?),
            certificate: reader.optional("has_certificate")?,
            relay: {
                let text = reader.text("relay", RELAY_BYTES_MAX)?;
                let bad = DecodeError::BadValue { field: "relay" };
                (!text.is_empty()).then(|| text.parse()).transpose().map_err(|_| bad)?
            },
        })
    }
}

impl Wire for CustomerRecord {
    fn write(&self, out: &mut Writer) {
        let Self { identity, address, session, profile_name, window, standing, uses } = self;
        identity.write(out);
        address.write(out);
        session.write(out);
        out.sized(profile_name.as_deref().unwrap_or_default().as_bytes());
        write_ticket(out, window.as_ref());
        write_ticket(out, standing.as_ref());
        uses.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            identity: Wire::read(reader)?,
            address: Wire::read(reader)?,
            session: Wire::read(reader)?,
            profile_name: {
                Some(reader.text("profile_name", RELAY_BYTES_MAX)?).filter(|name| !name.is_empty())
            },
            window: read_ticket(reader)?,
            standing: read_ticket(reader)?,
            uses: Wire::read(reader)?,
        })
    }
}

fn write_ticket(out: &mut Writer, ticket: Option<&(Ticket, TicketOpening)>) {
    out.u8(u8::from(ticket.is_some()));
    if let Some((ticket, opening)) = ticket {
        ticket.write(out);
        opening.write(out);
    }
}

fn read_ticket(reader: &mut Reader) -> Result<Option<(Ticket, TicketOpening)>, DecodeError> {
    match reader.flag("has_ticket")? {
        true => Ok(Some((Wire::read(reader)?, Wire::read(reader)?))),
        false => Ok(None),
    }
}

const RELAY_BYTES_MAX: usize = 2048;
