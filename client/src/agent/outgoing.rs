//! A message on its way out, as it is stored, and what a relay's answers mean for it.
//!
//! ```text
//! Waiting ── sealed, with the ratchet's step ──► Sealed ── Accepted ──► Accepted ──► Done
//!    ▲                                                                     │
//!    └──────────────── Held ◄── it did not open, or the relay lost it ─────┘
//! ```
//!
//! A sealed message holds the very bytes of its submission: after a lost answer the same bytes go
//! out again under the same `submit_id`, and the relay stores them once.

use bytes::Bytes;
use plico_endpoint::content::Content;
use plico_endpoint::id::{ContentId, SessionId};
use plico_protocol::frame::{Submission, SubmissionState};
use plico_protocol::id::SubmitId;
use plico_protocol::limits::{FRAME_BODY_BYTES_MAX, RETENTION_HOURS};
use plico_protocol::pricing::Millionths;
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::time::{Hour, Timestamp};
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::journal::CONTENT_BYTES_MAX;
use crate::random;
use crate::state::{Rows, StateError};

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageState {
    /// Stored on this machine; goes out when there is a connection. To a customer whose tickets the
    /// relay ended, when the device has given another.
    Queued,
    /// Stored by the relay.
    Accepted,
    /// It did not arrive, because the recipient lost the session it was sealed for, or the relay
    /// lost the message; or it was written after one that did not. It goes out again by itself, in
    /// order: at this time, or once there is a connection after it.
    Waiting {
        /// Not before this, by this device's clock.
        until: Timestamp,
    },
    /// The recipient stored it. Of what businesses send the relay tells this only after the end of
    /// the UTC day: when a person reads is theirs.
    Delivered,
    /// The recipient could not open it, for 30 days or until the person said goodbye. It goes out no
    /// more.
    Unreadable,
    /// Nobody fetched it in 30 days, or the mailbox was closed or revoked. Or a business's: no relay took
    /// it in 30 days, and it goes out no more.
    Expired,
    /// A business's: the relay took it and no longer knows what became of it, for it keeps outcomes for
    /// 48 hours. It may have been read and paid for, so it goes out no more; where it was charged, a
    /// `Settled` or `Released` event tells.
    Forgotten,
    /// The relay will not take it; the code says why, and [`Code::text`] what to do.
    Refused(Code),
    /// This device cannot seal it: its content is damaged or too long. Write it anew.
    Failed,
}

/// The relay does not take a message for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delay {
    /// Why: where it limits, [`Refusal::rule`] is the rule and the text has the limit (SPEC.md §12.1).
    /// The text is the relay's: clean it before you show it.
    pub refusal: Refusal,
    /// When it is asked again, by this device's clock.
    pub until: Timestamp,
}

/// What the owner keeps of a submission that the relay took, beside the message's own progress.
pub(crate) type Counts = fn(&Rows<'_>, u64, &Submission, Timestamp) -> Result<(), StateError>;

/// A message on its way out, as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// A conversation or a customer.
    pub(crate) peer: u64,
    pub(crate) id: ContentId,
    pub(crate) not_before: Timestamp,
    /// A person's: whether a human composed it. A business's: the category's byte.
    pub(crate) kind: u8,
    /// Content as it will be sealed, but for what is known only then.
    pub(crate) content: Bytes,
    /// Its place in the conversation's history, if it has one.
    pub(crate) place: Option<u64>,
    /// What ends tell one another, or what is repeated: the application hears of it only where
    /// something that was delivered is no longer.
    pub(crate) quiet: bool,
    /// A business's: the session it was sealed on last.
    pub(crate) session: Option<SessionId>,
    /// A business's: the most it may cost, where it says so itself.
    pub(crate) price_max: Option<Millionths>,
    pub(crate) stage: Stage,
}

/// How far it came.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    Waiting,
    /// To be sealed again, not before this.
    Held {
        until: Timestamp,
    },
    Sealed {
        submission: Bytes,
        first: bool,
    },
    Accepted {
        submit: SubmitId,
    },
    Done {
        state: MessageState,
        at: Hour,
    },
}

/// What the relay's refusal of a submission means for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same bytes again, after this many milliseconds.
    Again { ms: u64 },
    /// The same envelope at once, under a new id.
    NewId,
    /// Never with this ticket: the relay ended it, or never minted it.
    OtherTicket,
    /// Never.
    Final(Code),
}

impl Outgoing {
    /// The submission a sealed message holds.
    pub(crate) fn submission(&self) -> Option<Submission> {
        match &self.stage {
            Stage::Sealed { submission, .. } => Submission::decode(submission.clone()).ok(),
            Stage::Waiting | Stage::Held { .. } | Stage::Accepted { .. } | Stage::Done { .. } => {
                None
            }
        }
    }

    /// Seals a message into this submission.
    pub(crate) fn sealed(&mut self, submission: &Submission, first: bool) {
        self.stage = Stage::Sealed { submission: submission.encode().into(), first };
    }

    /// Ends a message.
    pub(crate) fn done(&mut self, state: MessageState, now: Timestamp) {
        self.content = Bytes::new();
        self.stage = Stage::Done { state, at: now.hour() };
    }

    /// Whether the application hears that this became of it. A repeat that arrives is no news.
    pub(crate) fn tells(&self, became: MessageState) -> bool {
        use MessageState::{
            Accepted, Delivered, Expired, Failed, Forgotten, Queued, Refused, Unreadable, Waiting,
        };
        let lost = match became {
            Queued | Accepted | Waiting { .. } | Delivered => false,
            Unreadable | Expired | Forgotten | Refused(_) | Failed => self.place.is_some(),
        };
        !self.quiet || lost
    }

    /// Whether it was composed so long ago that it goes out no more: a relay would have kept it for
    /// as long.
    pub(crate) fn is_old(&self, now: Timestamp) -> bool {
        let composed = Content::decode(&self.content).ok().map(|content| content.composed);
        composed.is_none_or(|at| at.hour().plus(RETENTION_HOURS) <= now.hour())
    }

    /// Notes that the relay has it; the envelope is not needed again.
    pub(crate) fn accepted(&mut self, submit: SubmitId) {
        self.stage = Stage::Accepted { submit };
    }
}

/// A fresh `submit_id`.
pub(crate) fn submit_id(now: Timestamp) -> SubmitId {
    SubmitId::compose(now.hour(), random::bytes())
}

/// What a refusal means for the submission it answers.
pub(crate) fn verdict(refusal: &Refusal) -> Verdict {
    let again = |ms: u64| Verdict::Again { ms: ms.max(u64::from(refusal.retry_after_ms)) };
    match refusal.code {
        Code::Stale | Code::SubmitIdReused => Verdict::NewId,
        Code::Busy | Code::ShuttingDown => again(1_000),
        // Where no time is given, waiting does not help.
        Code::RateLimited if refusal.retry_after_ms != 0 => again(1),
        Code::StorageFull | Code::MailboxFull => again(30_000),
        // The connection, the clock or the certificate may be put right meanwhile.
        Code::NotProven | Code::WrongConnection | Code::TooMany | Code::Early => again(60_000),
        Code::TicketForged => Verdict::OtherTicket,
        code => Verdict::Final(code),
    }
}

/// The state the relay's answer stands for, once it is final.
pub(crate) fn final_state(state: SubmissionState) -> Option<MessageState> {
    match state {
        SubmissionState::Queued => None,
        SubmissionState::Delivered => Some(MessageState::Delivered),
        SubmissionState::Unreadable => Some(MessageState::Unreadable),
        SubmissionState::Expired => Some(MessageState::Expired),
        // Its outcome is more than two days old, or the relay was restored.
        SubmissionState::Unknown => Some(MessageState::Forgotten),
    }
}

impl Wire for MessageState {
    fn write(&self, out: &mut Writer) {
        let code = if let Self::Refused(code) = self { code.number() } else { 0 };
        out.u8(match self {
            Self::Queued => 1,
            Self::Accepted => 2,
            Self::Delivered => 3,
            Self::Unreadable => 4,
            Self::Expired => 5,
            Self::Refused(_) => 6,
            Self::Failed => 7,
            Self::Waiting { .. } => 8,
            Self::Forgotten => 9,
        });
        out.u16(code);
        if let Self::Waiting { until } = self {
            out.u64(until.0);
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let (state, code) = (reader.u8()?, reader.u16()?);
        let bad = DecodeError::BadValue { field: "message_state" };
        Ok(match state {
            1 => Self::Queued,
            2 => Self::Accepted,
            3 => Self::Delivered,
            4 => Self::Unreadable,
            5 => Self::Expired,
            6 => Self::Refused(Code::from_number(code)),
            7 => Self::Failed,
            8 => Self::Waiting { until: Timestamp(reader.u64()?) },
            9 => Self::Forgotten,
            _ => return Err(bad),
        })
    }
}

impl Wire for Outgoing {
    fn write(&self, out: &mut Writer) {
        let Self { peer, id, not_before, kind, content, place, quiet, session, price_max, stage } =
            self;
        out.u64(*peer);
        id.write(out);
        out.u64(not_before.0);
        out.u8(*kind);
        out.sized(content);
        out.u64(place.unwrap_or(0));
        out.u8(u8::from(*quiet));
        out.optional(session.as_ref());
        out.optional(price_max.as_ref());
        stage.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            peer: reader.u64()?,
            id: Wire::read(reader)?,
            not_before: Timestamp(reader.u64()?),
            kind: reader.u8()?,
            content: reader.sized("content", CONTENT_BYTES_MAX)?,
            place: Some(reader.u64()?).filter(|place| *place != 0),
            quiet: reader.flag("quiet")?,
            session: reader.optional("has_session")?,
            price_max: reader.optional("has_price_max")?,
            stage: Wire::read(reader)?,
        })
    }
}

impl Wire for Stage {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Waiting => out.u8(1),
            Self::Sealed { submission, first } => {
                out.u8(2);
                out.sized(submission);
                out.u8(u8::from(*first));
            }
            Self::Accepted { submit } => {
                out.u8(3);
                submit.write(out);
            }
            Self::Done { state, at } => {
                out.u8(4);
                state.write(out);
                at.write(out);
            }
            Self::Held { until } => {
                out.u8(5);
                out.u64(until.0);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            1 => Self::Waiting,
            2 => Self::Sealed {
                submission: reader.sized("submission", FRAME_BODY_BYTES_MAX)?,
                first: reader.flag("first")?,
            },
            3 => Self::Accepted { submit: Wire::read(reader)? },
            4 => Self::Done { state: Wire::read(reader)?, at: Wire::read(reader)? },
            5 => Self::Held { until: Timestamp(reader.u64()?) },
            _ => return Err(DecodeError::BadValue { field: "stage" }),
        })
    }
}
