//! Which of three kinds a connection is and what each kind may ask. Pure. SPEC.md §5.3.
//!
//! The first request fixes the kind for good, so that a client cannot link what it wanted apart
//! by mistake: a person's submissions never share a connection with that person's mailboxes.

use std::collections::HashSet;

use plico_protocol::frame::ClientFrame;
use plico_protocol::id::{AccountKey, Address};
use plico_protocol::limits::MAILBOXES_PER_CONNECTION_MAX;
use plico_protocol::prove::{Proven, Role};
use plico_protocol::refusal::Code;

/// What a connection is and what it proved.
#[derive(Debug, Default)]
pub(super) enum Kind {
    /// No request was carried out yet.
    #[default]
    Undecided,
    /// Look-ups, bundles, submissions to inboxes, status: nothing is proven here.
    Anonymous,
    /// A person with these proven mailboxes.
    Person(HashSet<Address>),
    /// A business with its proven account and perhaps its inbox.
    Business {
        /// Who it is.
        account: AccountKey,
        /// Its inbox, once proven.
        inbox: Option<Address>,
    },
}

impl Kind {
    /// Lets a request pass or names the code to refuse it with; fixes the kind of an undecided
    /// connection whose first request is not a proof.
    ///
    /// # Errors
    ///
    /// `wrong_connection`, or `not_proven` for a mailbox that was not proven here.
    pub(super) fn admit(&mut self, request: &ClientFrame) -> Result<(), Code> {
        if let ClientFrame::Prove(proof) = request {
            return self.admit_proof(proof.role());
        }
        if matches!(self, Self::Undecided) {
            *self = Self::Anonymous;
        }
        match self {
            Self::Undecided | Self::Anonymous => anonymous(request),
            Self::Person(mailboxes) => person(mailboxes, request),
            Self::Business { inbox, .. } => business(inbox.as_ref(), request),
        }
    }

    /// Takes a checked proof in. A repeated one changes nothing.
    ///
    /// # Errors
    ///
    /// `wrong_connection` or `too_many`.
    pub(super) fn prove(&mut self, proven: Proven) -> Result<(), Code> {
        match (&mut *self, proven) {
            (Self::Undecided, Proven::Mailbox(address)) => {
                *self = Self::Person(HashSet::from([address]));
            }
            (Self::Undecided, Proven::Account(account)) => {
                *self = Self::Business { account, inbox: None };
            }
            (Self::Person(mailboxes), Proven::Mailbox(address)) => {
                if mailboxes.len() == MAILBOXES_PER_CONNECTION_MAX && !mailboxes.contains(&address)
                {
                    return Err(Code::TooMany);
                }
                mailboxes.insert(address);
            }
            (Self::Business { account, .. }, Proven::Account(proven)) => {
                if *account != proven {
                    return Err(Code::TooMany);
                }
            }
            (Self::Business { inbox, .. }, Proven::Inbox(proven)) => {
                if *inbox.get_or_insert(proven) != proven {
                    return Err(Code::TooMany);
                }
            }
            _ => return Err(Code::WrongConnection),
        }
        Ok(())
    }

    /// The account of a business's connection.
    pub(super) fn account(&self) -> Option<AccountKey> {
        match self {
            Self::Business { account, .. } => Some(*account),
            _ => None,
        }
    }

    /// Its name in logs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Anonymous => "anonymous",
            Self::Person(_) => "person",
            Self::Business { .. } => "business",
        }
    }

    /// Asked before the signature is checked, so that a proof that cannot count costs nothing.
    fn admit_proof(&self, role: Role) -> Result<(), Code> {
        match (self, role) {
            (Self::Undecided, Role::Mailbox | Role::Account)
            | (Self::Person(_), Role::Mailbox)
            | (Self::Business { .. }, Role::Account | Role::Inbox) => Ok(()),
            _ => Err(Code::WrongConnection),
        }
    }
}

fn anonymous(request: &ClientFrame) -> Result<(), Code> {
    match request {
        ClientFrame::LookUp { .. }
        | ClientFrame::FetchBundle { .. }
        | ClientFrame::FetchRateCard { .. }
        | ClientFrame::Status { .. } => Ok(()),
        ClientFrame::Submit(submission) if submission.consent.is_none() => Ok(()),
        _ => Err(Code::WrongConnection),
    }
}

fn person(mailboxes: &HashSet<Address>, request: &ClientFrame) -> Result<(), Code> {
    match request {
        ClientFrame::Open { address }
        | ClientFrame::Close { address }
        | ClientFrame::Mint { address, .. }
        | ClientFrame::Revoke { address }
        | ClientFrame::ChangeTerms { address, .. }
        | ClientFrame::Subscribe { address } => match mailboxes.contains(address) {
            true => Ok(()),
            false => Err(Code::NotProven),
        },
        ClientFrame::Report(report) => match mailboxes.contains(&report.address) {
            true => Ok(()),
            false => Err(Code::NotProven),
        },
        ClientFrame::Acknowledge { .. } => Ok(()),
        _ => Err(Code::WrongConnection),
    }
}

fn business(inbox: Option<&Address>, request: &ClientFrame) -> Result<(), Code> {
    match request {
        ClientFrame::Subscribe { address } => match inbox == Some(address) {
            true => Ok(()),
            false => Err(Code::NotProven),
        },
        ClientFrame::Status { .. }
        | ClientFrame::PublishPrekeys(_)
        | ClientFrame::PrekeyStatus
        | ClientFrame::AskStanding
        | ClientFrame::FetchRateCard { .. }
        | ClientFrame::PublishProfile(_)
        | ClientFrame::Head { .. }
        | ClientFrame::ReadLedger { .. }
        | ClientFrame::Acknowledge { .. } => Ok(()),
        ClientFrame::Submit(submission) if submission.consent.is_some() => Ok(()),
        _ => Err(Code::WrongConnection),
    }
}

#[cfg(test)]
mod tests {
    use plico_protocol::certificate::Handle;
    use plico_protocol::id::SubmitId;
    use plico_protocol::prove::{ExporterValue, Proof};
    use plico_protocol::signature::{AccountSecret, MailboxSecret};

    use super::*;

    const EXPORTER: ExporterValue = ExporterValue([1; 32]);

    fn mailbox(seed: u8) -> MailboxSecret {
        MailboxSecret::from_seed(&[seed; 32])
    }

    fn proven(kind: &mut Kind, proof: &Proof) -> Result<(), Code> {
        kind.admit(&ClientFrame::Prove(proof.clone()))?;
        kind.prove(proof.verify(&EXPORTER).unwrap())
    }

    fn person_of(seed: u8) -> Kind {
        let mut kind = Kind::default();
        proven(&mut kind, &Proof::mailbox(&mailbox(seed), &EXPORTER)).unwrap();
        kind
    }

    fn business_of(seed: u8) -> Kind {
        let mut kind = Kind::default();
        let account = AccountSecret::from_seed(&[seed; 32]);
        proven(&mut kind, &Proof::account(&account, &EXPORTER)).unwrap();
        kind
    }

    #[test]
    fn a_connection_whose_first_request_is_no_proof_is_anonymous_for_good() {
        let mut kind = Kind::default();
        let look_up = ClientFrame::LookUp { handle: Handle::new("bank").unwrap() };
        assert_eq!(kind.admit(&look_up), Ok(()));
        let proof = Proof::mailbox(&mailbox(1), &EXPORTER);
        assert_eq!(proven(&mut kind, &proof), Err(Code::WrongConnection));
        let open = ClientFrame::Open { address: mailbox(1).public() };
        assert_eq!(kind.admit(&open), Err(Code::WrongConnection));
        let mut kind = Kind::default();
        assert_eq!(kind.admit(&open), Err(Code::WrongConnection));
        assert_eq!(kind.name(), "anonymous");
    }

    #[test]
    fn a_person_acts_on_proven_mailboxes_and_asks_nothing_else() {
        let mut kind = person_of(1);
        let open = |seed| ClientFrame::Open { address: mailbox(seed).public() };
        assert_eq!(kind.admit(&open(1)), Ok(()));
        assert_eq!(kind.admit(&open(2)), Err(Code::NotProven));
        let status = ClientFrame::Status { id: SubmitId::new([0; 16]) };
        assert_eq!(kind.admit(&status), Err(Code::WrongConnection));
        let account = Proof::account(&AccountSecret::from_seed(&[3; 32]), &EXPORTER);
        assert_eq!(proven(&mut kind, &account), Err(Code::WrongConnection));
    }

    #[test]
    fn a_person_proves_up_to_the_bound_and_the_same_again() {
        let mut kind = Kind::Person((0..=255).map(|n| Address::new([n; 32])).collect());
        assert_eq!(kind.prove(Proven::Mailbox(Address::new([9; 32]))), Ok(()));
        let one_more = Proven::Mailbox(mailbox(1).public());
        assert_eq!(kind.prove(one_more), Err(Code::TooMany));
    }

    #[test]
    fn a_business_proves_one_account_and_one_inbox() {
        let mut kind = business_of(1);
        let subscribe = ClientFrame::Subscribe { address: mailbox(4).public() };
        assert_eq!(kind.admit(&subscribe), Err(Code::NotProven));
        assert_eq!(proven(&mut kind, &Proof::inbox(&mailbox(4), &EXPORTER)), Ok(()));
        assert_eq!(kind.admit(&subscribe), Ok(()));
        assert_eq!(proven(&mut kind, &Proof::inbox(&mailbox(4), &EXPORTER)), Ok(()));
        assert_eq!(proven(&mut kind, &Proof::inbox(&mailbox(5), &EXPORTER)), Err(Code::TooMany));
        let other = Proof::account(&AccountSecret::from_seed(&[2; 32]), &EXPORTER);
        assert_eq!(proven(&mut kind, &other), Err(Code::TooMany));
        let mailbox = Proof::mailbox(&mailbox(6), &EXPORTER);
        assert_eq!(proven(&mut kind, &mailbox), Err(Code::WrongConnection));
    }

    #[test]
    fn an_inbox_alone_makes_no_business() {
        let mut kind = Kind::default();
        let inbox = Proof::inbox(&mailbox(4), &EXPORTER);
        assert_eq!(proven(&mut kind, &inbox), Err(Code::WrongConnection));
        assert_eq!(kind.name(), "undecided");
    }
}
