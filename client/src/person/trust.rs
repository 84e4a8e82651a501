//! Who the business is: certificates and prekeys, believed only as far as the link's pins reach.

use plico_protocol::certificate::Certificate;
use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::id::AuthorityKey;
use plico_protocol::limits::CERTIFICATE_RECHECK_HOURS;
use plico_protocol::link::Pin;
use plico_protocol::profile::{SignedProfile, VerifiedProfile};
use plico_protocol::refusal::Refusal;
use plico_protocol::time::{Hour, Timestamp};
use tokio::sync::oneshot;

use super::core::{Job, PersonCore, put_record};
use super::event::{LookUpError, Profile, Trouble};
use super::record::{Claim, Known, Record, Standing, Started};
use super::talk::Talk;
use crate::about;
use crate::agent::journal::News;
use crate::agent::lines::Lines;
use crate::connection::LineId;
use crate::state::{Name, State, StateError, Table};

impl PersonCore {
    /// Whether a conversation's certificate need not be looked up now.
    pub(super) fn is_known(&self, peer: u64) -> bool {
        let now = self.now().hour();
        let known = self.talks.get(&peer).and_then(|talk| talk.record.known.as_ref());
        known.is_some_and(|known| known.holds(now, CERTIFICATE_RECHECK_HOURS))
    }

    /// Looks a certificate up, unless that is under way.
    pub(super) fn look_up(&mut self, peer: u64, lines: &mut Lines) {
        if self.jobs.has(&Job::LookUp(peer)) {
            return;
        }
        let Some(line) = self.anonymous(peer, lines) else { return };
        let Some(talk) = self.talks.get(&peer) else { return };
        let frame = ClientFrame::LookUp { handle: talk.record.link.handle.clone() };
        self.jobs.ask(lines, line, Job::LookUp(peer), frame);
    }

    /// Notes an application that asks who the business is.
    pub(super) fn ask_business(
        &mut self,
        peer: u64,
        answer: oneshot::Sender<Result<Profile, LookUpError>>,
    ) {
        if let Some(talk) = self.talks.get_mut(&peer) {
            talk.asking.push(answer);
        }
    }

    /// Answers applications that ask, or looks up for them. Who asks sees the business as it shows
    /// itself now: a status of a day must not come a day late.
    pub(super) fn answer_asking(&mut self, lines: &mut Lines) {
        let now = self.now();
        let asks = |talk: &Talk| !talk.asking.is_empty() || talk.is_recheck_due(now);
        let asked = self.talks.iter().filter(|(_, talk)| asks(talk));
        let asked: Vec<u64> = asked.map(|(peer, _)| *peer).collect();
        for peer in asked {
            let Some(talk) = self.talks.get_mut(&peer) else { continue };
            if !talk.is_shown_as_now(now) {
                self.look_up(peer, lines);
            } else if let Some(profile) = talk.profile(now.minute()) {
                talk.recheck_at = None;
                for asking in talk.asking.drain(..) {
                    let _ = asking.send(Ok(profile.clone()));
                }
            }
        }
    }

    /// A connection begins: looks up again whom this device told anything, for a business that was
    /// restored says so in its profile, and may know nothing of the conversation. One after the
    /// other, each on an anonymous connection of its own, so that a relay is not handed the list of
    /// a person's businesses at once.
    pub(super) fn recheck(&mut self, line: LineId) {
        let now = self.now();
        let Some(relay) = self.relays.iter().find(|relay| relay.person == Some(line)) else {
            return;
        };
        let mut at = now;
        for talk in self.talks.values_mut().filter(|talk| talk.record.link.relay == relay.link) {
            let told = talk.record.reply.is_some() && talk.record.standing == Standing::Active;
            if told && talk.recheck_at.is_none() && !talk.is_shown_as_now(now) {
                talk.recheck_at = Some(at);
                at = Timestamp(at.0.saturating_add(RECHECK_PACE_MS));
            }
        }
    }

    /// Takes the answer to a look-up.
    pub(super) fn looked_up(&mut self, peer: u64, frame: RelayFrame) -> Result<(), StateError> {
        let now = self.now().hour();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let known = match frame {
            RelayFrame::Certified { authority, certificate, profile } => {
                believe(&talk.record, authority, certificate, now).map(|known| (known, profile))
            }
            RelayFrame::Refused(refusal) => return self.refused(peer, &refusal),
            _ => Err(Trouble::BadCertificate),
        };
        let (known, profile) = match known {
            Ok(known) => known,
            Err(trouble) => return self.trouble(peer, trouble),
        };
        let expected = talk.record.account();
        let same = Pin::of_account(&known.certificate.body().keys.account) == expected;
        if !same && talk.record.known.is_none() {
            return self.trouble(peer, Trouble::WrongAccount);
        }
        (talk.trouble, talk.recheck_at) = (None, None);
        if same {
            talk.record.known = Some(known);
            if talk.record.standing == Standing::KeyChanged {
                talk.record.standing = Standing::Active;
                talk.record.offered = None;
            }
            return self.take_profile(peer, profile);
        }
        let news = talk.record.standing != Standing::KeyChanged;
        talk.record.offered = Some(known);
        if talk.record.standing == Standing::Active {
            talk.record.standing = Standing::KeyChanged;
        }
        for asking in talk.asking.drain(..) {
            let _ = asking.send(Err(LookUpError::Trouble(Trouble::WrongAccount)));
        }
        self.store(peer)?;
        if news { self.tell(peer, News::KeyChanged) } else { Ok(()) }
    }

    /// Keeps what the business says of itself, unless this device has seen later words of it: a relay
    /// must not bring an old status back. What does not verify is as if it were not there; the
    /// certificate stands without. With it the conversation is stored: a restore that was told once
    /// must be answered.
    fn take_profile(
        &mut self,
        peer: u64,
        profile: Option<SignedProfile>,
    ) -> Result<(), StateError> {
        let now = self.now().minute();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let account = talk.record.known.as_ref().map(|known| known.certificate.body().keys.account);
        let read = account.zip(profile).and_then(|(account, told)| told.verify(&account).ok());
        let replaces = |profile: &VerifiedProfile| {
            profile.issued_by(now).is_ok() && profile.replaces(talk.published.as_ref())
        };
        let Some(profile) = read.filter(replaces) else { return self.store(peer) };
        if let Some(restored) = profile.profile().restored {
            talk.record.claimed(Claim { restored, on_known: false });
        }
        let record = &talk.record;
        self.state.write::<_, StateError>(|rows| {
            put_record(rows, peer, record)?;
            rows.put(Table::Profile, Name::Number(peer), profile.signed())
        })?;
        talk.published = Some(profile);
        Ok(())
    }

    /// Trusts the key that was offered: old tickets end, a new session begins.
    pub(super) fn agree(&mut self, peer: u64) -> Result<(), StateError> {
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let Some(offered) = talk.record.offered.take() else { return Ok(()) };
        let Talk { record, published, ticket, bundle, .. } = talk;
        record.agreed = Some(offered.certificate.body().keys.account);
        record.known = Some(offered);
        record.standing = Standing::Active;
        record.started = Started::No;
        (record.reply, record.notifications) = (None, None);
        record.revoke_first();
        (*published, *ticket, *bundle) = (None, None, None);
        let record = record.clone();
        self.state.write(|rows| {
            super::lost::forget_sessions(rows, peer)?;
            rows.delete(Table::Profile, Name::Number(peer))?;
            put_record(rows, peer, &record)
        })
    }

    /// Takes the answer to a request for a bundle.
    pub(super) fn bundle_came(&mut self, peer: u64, frame: RelayFrame) -> Result<(), StateError> {
        let now = self.now().hour();
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        let Some(known) = &talk.record.known else { return Ok(()) };
        let account = known.certificate.body().keys.account;
        match frame {
            RelayFrame::Prekeys(bundle) => match bundle.verify(&account, now, now) {
                Ok(bundle) => {
                    talk.bundle = Some(bundle);
                    talk.trouble = None;
                    Ok(())
                }
                Err(_) => self.trouble(peer, Trouble::BadPrekeys),
            },
            RelayFrame::Refused(refusal) => self.refused(peer, &refusal),
            _ => self.trouble(peer, Trouble::BadPrekeys),
        }
    }

    /// A request this conversation needs was refused: later again, and the application hears of it
    /// unless waiting is all there is to do.
    pub(super) fn refused(&mut self, peer: u64, refusal: &Refusal) -> Result<(), StateError> {
        if refusal.code.passes() {
            self.hold(peer, u64::from(refusal.retry_after_ms).max(1_000));
            return Ok(());
        }
        self.trouble(peer, Trouble::Refused(refusal.code))?;
        self.hold(peer, u64::from(refusal.retry_after_ms).max(TROUBLE_MS));
        Ok(())
    }

    /// Tells the application what is wrong, once, and tries again later.
    pub(super) fn trouble(&mut self, peer: u64, trouble: Trouble) -> Result<(), StateError> {
        self.hold(peer, TROUBLE_MS);
        let Some(talk) = self.talks.get_mut(&peer) else { return Ok(()) };
        // The next connection asks again.
        talk.recheck_at = None;
        for asking in talk.asking.drain(..) {
            let _ = asking.send(Err(LookUpError::Trouble(trouble)));
        }
        if talk.trouble == Some(trouble) {
            return Ok(());
        }
        talk.trouble = Some(trouble);
        self.tell(peer, News::Trouble { code: trouble.number(), text: String::new() })
    }

    fn hold(&mut self, peer: u64, ms: u64) {
        let now = self.now();
        if let Some(talk) = self.talks.get_mut(&peer) {
            talk.retry_at = Timestamp(now.0.saturating_add(ms));
        }
    }
}

/// Believes a certificate that the link's authority signed for the link's handle and that is valid.
/// Whose account key it names is for the caller to compare.
fn believe(
    record: &Record,
    authority: AuthorityKey,
    certificate: Certificate,
    now: Hour,
) -> Result<Known, Trouble> {
    if Pin::of_authority(&authority) != record.link.relay.authority {
        return Err(Trouble::WrongAuthority);
    }
    let certificate = certificate.verify(&authority)?;
    if certificate.body().handle != record.link.handle {
        return Err(Trouble::OtherBusiness);
    }
    certificate.valid_at(now)?;
    Ok(Known { authority, certificate, fetched: now })
}

/// What is stored of what the business of a conversation says of itself.
pub(super) fn published(
    state: &mut State,
    peer: u64,
    record: &Record,
) -> Result<Option<VerifiedProfile>, StateError> {
    let Some(known) = &record.known else { return Ok(None) };
    let account = &known.certificate.body().keys.account;
    state.read(|rows| about::stored(rows, Name::Number(peer), account))
}

/// Between two look-ups that nobody asked for: longer than an anonymous connection stays without
/// use.
const RECHECK_PACE_MS: u64 = 30_000;
/// How long to wait after what a business or an operator must put right.
const TROUBLE_MS: u64 = 5 * 60_000;
