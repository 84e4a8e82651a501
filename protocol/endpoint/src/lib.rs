//! What the two ends of a Plico conversation compute, and the relay never does: the handshake, the
//! ratchet, the sealing of messages, and what messages say.
//!
//! This crate performs no I/O and reads neither a clock nor system randomness: bytes, keys and a
//! random source go in, bytes come out. The relay does not depend on it, so it cannot name a
//! session, a message key or content. `protocol/SPEC.md` is the normative text.
//!
//! Modules in reading order: [`primitives`] (typed, checked), [`id`] and [`prekeys`] (what each
//! party holds), [`handshake`] (PQXDH), [`ratchet`] (Double Ratchet with header encryption),
//! [`message`] (one message: commitment and cipher), [`layout`] and [`hint`] (envelopes),
//! [`session`] (all of these, for an application), and [`content`] (what a message says).
//!
//! # One exchange
//!
//! ```
//! use plico_endpoint::content::{Body, Content};
//! use plico_endpoint::handshake::{RecipientKeys, ResponderKeys};
//! use plico_endpoint::hint::Hint;
//! use plico_endpoint::id::ContentId;
//! use plico_endpoint::prekeys::{self, KemPrekey, OneTimePrekey, SignedPrekey};
//! use plico_endpoint::primitives::dh::{HintSecret, IdentitySecret};
//! use plico_endpoint::session::{BusinessSession, PersonSession};
//! use plico_protocol::certificate::BusinessKeys;
//! use plico_protocol::id::Address;
//! use plico_protocol::prekey::{Bundle, PrekeyId};
//! use plico_protocol::signature::AccountSecret;
//! use plico_protocol::time::{Hour, Timestamp};
//!
//! # struct System;
//! # impl rand_core::TryRng for System {
//! #     type Error = core::convert::Infallible;
//! #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
//! #         Ok(getrandom::u32().unwrap())
//! #     }
//! #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
//! #         Ok(getrandom::u64().unwrap())
//! #     }
//! #     fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
//! #         Ok(getrandom::fill(bytes).unwrap())
//! #     }
//! # }
//! # impl rand_core::TryCryptoRng for System {}
//! let mut rng = System; // the operating system's generator
//! let (now, tomorrow) = (Hour(500_000), Hour(500_024));
//!
//! // The business publishes its keys; the relay hands them out as a bundle.
//! let account = AccountSecret::from_seed(&[7; 32]);
//! let identity = IdentitySecret::generate(&mut rng);
//! let hint = HintSecret::generate(&mut rng);
//! let signed = SignedPrekey::generate(PrekeyId(1), tomorrow, &mut rng);
//! let kem = KemPrekey::generate(PrekeyId(2), tomorrow, &mut rng);
//! let one_time = OneTimePrekey::generate(PrekeyId(3), tomorrow, &mut rng);
//! let published = prekeys::publication(&signed, &kem, PrekeyId(0), &[one_time.clone()], &account);
//! let keys = BusinessKeys {
//!     account: account.public(),
//!     identity: identity.public().key(),
//!     hint: hint.public().key(),
//!     inbox: Address::new([0; 32]),
//! };
//! let bundle = Bundle {
//!     account: account.public(),
//!     signed: published.signed,
//!     kem: published.kem,
//!     one_time: published.one_time.into_iter().next(),
//! };
//!
//! // The person, who verified the certificate those keys stand in, writes first.
//! let recipient = RecipientKeys::new(&keys)?;
//! let bundle = bundle.verify(&recipient.account, now, now)?;
//! let me = IdentitySecret::generate(&mut rng);
//! let text = Body::Text("When do you open?".into());
//! let question = Content::new(ContentId::generate(&mut rng), Timestamp(1_800_000_000_000), text);
//! let (mut person, envelope) =
//!     PersonSession::initiate(&me, &recipient, &bundle, &question.encode()?, &mut rng)?;
//!
//! // The business reads the hint, finds the private halves, and opens.
//! let Hint::First(first) = Hint::read(&envelope, &hint, &account.public())? else { panic!() };
//! assert_eq!(first.handshake().one_time(), Some(one_time.id()));
//! let account_key = account.public();
//! let keys = ResponderKeys {
//!     account: &account_key,
//!     identity: &identity,
//!     signed: &signed,
//!     kem: &kem,
//!     one_time: Some(&one_time),
//! };
//! let (mut business, opened) = BusinessSession::respond(&keys, &first)?;
//! assert_eq!(Content::decode(opened.content())?, question);
//!
//! // And answers.
//! let text = Body::Text("At nine.".into());
//! let answer = Content::new(ContentId::generate(&mut rng), Timestamp(1_800_000_060_000), text);
//! let envelope = business.seal_to_mailbox(&answer.encode()?, &mut rng)?;
//! assert_eq!(Content::decode(person.open(&envelope)?.content())?, answer);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[macro_use]
pub mod primitives;

pub mod id;
pub mod prekeys;

pub mod handshake;
pub mod ratchet;

pub mod message;

pub mod hint;
pub mod layout;

pub mod session;

pub mod content;

#[cfg(test)]
mod testing;
