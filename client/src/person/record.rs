//! A conversation as it is stored.

use plico_endpoint::content::Reply;
use plico_endpoint::id::ContentId;
use plico_endpoint::primitives::dh::IdentitySecret;
use plico_protocol::certificate::{Certificate, VerifiedCertificate};
use plico_protocol::id::{AccountKey, Address, AuthorityKey, TicketCommitment, TicketOpening};
use plico_protocol::link::{Link, Pin};
use plico_protocol::profile::Restored;
use plico_protocol::signature::MailboxSecret;
use plico_protocol::ticket::{BadTerms, Categories, Category, Terms, Ticket};
use plico_protocol::time::{Hour, Minute, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::lost::Begun;
use super::report::Evidence;
use crate::random;

/// What a person allows a business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentTerms {
    /// What it may send.
    pub categories: Categories,
    /// How many messages, from the ticket on.
    pub messages_max: u16,
    /// For how many days, at most 400.
    pub days: u16,
}

impl Default for ConsentTerms {
    /// Service and utility, at most 50 messages, for 30 days.
    fn default() -> Self {
        let categories = Categories::of(&[Category::Service, Category::Utility]);
        Self { categories: categories.unwrap_or(Categories::ALL), messages_max: 50, days: 30 }
    }
}

impl ConsentTerms {
    /// Whether a relay would mint this.
    pub(super) fn check(self, now: Timestamp) -> Result<(), BadTerms> {
        self.terms(TicketCommitment::new([0; 32]), now).check(now.minute())
    }

    /// What the relay is asked to mint.
    pub(super) fn terms(self, commitment: TicketCommitment, now: Timestamp) -> Terms {
        let minutes = u32::from(self.days).saturating_mul(24 * 60);
        let Self { categories, messages_max, days: _ } = self;
        Terms { categories, messages_max, valid_until: now.minute().plus(minutes), commitment }
    }
}

/// A business's certificate as this device verified it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) authority: AuthorityKey,
    pub(super) certificate: VerifiedCertificate,
    pub(super) fetched: Hour,
}

impl Known {
    /// Whether it may be relied on at `now`, looked up less than so many hours ago.
    pub(super) fn holds(&self, now: Hour, hours: u32) -> bool {
        now < self.fetched.plus(hours) && self.certificate.valid_at(now).is_ok()
    }
}

/// Whether the person may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    /// The business has another account key, and the person has not agreed.
    KeyChanged,
    /// The person said goodbye.
    Left,
}

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Started {
    No,
    /// The first message is sealed and not accepted: nothing may overtake it.
    First,
    Yes,
}

/// A change of consent, or a report, that the relay has not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Revoke,
    Change(ConsentTerms),
    Standing(ConsentTerms),
    Close,
    /// Tells the operator of a message.
    Report {
        id: ContentId,
        evidence: Evidence,
    },
    /// What the last ticket stated once more, because the relay ended it.
    Renew,
    /// The same for [`Record::notifications`].
    RenewNotifications,
}

/// One business and everything this device made for it alone.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) link: Link,
    pub(super) mailbox: MailboxSecret,
    pub(super) identity: IdentitySecret,
    pub(super) terms: ConsentTerms,
    pub(super) profile_name: Option<String>,
    /// The account key the person agreed to after the link's had changed.
    pub(super) agreed: Option<AccountKey>,
    pub(super) known: Option<Known>,
    pub(super) offered: Option<Known>,
    pub(super) standing: Standing,
    pub(super) started: Started,
    pub(super) opened: bool,
    /// The last ticket that came with a message or a change of terms.
    pub(super) reply: Option<(Ticket, TicketOpening)>,
    /// The last that allows notifications beside it.
    pub(super) notifications: Option<Ticket>,
    pub(super) wishes: Vec<Wish>,
    /// The person took every ticket back, and neither wrote nor allowed anything since.
    pub(super) blocked: bool,
    /// Sessions that were begun in place of others.
    pub(super) begun: Option<Begun>,
    /// Another is to be begun, once one may be: a message did not open since.
    pub(super) owes_session: bool,
    /// The business was restored, and what it lost is yet to be repeated.
    pub(super) claim: Option<Claim>,
    /// Which restore was answered last.
    pub(super) answered: Option<Timestamp>,
}

/// What a restored business said, in a message or in its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) restored: Restored,
    /// It was the first thing heard on the present session. What the business lost may be repeated
    /// on that: no state it lost can have stepped it.
    pub(super) on_known: bool,
}

impl Record {
    /// Until when the business may answer free of charge, past or to come; none where service is not
    /// allowed.
    pub(super) fn window(&self) -> Option<Minute> {
        let (ticket, _) = self.reply.as_ref()?;
        ticket.fields().ok()?.answers_until()
    }

    /// A ticket that the business is to use: this one, or the one that came in its place meanwhile.
    pub(super) fn present(&self, reply: Reply) -> Reply {
        let held = [self.reply.map(|(ticket, _)| ticket), self.notifications];
        match self.reply {
            Some((ticket, opening)) if !held.contains(&Some(reply.ticket)) => {
                Reply { address: self.address(), ticket, opening }
            }
            _ => reply,
        }
    }

    /// Revokes before anything else that is wished, which may have been asked already.
    pub(super) fn revoke_first(&mut self) {
        if self.wishes.first() != Some(&Wish::Revoke) {
            self.wishes.insert(0, Wish::Revoke);
        }
    }

    /// Whether a change of consent goes to the relay before the next message. The last one, which
    /// closes the mailbox, waits for the messages instead.
    pub(super) fn is_changing(&self) -> bool {
        self.wishes.first().is_some_and(|wish| *wish != Wish::Close)
    }

    /// A conversation with keys of its own: two businesses cannot compare notes.
    pub(super) fn new(link: Link) -> Self {
        Self {
            agreed: None,
            link,
            mailbox: MailboxSecret::from_seed(&random::bytes()),
            identity: IdentitySecret::generate(&mut random::system()),
            terms: ConsentTerms::default(),
            profile_name: None,
            known: None,
            offered: None,
            standing: Standing::Active,
            started: Started::No,
            opened: false,
            reply: None,
            notifications: None,
            wishes: Vec::new(),
            blocked: false,
            begun: None,
            owes_session: false,
            claim: None,
            answered: None,
        }
    }

    /// Notes that the business was restored, unless that was answered.
    pub(super) fn claimed(&mut self, claim: Claim) {
        if self.answered != Some(claim.restored.at) {
            let earlier = self.claim.map_or(claim.restored.hour, |held| held.restored.hour);
            let hour = earlier.min(claim.restored.hour);
            let restored = Restored { hour, ..claim.restored };
            self.claim = Some(Claim { restored, ..claim });
        }
    }

    /// The account key this conversation trusts.
    pub(super) fn account(&self) -> Pin {
        self.agreed.as_ref().map_or(self.link.account, Pin::of_account)
    }

    pub(super) fn address(&self) -> Address {
        self.mailbox.public()
    }
}

/// A ticket this device minted and did not revoke.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minted {
    pub(super) conversation: u64,
    /// After this hour the relay does not honour it, and 30 days later nothing under it comes.
    pub(super) valid_until: Hour,
}

impl Wire for Minted {
    fn write(&self, out: &mut Writer) {
        out.u64(self.conversation);
        self.valid_until.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { conversation: reader.u64()?, valid_until: Wire::read(reader)? })
    }
}

impl Wire for Record {
    fn write(&self, out: &mut Writer) {
        out.sized(self.link.to_string().as_bytes());
        out.bytes(self.mailbox.expose_seed().as_slice());
        out.bytes(self.identity.expose_secret());
        self.terms.write(out);
        write_text(out, self.profile_name.as_deref());
        out.optional(self.agreed.as_ref());
        out.optional(self.known.as_ref());
        out.optional(self.offered.as_ref());
        out.u8(self.standing as u8);
        out.u8(self.started as u8);
        out.u8(u8::from(self.opened));
        out.u8(u8::from(self.reply.is_some()));
        if let Some((ticket, opening)) = &self.reply {
            ticket.write(out);
            opening.write(out);
        }
        out.optional(self.notifications.as_ref());
        out.count(self.wishes.len());
        for wish in &self.wishes {
            wish.write(out);
        }
        out.u8(u8::from(self.blocked));
        out.optional(self.begun.as_ref());
        out.u8(u8::from(self.owes_session));
        out.optional(self.claim.as_ref());
        out.u64(self.answered.map_or(0, |restore| restore.0));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let bad = |field| DecodeError::BadValue { field };
        let link = reader.text("link", LINK_BYTES_MAX)?.parse().map_err(|_| bad("link"))?;
        Ok(Self {
            link,
            mailbox: MailboxSecret::from_seed(&reader.array()?),
            identity: IdentitySecret::new(reader.array()?),
            terms: Wire::read(reader)?,
            profile_name: read_text(reader)?,
            agreed: reader.optional("has_agreed")?,
            known: reader.optional("has_known")?,
            offered: reader.optional("has_offered")?,
            standing: match reader.u8()? {
                0 => Standing::Active,
                1 => Standing::KeyChanged,
                2 => Standing::Left,
                _ => return Err(bad("standing")),
            },
            started: match reader.u8()? {
                0 => Started::No,
                1 => Started::First,
                2 => Started::Yes,
                _ => return Err(bad("started")),
            },
            opened: reader.flag("opened")?,
            reply: match reader.flag("has_reply")? {
                true => Some((Wire::read(reader)?, Wire::read(reader)?)),
                false => None,
            },
            notifications: reader.optional("has_notifications")?,
            wishes: {
                let count = reader.count("wishes", WISHES_MAX + 1)?;
                (0..count).map(|_| Wire::read(reader)).collect::<Result<_, _>>()?
            },
            blocked: reader.flag("blocked")?,
            begun: reader.optional("has_begun")?,
            owes_session: reader.flag("owes_session")?,
            claim: reader.optional("has_claim")?,
            answered: Some(Timestamp(reader.u64()?)).filter(|restore| restore.0 != 0),
        })
    }
}

impl Wire for Claim {
    fn write(&self, out: &mut Writer) {
        let Self { restored, on_known } = self;
        restored.write(out);
        out.u8(u8::from(*on_known));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { restored: Wire::read(reader)?, on_known: reader.flag("on_known")? })
    }
}

impl Wire for Known {
    fn write(&self, out: &mut Writer) {
        let Self { authority, certificate, fetched } = self;
        authority.write(out);
        certificate.certificate().write(out);
        fetched.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let authority = Wire::read(reader)?;
        let certificate = Certificate::read(reader)?
            .verify(&authority)
            .map_err(|_| DecodeError::BadValue { field: "certificate" })?;
        Ok(Self { authority, certificate, fetched: Wire::read(reader)? })
    }
}

impl Wire for ConsentTerms {
    fn write(&self, out: &mut Writer) {
        let Self { categories, messages_max, days } = self;
        categories.write(out);
        out.u16(*messages_max);
        out.u16(*days);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let categories = Wire::read(reader)?;
        Ok(Self { categories, messages_max: reader.u16()?, days: reader.u16()? })
    }
}

impl Wire for Wish {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Revoke => out.u8(1),
            Self::Change(terms) => {
                out.u8(2);
                terms.write(out);
            }
            Self::Standing(terms) => {
                out.u8(3);
                terms.write(out);
            }
            Self::Close => out.u8(4),
            Self::Report { id, evidence } => {
                out.u8(7);
                id.write(out);
                evidence.write(out);
            }
            Self::Renew => out.u8(5),
            Self::RenewNotifications => out.u8(6),
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            1 => Self::Revoke,
            2 => Self::Change(Wire::read(reader)?),
            3 => Self::Standing(Wire::read(reader)?),
            4 => Self::Close,
            7 => Self::Report { id: Wire::read(reader)?, evidence: Wire::read(reader)? },
            5 => Self::Renew,
            6 => Self::RenewNotifications,
            _ => return Err(DecodeError::BadValue { field: "wish" }),
        })
    }
}

fn write_text(out: &mut Writer, text: Option<&str>) {
    out.sized(text.unwrap_or_default().as_bytes());
}

/// Text that is never empty; empty stands for none.
fn read_text(reader: &mut Reader) -> Result<Option<String>, DecodeError> {
    reader.text("profile_name", LINK_BYTES_MAX).map(|text| Some(text).filter(|t| !t.is_empty()))
}

/// Wishes a conversation may have open; an application that wishes more waits. A revocation that nobody
/// wished may come before them.
pub(super) const WISHES_MAX: usize = 16;
const LINK_BYTES_MAX: usize = 2048;
