//! Carries an operator's commands out, with the rules for names that no certificate alone shows.

use std::sync::Arc;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use plico_protocol::certificate::{
    Certificate, CertificateBody, Handle, VerifiedCertificate, display_name,
};
use plico_protocol::frame::RelayFrame;
use plico_protocol::id::AccountKey;
use plico_protocol::ledger::{Amount, Entry};
use plico_protocol::link::RelayLink;
use plico_protocol::reputation::AccountStanding;
use tokio::sync::mpsc;

use super::command::{Answer, Command, LISTED_MAX};
use super::ledger;
use super::ledger::{Balance, Days};
use crate::backup;
use crate::clock::Clock;
use crate::config::Config;
use crate::directory::Directory;
use crate::keys::Keys;
use crate::listener;
use crate::metrics::Sampler;
use crate::policy::rate_card::RateCards;
use crate::request::Request;
use crate::rows::{View, ViewError};
use crate::rules::{Rules, RulesError};
use crate::store::Store;
use crate::writer::{Event, Wake, Writer};

/// What commands act on.
#[derive(Clone)]
pub(crate) struct Standing {
    pub(crate) store: Arc<dyn Store>,
    /// Dropped last, as [`crate::service::Service`] has it: a backup reads the store.
    pub(crate) user: mpsc::Sender<()>,
    pub(crate) directory: Directory,
    pub(crate) writer: Writer,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whom to tell of tickets that ended.
    pub(crate) wake: Arc<dyn Wake>,
    pub(crate) link: RelayLink,
    pub(crate) config: Config,
    /// None where no relay runs.
    pub(crate) live: Option<Live>,
}

/// What only a running relay has.
#[derive(Clone)]
pub(crate) struct Live {
    /// What counts, and where connections come in.
    pub(crate) sampler: Sampler,
    /// What the operator's files say.
    pub(crate) rules: Rules,
}

/// Where commands arrive, by socket or by call.
#[derive(Clone, Debug)]
pub struct Desk(Standing);

impl Desk {
    pub(crate) fn new(standing: Standing) -> Self {
        Self(standing)
    }

    /// Carries one command out.
    pub async fn carry_out(&self, command: Command) -> Answer {
        let done = match command {
            Command::Describe => Ok(self.describe()),
            Command::Reload => self.reload(),
            Command::Status => self.status(),
            Command::RotateTickets { end_all } => self.rotate_tickets(end_all).await,
            // Answered by [`Desk::back_up`], which is no single answer.
            Command::Backup => Err("a backup comes by the socket alone".to_owned()),
            Command::List => Ok(self.list()),
            Command::Standing(handle) => self.standing(&handle).await.map(Answer::Standing),
            Command::Restore(handle) => self.restore(&handle).await.map(Answer::Standing),
            Command::Ledger { handle, days } => self.ledger(&handle, days).await,
            Command::Pay { handle, amount, reference, correction } => {
                self.pay(&handle, amount, reference, correction).await
            }
            Command::Balance(handle) => self.balance(&handle),
            Command::Credit { handle, credit } => self.credit(&handle, credit).await,
            Command::Install(certificate) => match self.check(certificate) {
                Ok(certificate) => self.call(Request::Certify { certificate }).await,
                Err(why) => Err(why),
            },
            Command::Revoke(serial) => match self.0.directory.by_serial(serial) {
                Some(certified) if certified.revoked => Err(format!(
                    "the certificate with the serial number {} is revoked already; nothing changed",
                    serial.0
                )),
                Some(_) => self.call(Request::RevokeCertificate { serial }).await,
                None => Err(format!(
                    "no certificate has the serial number {}; see: plico-relay business list",
                    serial.0
                )),
            },
        };
        done.unwrap_or_else(Answer::Refused)
    }

    fn reload(&self) -> Result<Answer, String> {
        let Some(Live { sampler, rules }) = &self.0.live else {
            return Err("no relay runs here; the next start reads its files".to_owned());
        };
        // Read first, taken last: a mistake in one file leaves everything as it was.
        let read = self.read_rules().map_err(|error| {
            tracing::warn!("rate card and zones not read again");
            format!("{error}; the relay goes on with what it has")
        })?;
        if let Err(error) = self.0.keys.recertify(self.0.clock.now()) {
            tracing::warn!(error = %error, "ledger certificate not read again");
            return Err(error.to_string());
        }
        let reloaded = listener::reload(&sampler.endpoint, &self.0.config, &self.0.link.relay);
        match reloaded {
            Ok(()) => {
                rules.replace(&read);
                Ok(Answer::Reloaded)
            }
            Err(error) => {
                tracing::warn!(error = %error, "TLS certificate not read again");
                Err(error.to_string())
            }
        }
    }

    fn read_rules(&self) -> Result<Rules, RulesError> {
        let read = Rules::open(&self.0.config, self.0.clock.now().minute())?;
        read.check_currency(&View::new(Arc::clone(&self.0.store), &self.0.keys))?;
        Ok(read)
    }

    async fn rotate_tickets(&self, end_all: bool) -> Result<Answer, String> {
        let Standing { keys, clock, writer, wake, .. } = self.0.clone();
        let now = clock.now();
        let replaced = keys.clone();
        let rotated = tokio::task::spawn_blocking(move || {
            replaced.rotate_tickets(end_all, now, &mut UnwrapErr(SysRng))
        });
        let rotated = rotated.await.map_err(|error| error.to_string())?;
        rotated.map_err(|error| error.to_string())?;
        let keys = keys.ring().ticket_keys().ok_or("there is no ticket key")?;
        // Who was given a ticket of a key that is gone must hear of it later than of the ticket.
        writer.settle().await;
        if end_all {
            wake.wake(Event::TicketsEnded(keys));
        }
        tracing::info!("ticket keys rotated");
        Ok(Answer::Rotated(keys))
    }

    fn status(&self) -> Result<Answer, String> {
        let live = self.0.live.as_ref().ok_or("no relay runs here, and nothing is counted")?;
        Ok(Answer::Status(live.sampler.text()))
    }

    /// Begins a backup of this moment. Its pieces come through the channel; where it ends early, so
    /// does the file, which shows it.
    pub(crate) fn back_up(&self) -> mpsc::Receiver<Vec<u8>> {
        let (pieces, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        let Standing { store, user, .. } = self.0.clone();
        tokio::task::spawn_blocking(move || {
            match backup::write(&*store, |piece| pieces.blocking_send(piece).is_ok()) {
                Ok(rows) => tracing::info!(count = rows, "backed up"),
                Err(error) => tracing::warn!(error = %error, "a backup was not finished"),
            }
            drop((store, user));
        });
        receiver
    }

    /// What a backup reads, for a caller that has the data directory to itself.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// Read beside the relay's work: a ledger may be long.
    async fn ledger(&self, handle: &Handle, days: Days) -> Result<Answer, String> {
        let account = self.account(handle)?;
        let view = View::new(Arc::clone(&self.0.store), &self.0.keys);
        let read = tokio::task::spawn_blocking(move || {
            let lines = ledger::lines(&view, &account, days)?;
            let mut free = view.free_counts(&account, days.from, ledger::LINES_MAX)?;
            free.retain(|(day, _)| days.contains(*day));
            Ok(Answer::Ledger(lines, free))
        });
        let read: Result<_, ViewError> = read.await.map_err(|error| error.to_string())?;
        read.map_err(|error| error.to_string())
    }

    fn balance(&self, handle: &Handle) -> Result<Answer, String> {
        self.balance_of(&self.account(handle)?).map(Answer::Balance)
    }

    fn balance_of(&self, account: &AccountKey) -> Result<Balance, String> {
        let view = View::new(Arc::clone(&self.0.store), &self.0.keys);
        let owed = view.owed(account, &self.rate_cards(), self.0.clock.now());
        let owed = owed.map_err(|error| error.to_string())?;
        let balance = ledger::balance(&view, account, self.0.config.credit, owed);
        balance.map_err(|error| error.to_string())
    }

    /// Those that the relay goes by; with a mistake in their file and no relay, none.
    fn rate_cards(&self) -> Arc<RateCards> {
        let Standing { live, config, clock, .. } = &self.0;
        let read = || Rules::open(config, clock.now().minute()).map(|read| read.rate_cards);
        match live {
            Some(live) => live.rules.rate_cards.get(),
            None => read().unwrap_or_default().get(),
        }
    }

    async fn credit(&self, handle: &Handle, credit: Option<Amount>) -> Result<Answer, String> {
        let account = self.account(handle)?;
        let set = self.0.writer.call(Request::SetCredit { account, credit }).await;
        set.map_err(|refusal| refusal.text)?;
        self.balance(handle)
    }

    async fn pay(
        &self,
        handle: &Handle,
        amount: Amount,
        reference: Option<String>,
        correction: bool,
    ) -> Result<Answer, String> {
        let account = self.account(handle)?;
        let paid = self.balance_of(&account)?.paid;
        let known = reference.as_ref().map(|reference| self.payment(&account, reference));
        if let Some(known) = known.transpose()?.flatten() {
            return Ok(Answer::PaidBefore(known));
        }
        match correction {
            true => ledger::check_correction(paid, amount.millionths)?,
            false => ledger::check_payment(paid, amount.millionths)?,
        }
        let request = Request::Pay { account, amount, reference: reference.clone(), correction };
        match self.0.writer.call(request).await {
            // Another command entered it in between.
            Ok(RelayFrame::Entries(entries)) if entries.is_empty() => {
                let known = self.payment(&account, &reference.unwrap_or_default())?;
                known.map(Answer::PaidBefore).ok_or_else(unexpected)
            }
            Ok(RelayFrame::Entries(entries)) => Ok(Answer::Paid(entries)),
            Ok(_) => Err(unexpected()),
            Err(refusal) => Err(refusal.text),
        }
    }

    fn payment(&self, account: &AccountKey, reference: &str) -> Result<Option<Entry>, String> {
        let view = View::new(Arc::clone(&self.0.store), &self.0.keys);
        view.payment(account, reference).map_err(|error| error.to_string())
    }

    fn describe(&self) -> Answer {
        let next_serial = self.0.directory.next_serial();
        Answer::Described { link: self.0.link.to_string(), next_serial }
    }

    fn list(&self) -> Answer {
        let newest = self.0.directory.newest(LISTED_MAX);
        let line = |certified: &crate::directory::Certified| {
            (certified.certificate.certificate().clone(), certified.revoked)
        };
        Answer::Listed(newest.iter().map(line).collect())
    }

    /// Whether this authority signed it and no other business's handle or name is taken by it.
    fn check(&self, certificate: Certificate) -> Result<Box<VerifiedCertificate>, String> {
        let verified = certificate.verify(self.0.keys.authority()).map_err(|error| {
            format!("{error}; this relay installs only what its own authority signed")
        })?;
        let body = verified.body();
        display_name::check(&body.display_name).map_err(|error| error.to_string())?;
        let others = self.others(body);
        if let Some(other) = others.iter().find(|other| other.handle == body.handle) {
            return Err(format!(
                "the handle `{}` belongs to another account; if the business lost its keys, \
                 first run: plico-relay business revoke {}",
                body.handle, other.serial.0
            ));
        }
        let names = others.iter().map(|other| other.display_name.as_str());
        display_name::check_against(&body.display_name, names)
            .map_err(|error| format!("{error}; agree on another and pass it with --name"))?;
        Ok(Box::new(verified))
    }

    /// What stands of other businesses. A revoked certificate keeps no name from others.
    fn others(&self, body: &CertificateBody) -> Vec<CertificateBody> {
        let certified = self.0.directory.newest(usize::MAX);
        let theirs = certified.into_iter().filter(|other| !other.revoked);
        let bodies = theirs.map(|other| other.certificate.body().clone());
        bodies.filter(|other| other.keys.account != body.keys.account).collect()
    }

    async fn standing(&self, handle: &Handle) -> Result<AccountStanding, String> {
        let account = self.account(handle)?;
        self.call_for_standing(Request::Standing { account }).await
    }

    async fn restore(&self, handle: &Handle) -> Result<AccountStanding, String> {
        if !self.standing(handle).await?.reputation.suspended {
            return Err(format!("`{handle}` is not suspended; nothing changed"));
        }
        let account = self.account(handle)?;
        self.call_for_standing(Request::Restore { account }).await
    }

    fn account(&self, handle: &Handle) -> Result<AccountKey, String> {
        let certified = self.0.directory.by_handle(handle).ok_or_else(|| {
            format!("no business has the handle `{handle}`; see: plico-relay business list")
        })?;
        Ok(certified.certificate.body().keys.account)
    }

    async fn call_for_standing(&self, request: Request) -> Result<AccountStanding, String> {
        match self.0.writer.call(request).await {
            Ok(RelayFrame::Standing(standing)) => Ok(standing),
            Ok(_) => Err(unexpected()),
            Err(refusal) => Err(refusal.text),
        }
    }

    async fn call(&self, request: Request) -> Result<Answer, String> {
        match self.0.writer.call(request).await {
            Ok(RelayFrame::Certified { certificate, .. }) => Ok(Answer::Done(certificate)),
            Ok(_) => Err(unexpected()),
            Err(refusal) => Err(refusal.text),
        }
    }
}

fn unexpected() -> String {
    "the relay gave an unexpected answer".to_owned()
}

impl core::fmt::Debug for Standing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Standing").field("link", &self.link).finish_non_exhaustive()
    }
}

/// Pages of a backup, two megabytes at most each, that wait for the socket.
const PIECES_WAITING_MAX: usize = 2;
