//! One function for each request: checks what can be checked without the writer, and hands on
//! what changes state.
//!
//! The connection has already decided that its kind may ask this, and proven what had to be
//! proven. Checks here need no lock and run on as many threads as there are; what remains for the
//! one writer is to compare state.

mod submit;

use std::sync::Arc;

use bytes::Bytes;
use plico_protocol::certificate::Handle;
use plico_protocol::frame::{ClientFrame, RelayFrame};
use plico_protocol::id::{AccountKey, SubmitId};
use plico_protocol::ledger::EntrySequence;
use plico_protocol::limits::ENTRIES_PER_FRAME_MAX;
use plico_protocol::prekey::Publication;
use plico_protocol::profile::SignedProfile;
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::report::Report;
use plico_protocol::ticket::{Terms, Zone};
use plico_protocol::time::Minute;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::connection::Answer;
use crate::delivery::hub::Hub;
use crate::directory::{Certified, Directory};
use crate::keys::Keys;
use crate::ledger::Signer;
use crate::metrics::Metrics;
use crate::policy::consent::WindowRules;
use crate::policy::throttle::{Prefix, Throttle};
use crate::request::{Reply, Request};
use crate::rows::View;
use crate::rules::Rules;
use crate::space::Watermark;
use crate::writer::Writer;

/// What requests need. Shared by all connections.
pub(crate) struct Service {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Keys,
    pub(crate) directory: Directory,
    pub(crate) view: View,
    pub(crate) writer: Writer,
    pub(crate) watermark: Watermark,
    pub(crate) hub: Arc<Hub>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) rules: Rules,
    pub(crate) throttle: Throttle,
    /// Allowances run on elapsed time: a clock that is set must neither open nor close the door.
    pub(crate) started: Instant,
    /// Dropped last: whoever waits for its other end knows that the store is free.
    pub(crate) _user: mpsc::Sender<()>,
}

/// What a connection knows of who asks.
#[derive(Clone, Copy)]
pub(crate) struct Asker {
    /// The account it proved.
    pub(crate) account: Option<AccountKey>,
    /// Where it comes from, as far as the operator's table knows.
    pub(crate) zone: Zone,
    /// Its network, for as long as this relay runs.
    pub(crate) prefix: Prefix,
}

/// What a request needs once it is checked.
pub(crate) enum Checked {
    /// Nothing of the writer.
    Answer(Answer),
    /// A change for the writer, or why there is none.
    Change(Result<Request, Refusal>),
}

impl Service {
    /// Begins a request: what it is answered, or the change that has the answer.
    pub(crate) fn check(
        self: &Arc<Self>,
        request: ClientFrame,
        body: &Bytes,
        asker: Asker,
    ) -> Checked {
        let Asker { account, zone, prefix } = asker;
        Checked::Change(match request {
            ClientFrame::FetchBundle { account } => self.fetch_bundle(account, prefix),
            ClientFrame::Submit(submission) => self.check_submission(*submission, body, asker),
            ClientFrame::Open { address } => {
                let allowed = self.throttle.open(prefix, self.elapsed_us());
                allowed.map(|()| Request::Open { address }).map_err(Refusal::from)
            }
            ClientFrame::Close { address } => {
                Ok(Request::Close { address, handed: self.hub.handed(&address) })
            }
            ClientFrame::Mint { address, terms, window } => {
                let window = window.then(|| self.window_rules());
                self.check_terms(&terms).map(|()| Request::Mint { address, terms, window, zone })
            }
            ClientFrame::Revoke { address } => {
                Ok(Request::Revoke { address, handed: self.hub.handed(&address) })
            }
            ClientFrame::ChangeTerms { address, terms } => {
                self.check_terms(&terms).map(|()| Request::ChangeTerms { address, terms, zone })
            }
            ClientFrame::PublishProfile(profile) => self.check_profile(profile, account),
            ClientFrame::Report(report) => self.check_report(&report),
            ClientFrame::LookUp { handle } => return Checked::Answer(self.look_up(handle)),
            ClientFrame::Status { id } => return Checked::Answer(self.status(id)),
            ClientFrame::PublishPrekeys(publication) => {
                return Checked::Answer(self.publish(publication, account));
            }
            ClientFrame::FetchRateCard { at } => return Checked::Answer(self.rate_card(at).into()),
            ClientFrame::AskStanding => return Checked::Answer(self.account_standing(account)),
            ClientFrame::PrekeyStatus => return Checked::Answer(self.prekey_status(account)),
            ClientFrame::Head { since } => return Checked::Answer(self.head(since, account)),
            ClientFrame::ReadLedger { from } => {
                return Checked::Answer(self.read_ledger(from, account));
            }
            // The connection keeps these to itself and to its delivery stream.
            ClientFrame::Prove(_)
            | ClientFrame::Subscribe { .. }
            | ClientFrame::Acknowledge { .. } => Err(Refusal::new(Code::WrongStream)),
        })
    }

    /// Whether a network may send one more frame of those that no other rule counts.
    pub(crate) fn admit(&self, frame: &ClientFrame, asker: Asker) -> Result<(), Refusal> {
        match frame {
            ClientFrame::Acknowledge { .. } => Ok(()),
            ClientFrame::Submit(_) if asker.account.is_some() => Ok(()),
            _ => Ok(self.throttle.frame(asker.prefix, self.elapsed_us())?),
        }
    }

    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The certificate of a business, if it may be relied on now.
    pub(crate) fn standing(&self, account: &AccountKey) -> Result<Certified, Refusal> {
        let certified = self.directory.by_account(account);
        let certified = certified.ok_or_else(|| Refusal::new(Code::NotCertified))?;
        certified.standing(self.clock.now().hour())?;
        Ok(certified)
    }

    fn look_up(self: &Arc<Self>, handle: Handle) -> Answer {
        let service = self.clone();
        Answer::in_turn(move || {
            let certified = service.directory.by_handle(&handle);
            let certified = certified.ok_or_else(|| Refusal::new(Code::UnknownHandle))?;
            certified.standing(service.clock.now().hour())?;
            let authority = *service.keys.authority();
            let certificate = certified.certificate.certificate().clone();
            let profile = service.view.profile(&certified.certificate.body().keys.account)?;
            Ok(RelayFrame::Certified { authority, certificate, profile })
        })
    }

    fn fetch_bundle(&self, account: AccountKey, prefix: Prefix) -> Result<Request, Refusal> {
        self.standing(&account)?;
        let one_time = self.throttle.one_time_prekey(prefix, self.elapsed_us());
        Ok(Request::TakeBundle { account, one_time })
    }

    fn status(self: &Arc<Self>, id: SubmitId) -> Answer {
        let service = self.clone();
        Answer::in_turn(move || {
            Ok(RelayFrame::State(service.view.submission_state(&id, service.clock.now())?))
        })
    }

    /// What a window is now. Without a card that holds, a person's message goes out all the same.
    fn window_rules(&self) -> WindowRules {
        let card = self.rules.rate_cards.at(self.clock.now().minute());
        card.map_or_else(WindowRules::default, |card| WindowRules {
            hours: card.fields().window_hours,
            days_per_month: card.fields().window_days_per_month,
        })
    }

    fn check_terms(&self, terms: &Terms) -> Result<(), Refusal> {
        let bad = |error| Refusal::because(Code::BadTerms, error);
        terms.check(self.clock.now().minute()).map_err(bad)
    }

    fn publish(
        self: &Arc<Self>,
        publication: Box<Publication>,
        account: Option<AccountKey>,
    ) -> Answer {
        // At once: a key that nobody certified must not park publications here.
        let standing = account.ok_or_else(|| Refusal::new(Code::NotProven));
        let account = match standing.and_then(|account| self.standing(&account).map(|_| account)) {
            Ok(account) => account,
            Err(refusal) => return Err(refusal).into(),
        };
        let service = self.clone();
        Answer::later(async move {
            let publication = service.check_publication(publication, account).await?;
            service.writer.call(Request::PublishPrekeys { account, publication }).await
        })
    }

    /// A hundred signatures take milliseconds: not on a thread that serves connections.
    async fn check_publication(
        &self,
        publication: Box<Publication>,
        account: AccountKey,
    ) -> Result<Box<Publication>, Refusal> {
        let now = self.clock.now().hour();
        let checked = tokio::task::spawn_blocking(move || {
            publication.verify(&account, now).map(|()| publication)
        });
        match checked.await {
            Ok(checked) => checked.map_err(|error| Refusal::because(Code::BadPrekey, error)),
            Err(_) => Err(Refusal::new(Code::ShuttingDown)),
        }
    }

    /// One signature: checked here, where others are served beside.
    fn check_profile(
        &self,
        profile: SignedProfile,
        account: Option<AccountKey>,
    ) -> Result<Request, Refusal> {
        let account = account.ok_or_else(|| Refusal::new(Code::NotProven))?;
        self.standing(&account)?;
        let bad = |error| Refusal::because(Code::BadProfile, error);
        let profile = Box::new(profile.verify(&account).map_err(bad)?);
        profile.issued_by(self.clock.now().minute()).map_err(bad)?;
        Ok(Request::PublishProfile { account, profile })
    }

    /// The content is hashed here and goes no further.
    fn check_report(&self, report: &Report) -> Result<Request, Refusal> {
        let (ring, now) = (self.keys.ring(), self.clock.now());
        let stamped = report.origin.origin.hour.day();
        let proven = report.prove(ring.stamp_to_verify(stamped, now.day()), ring.tag());
        let bad = |error| Refusal::because(Code::BadReport, error);
        Ok(Request::Report { report: proven.map_err(bad)? })
    }

    /// A business whose certificate ended still owes, and still may look.
    fn head(self: &Arc<Self>, since: u64, account: Option<AccountKey>) -> Answer {
        let service = self.clone();
        Answer::in_turn(move || -> Reply {
            let account = account.ok_or_else(|| Refusal::new(Code::NotProven))?;
            let (ring, now) = (service.keys.ring(), service.clock.now());
            let key = service.keys.ledger_key(now).ok_or_else(uncertified)?;
            let secret = ring.ledger().ok_or_else(uncertified)?;
            let signer = Signer { secret, certificate: *key.certificate(), hour: now.hour() };
            let headed = service.view.ledger_head(&account, since, &signer)?;
            Ok(RelayFrame::Headed(Box::new(headed)))
        })
    }

    fn read_ledger(self: &Arc<Self>, from: EntrySequence, account: Option<AccountKey>) -> Answer {
        let service = self.clone();
        Answer::in_turn(move || -> Reply {
            let account = account.ok_or_else(|| Refusal::new(Code::NotProven))?;
            let limit = ENTRIES_PER_FRAME_MAX;
            Ok(RelayFrame::Entries(service.view.ledger_entries(&account, from, limit)?))
        })
    }

    /// From memory, and the same bytes for everybody all day. Issued anew each day: in the long life of
    /// a process the key's certificate may come to begin after the card was read.
    fn rate_card(&self, at: Minute) -> Reply {
        let (ring, now) = (self.keys.ring(), self.clock.now());
        let card = self.rules.rate_cards.at(at).ok_or_else(|| Refusal::new(Code::NoRateCard))?;
        let key = self.keys.ledger_key(now).ok_or_else(uncertified)?;
        let secret = ring.ledger().ok_or_else(uncertified)?;
        let card = Arc::unwrap_or_clone(card)
            .issued_from(now.minute().round_down(DAY_MINUTES))
            .sign(secret);
        Ok(RelayFrame::RateCard { key: *key.certificate(), card: card.signed().clone() })
    }

    fn account_standing(self: &Arc<Self>, account: Option<AccountKey>) -> Answer {
        let service = self.clone();
        Answer::in_turn(move || -> Reply {
            let account = account.ok_or_else(|| Refusal::new(Code::NotProven))?;
            let (view, now) = (&service.view, service.clock.now());
            let dues = view.dues(&account, &service.rules.rate_cards.get(), now)?;
            Ok(RelayFrame::Standing(view.standing(&account)?.shown(now.day(), dues)))
        })
    }

    fn prekey_status(self: &Arc<Self>, account: Option<AccountKey>) -> Answer {
        let service = self.clone();
        Answer::in_turn(move || -> Reply {
            let account = account.ok_or_else(|| Refusal::new(Code::NotProven))?;
            Ok(RelayFrame::Stock(service.view.prekey_stock(&account)?))
        })
    }
}

fn uncertified() -> Refusal {
    Refusal::because(Code::Busy, "the ledger key is not certified")
}

const DAY_MINUTES: u32 = 24 * 60;
