//! Staying connected: prove, subscribe, compare the certificate, and say when it is of use.

use plico_protocol::certificate::{Certificate, CertificateBody};
use plico_protocol::frame::{Channel, ClientFrame, EndReason, Notice, RelayFrame};
use plico_protocol::id::AuthorityKey;
use plico_protocol::link::{Pin, RelayLink};
use plico_protocol::refusal::Code;
use plico_protocol::time::Timestamp;

use super::command::{Connecting, Job};
use super::core::{BusinessCore, Proven};
use super::event::{Event, Trouble};
use super::{BusinessConnectError, InstallError};
use crate::agent::lines::Lines;
use crate::connection::{Ask, ConnectError, LineId, Proving};
use crate::state::StateError;

impl BusinessCore {
    /// Moves to this relay, unless it is the one already.
    pub(super) fn connect(
        &mut self,
        relay: RelayLink,
        answer: Connecting,
        lines: &mut Lines,
    ) -> Result<(), StateError> {
        self.connecting.push(answer);
        if self.identity.relay.as_ref() == Some(&relay) {
            return Ok(());
        }
        for line in self.line.take().into_iter().chain(self.anonymous.take()) {
            self.jobs.lost(line);
            self.inbound.lost(line);
            lines.shut(line);
        }
        self.connection_lost();
        self.certificate_checked = false;
        self.identity.relay = Some(relay);
        self.identity.store(&mut self.state)
    }

    /// Keeps a certificate of these keys, and the names the operator gave.
    pub(super) fn install(
        &mut self,
        certificate: Certificate,
    ) -> Result<Result<CertificateBody, InstallError>, StateError> {
        let claims = match certificate.claims() {
            Ok(claims) => claims,
            Err(error) => return Ok(Err(error.into())),
        };
        if claims.keys != self.identity.keys() {
            return Ok(Err(InstallError::OtherKeys { handle: claims.handle }));
        }
        self.identity.handle = claims.handle.clone();
        self.identity.display_name.clone_from(&claims.display_name);
        self.identity.domain.clone_from(&claims.domain);
        self.identity.certificate = Some(certificate);
        self.identity.store(&mut self.state)?;
        (self.certificate_checked, self.retry_at) = (false, Timestamp(0));
        Ok(Ok(claims))
    }

    /// Forgets what held on one connection only.
    fn connection_lost(&mut self) {
        self.proven = Proven::default();
        self.subscribed = false;
        self.inbox_channel = None;
        self.drained = false;
        self.trusted = false;
        self.publish_wanted = None;
        self.prekeys_due = Timestamp(0);
        self.profile.connection_lost();
    }

    /// Opens lines, proves, subscribes: whatever the next step to a usable connection is.
    pub(super) fn keep_connected(&mut self, lines: &mut Lines) {
        let Some(relay) = self.identity.relay.clone() else { return };
        let held = self.now() < self.retry_at;
        self.check_certificate(&relay, held, lines);
        let line = *self.line.get_or_insert_with(|| lines.open(&relay));
        if held || !lines.is_up(line) {
            return;
        }
        let Proven { account, inbox } = self.proven;
        if !account && !self.jobs.has(&Job::ProveAccount) {
            let account = Proving::Account(self.identity.account.clone());
            self.jobs.prove(lines, line, Job::ProveAccount, account);
        }
        // Pipelined: the relay answers in order.
        let proving = account || self.jobs.has(&Job::ProveAccount);
        if proving && !inbox && !self.jobs.has(&Job::ProveInbox) {
            let inbox = Proving::Inbox(self.identity.inbox.clone());
            self.jobs.prove(lines, line, Job::ProveInbox, inbox);
        }
        // An older copy of a state would take envelopes it cannot open from those who can.
        if account && inbox && self.may_be_heard() && !self.subscribed {
            self.subscribed = lines.ask(line, Ask::Subscribe(self.identity.inbox.public()));
        }
    }

    /// Looks its own certificate up, as a person would, once for each opening.
    fn check_certificate(&mut self, relay: &RelayLink, held: bool, lines: &mut Lines) {
        if self.certificate_checked || held {
            if let Some(line) = self.anonymous.take() {
                lines.shut(line);
            }
            return;
        }
        let line = *self.anonymous.get_or_insert_with(|| lines.open(relay));
        if lines.is_up(line) && !self.jobs.has(&Job::LookUp) {
            let handle = self.identity.handle.clone();
            self.jobs.ask(lines, line, Job::LookUp, ClientFrame::LookUp { handle });
        }
    }

    /// Takes the answer to that look-up.
    pub(super) fn looked_up(&mut self, frame: RelayFrame) -> Result<(), StateError> {
        let found = match frame {
            RelayFrame::Certified { authority, certificate, profile } => {
                let genuine = self.identity.relay.as_ref().map(|relay| relay.authority);
                if Some(Pin::of_authority(&authority)) == genuine {
                    self.believe(&authority, certificate).map(|()| {
                        self.ledger.authority = Some(authority);
                        profile
                    })
                } else {
                    Err(Trouble::WrongAuthority)
                }
            }
            RelayFrame::Refused(refusal) => Err(Trouble::Refused(refusal.code)),
            _ => Err(Trouble::BadCertificate),
        };
        match found {
            Ok(profile) => {
                self.certificate_checked = true;
                self.compare_profile(profile)
            }
            Err(trouble) => self.trouble(trouble),
        }
    }

    /// Believes the relay's certificate if it is genuine, of these keys and valid. An installed one
    /// must be genuine too, but may be older: the relay's is what people see.
    fn believe(&self, authority: &AuthorityKey, certificate: Certificate) -> Result<(), Trouble> {
        let genuine = |certificate: Certificate| {
            let verified = certificate.verify(authority)?;
            let ours = verified.body().keys == self.identity.keys();
            if ours { Ok(verified) } else { Err(Trouble::OtherKeys) }
        };
        self.identity.certificate.clone().map(genuine).transpose()?;
        genuine(certificate)?.valid_at(self.now().hour())?;
        Ok(())
    }

    /// Answers who waits for a usable connection: subscribed, prekeys and profile published,
    /// certified.
    pub(super) fn ready(&mut self) {
        let publishing = self.jobs.has(&Job::Publish) || self.publish_wanted.is_some();
        let stocked = Timestamp(0) < self.prekeys_due && !publishing;
        let published = stocked && self.profile.is_published() && self.untold().is_none();
        if self.certificate_checked && self.inbox_channel.is_some() && published {
            self.trouble = None;
            for connecting in self.connecting.drain(..) {
                let _ = connecting.send(Ok(()));
            }
        }
    }

    /// Frees what waited on a line that went down.
    pub(super) fn line_down(&mut self, line: LineId, error: ConnectError) {
        self.jobs.lost(line);
        self.inbound.lost(line);
        for connecting in self.connecting.drain(..) {
            let _ = connecting.send(Err(BusinessConnectError::Connect(error.clone())));
        }
        if self.line == Some(line) {
            self.connection_lost();
            self.tell_standing(&Err(error.clone().into()));
            self.ledger_lost(|| error.clone().into());
            self.card.give_up(|| error.clone().into());
            if self.told_up != Some(false) {
                self.told_up = Some(false);
                self.journal.pass(Event::Disconnected(error));
            }
        }
    }

    /// Takes the relay's word.
    pub(super) fn notice(&mut self, notice: Notice) -> Result<(), StateError> {
        match notice {
            Notice::PrekeysLow { .. } => {
                self.prekeys_due = Timestamp(0);
                Ok(())
            }
            // It still holds: nothing stops meanwhile.
            Notice::CertificateEnds { hours } => self.warn(Trouble::CertificateEnds { hours }),
            // It still receives, and may still send for a while.
            Notice::Unpaid { .. } => {
                self.standing.due = Timestamp(0);
                self.warn(Trouble::Unpaid)
            }
            // To a person, or of a later relay.
            Notice::TicketKeys(_) | Notice::Other { .. } => Ok(()),
        }
    }

    /// The inbox's channel ended. One that was taken over is subscribed again on the next
    /// connection, so that two processes do not take it from each other in turns; one whose
    /// certificate was revoked soon, because a new certificate may be issued at any time.
    pub(super) fn ended(
        &mut self,
        (line, channel): (LineId, Channel),
        reason: EndReason,
    ) -> Result<(), StateError> {
        self.inbound.ended((line, channel));
        if self.inbox_channel != Some(channel) {
            return Ok(());
        }
        self.inbox_channel = None;
        match reason {
            EndReason::TakenOver => self.trouble(Trouble::TakenOver),
            EndReason::Closed => {
                (self.subscribed, self.certificate_checked) = (false, false);
                self.trouble(Trouble::Refused(Code::NotCertified))
            }
        }
    }
}
