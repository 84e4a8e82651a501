//! Turns a business's request and the operator's findings into a signed certificate.

use plico_protocol::certificate::display_name::{self, BadDisplayName};
use plico_protocol::certificate::domain::{self, BadDomain};
use plico_protocol::certificate::{
    CertificateBody, CertificateRequest, DomainCheck, Handle, Serial, VerifiedCertificate,
};
use plico_protocol::limits::CERTIFICATE_HOURS_MAX;
use plico_protocol::signature::{AuthoritySecret, is_usable_key};
use plico_protocol::ticket::Categories;
use plico_protocol::time::Hour;
use plico_protocol::wire::DecodeError;

/// What the operator found and decided. What is none stays as the business wished.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Another handle.
    pub handle: Option<Handle>,
    /// Another display name.
    pub display_name: Option<String>,
    /// Another domain.
    pub domain: Option<String>,
    /// How the domain was checked.
    pub domain_check: DomainCheck,
    /// What the business may send.
    pub categories: Categories,
    /// Days of validity, from now.
    pub days: u32,
}

/// Why no certificate is issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotIssued {
    /// The name.
    #[error("{0}; agree on another name with the business and pass it with --name")]
    DisplayName(#[from] BadDisplayName),
    /// The domain.
    #[error("{0}; pass the right one with --domain, or have the business ask again")]
    Domain(#[from] BadDomain),
    /// Too short or too long.
    #[error("a certificate is valid for 1 to {DAYS_MAX} days, not {0}")]
    Days(u32),
    /// A small-order key, under which anybody's signature fits.
    #[error("the request names a key that cannot be used; have the business make new keys")]
    Key,
    /// A field no reader of the certificate would take.
    #[error("the certificate cannot be issued: {0}; correct the request or the options")]
    Field(#[from] DecodeError),
}

/// Signs a certificate. That the name looks like no other business's is checked where the others
/// are known: at installation.
///
/// # Errors
///
/// [`NotIssued`].
pub fn issue(
    request: &CertificateRequest,
    findings: Findings,
    serial: Serial,
    authority: &AuthoritySecret,
    now: Hour,
) -> Result<VerifiedCertificate, NotIssued> {
    let Findings { handle, display_name, domain, domain_check, categories, days } = findings;
    let display_name = display_name.unwrap_or_else(|| request.display_name.clone());
    display_name::check(&display_name)?;
    let domain = domain.unwrap_or_else(|| request.domain.clone());
    domain::check(&domain)?;
    let hours = days.checked_mul(24).filter(|h| (24..=CERTIFICATE_HOURS_MAX).contains(h));
    let hours = hours.ok_or(NotIssued::Days(days))?;
    let keys = request.keys;
    if !is_usable_key(keys.account.as_bytes()) || !is_usable_key(keys.inbox.as_bytes()) {
        return Err(NotIssued::Key);
    }
    let body = CertificateBody {
        serial,
        handle: handle.unwrap_or_else(|| request.handle.clone()),
        display_name,
        domain,
        domain_check,
        keys,
        categories,
        valid_from: now,
        valid_to: now.plus(hours),
    };
    Ok(body.sign(authority)?)
}

const DAYS_MAX: u32 = CERTIFICATE_HOURS_MAX / 24;

#[cfg(test)]
mod tests {
    use plico_protocol::certificate::BusinessKeys;
    use plico_protocol::id::DhKey;
    use plico_protocol::signature::{AccountSecret, MailboxSecret};

    use super::*;

    fn check(name: &str, days: u32) -> Result<VerifiedCertificate, NotIssued> {
        let account = AccountSecret::from_seed(&[1; 32]);
        let inbox = MailboxSecret::from_seed(&[2; 32]);
        let dh = DhKey::new([3; 32]);
        let keys = BusinessKeys {
            account: account.public(),
            identity: dh,
            hint: dh,
            inbox: inbox.public(),
        };
        let handle = Handle::new("bank").unwrap();
        let domain = "bank.example".to_owned();
        let request =
            CertificateRequest::sign(handle, name.to_owned(), domain, keys, &account, &inbox);
        let findings = Findings {
            handle: None,
            display_name: None,
            domain: None,
            domain_check: DomainCheck::Dns,
            categories: Categories::ALL,
            days,
        };
        let authority = AuthoritySecret::from_seed(&[4; 32]);
        issue(&request, findings, Serial(1), &authority, Hour(100))
    }

    #[test]
    fn a_certificate_states_the_wishes_and_the_days() {
        let certificate = check("Bank", 90).unwrap();
        assert_eq!(certificate.body().display_name, "Bank");
        assert_eq!(certificate.body().valid_to, Hour(100 + CERTIFICATE_HOURS_MAX));
    }

    #[test]
    fn a_bad_name_or_an_odd_number_of_days_is_refused() {
        assert!(matches!(check("B\u{430}nk", 90), Err(NotIssued::DisplayName(_))));
        assert_eq!(check("Bank", 0).unwrap_err(), NotIssued::Days(0));
        assert_eq!(check("Bank", 91).unwrap_err(), NotIssued::Days(91));
        assert_eq!(check("Bank", u32::MAX).unwrap_err(), NotIssued::Days(u32::MAX));
    }
}
