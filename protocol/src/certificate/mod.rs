//! What the operator verified of a business: its handle, names, keys and what it may send.
//!
//! SPEC.md §6. `Ed25519(authority, "plico/1 certificate" || 0 || body)`.

pub mod display_name;
pub mod domain;
mod request;

pub use request::{BadRequest, CertificateRequest};

use bytes::Bytes;
use unicode_normalization::is_nfc;

use crate::armour;
use crate::id::{AccountKey, Address, AuthorityKey, DhKey, SignatureBytes};
use crate::limits::{
    CERTIFICATE_BYTES_MAX, CERTIFICATE_HOURS_MAX, DISPLAY_NAME_BYTES_MAX, DOMAIN_BYTES_MAX,
    HANDLE_BYTES_MAX, HANDLE_BYTES_MIN,
};
use crate::signature::{AuthoritySecret, Verify};
use crate::ticket::Categories;
use crate::time::Hour;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// Counts the certificates an authority issued; a revocation names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(pub u64);

/// A business's name in links: lower-case ASCII letters, digits and inner hyphens, 3–32 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

/// The bytes are no handle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a handle is 3 to 32 lower-case ASCII letters, digits and inner hyphens")]
pub struct BadHandle;

/// The text is no display name of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a display name is 1 to 96 bytes of text without control characters, in Unicode normalisation form C"
)]
pub struct BadName;

/// The text is no domain of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a domain is 1 to 253 lower-case ASCII letters, digits, hyphens and dots, like `bank.example`; an international one is written in its `xn--` form"
)]
pub struct BadDomain;

wire_byte!(
    /// How the operator checked that the business controls its domain.
    DomainCheck, "domain_check" {
        /// A DNS record (RFC 8555 §8.4 in spirit).
        Dns = 1,
        /// A file served at the domain over HTTPS.
        Website = 2,
        /// Documents, outside the protocol.
        Document = 3,
    }
);

/// The keys of a business, all of them public halves that never leave it otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessKeys {
    /// Ed25519: who the business is.
    pub account: AccountKey,
    /// X25519: IKB of the handshake.
    pub identity: DhKey,
    /// X25519: opens routing hints.
    pub hint: DhKey,
    /// Ed25519: the inbox.
    pub inbox: Address,
}

/// Everything a certificate states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateBody {
    /// Number among the authority's certificates.
    pub serial: Serial,
    /// Name in links.
    pub handle: Handle,
    /// Name shown to people: NFC, no control characters.
    pub display_name: String,
    /// Domain name shown beside it, in lower-case ASCII.
    pub domain: String,
    /// How the domain was checked.
    pub domain_check: DomainCheck,
    /// The business's keys.
    pub keys: BusinessKeys,
    /// What kinds of messages it may send.
    pub categories: Categories,
    /// First hour of validity.
    pub valid_from: Hour,
    /// First hour after validity.
    pub valid_to: Hour,
}

/// A signed certificate, not yet verified. Keeps the received bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    bytes: Bytes,
}

/// A certificate whose signature was checked. Made only by [`Certificate::verify`] and
/// [`CertificateBody::sign`].
#[derive(Clone, Debug)]
pub struct VerifiedCertificate {
    certificate: Certificate,
    body: CertificateBody,
}

/// Why a certificate is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// The bytes are no certificate.
    #[error("the certificate cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// Not signed by this authority.
    #[error("the certificate is not signed by the authority that was expected")]
    Signature,
    /// Used before its first hour.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Used after its last hour.
    #[error("the certificate has expired")]
    Expired,
}

/// Checks a display name as every reader of a certificate does. An operator asks for more:
/// [`display_name`].
///
/// # Errors
///
/// [`BadName`].
pub fn check_display_name(name: &str) -> Result<(), BadName> {
    let shown = !name.trim().is_empty() && !name.chars().any(char::is_control);
    let bounded = name.len() <= DISPLAY_NAME_BYTES_MAX;
    if shown && bounded && is_nfc(name) { Ok(()) } else { Err(BadName) }
}

/// Checks a domain as every reader of a certificate does. An operator asks for more: [`domain`].
///
/// # Errors
///
/// [`BadDomain`].
pub fn check_domain(domain: &str) -> Result<(), BadDomain> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let bounded = (1..=DOMAIN_BYTES_MAX).contains(&domain.len());
    if bounded && domain.bytes().all(allowed) { Ok(()) } else { Err(BadDomain) }
}

impl Handle {
    /// Checks and takes a handle.
    ///
    /// # Errors
    ///
    /// [`BadHandle`].
    pub fn new(handle: &str) -> Result<Self, BadHandle> {
        let length = handle.len();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let inner_hyphens = !handle.starts_with('-') && !handle.ends_with('-');
        let bounded = (HANDLE_BYTES_MIN..=HANDLE_BYTES_MAX).contains(&length);
        if !bounded || !inner_hyphens || !handle.bytes().all(allowed) {
            return Err(BadHandle);
        }
        Ok(Self(handle.to_owned()))
    }

    /// The handle as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Display for Handle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl CertificateBody {
    /// Signs the body.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] where a field passes its bound or the validity is empty or over 90 days: what
    /// no one could read is not signed.
    pub fn sign(self, authority: &AuthoritySecret) -> Result<VerifiedCertificate, DecodeError> {
        let body = self.encode();
        let signature = authority.sign(&signed_message(&body));
        let bytes = Bytes::from([body.as_slice(), signature.as_bytes()].concat());
        let certificate = Certificate { bytes };
        let (read, ..) = certificate.split()?;
        Ok(VerifiedCertificate { certificate, body: read })
    }
}

impl Certificate {
    /// Checks the signature, and nothing that changes with time.
    ///
    /// # Errors
    ///
    /// [`BadCertificate::Malformed`] or [`BadCertificate::Signature`].
    pub fn verify(self, authority: &AuthorityKey) -> Result<VerifiedCertificate, BadCertificate> {
        let (body, signed, signature) = self.split()?;
        authority
            .verify(&signed_message(&signed), &signature)
            .map_err(|_| BadCertificate::Signature)?;
        Ok(VerifiedCertificate { certificate: self, body })
    }

    /// The text of a certificate file.
    pub fn to_text(&self) -> String {
        armour::to_text(CERTIFICATE_PREFIX, &self.bytes)
    }

    /// Reads a certificate file; the signature is not checked yet.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn from_text(text: &str) -> Result<Self, DecodeError> {
        let bytes = armour::from_text(CERTIFICATE_PREFIX, text, CERTIFICATE_BYTES_MAX)
            .ok_or(DecodeError::BadValue { field: "certificate_file" })?;
        let certificate = Self { bytes: bytes.into() };
        certificate.split()?;
        Ok(certificate)
    }

    /// What the certificate claims. Nobody vouches for it before [`Certificate::verify`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn claims(&self) -> Result<CertificateBody, DecodeError> {
        self.split().map(|(body, ..)| body)
    }

    /// The bytes, as received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn split(&self) -> Result<(CertificateBody, Bytes, SignatureBytes), DecodeError> {
        let mut reader = Reader::new(self.bytes.clone());
        let body = CertificateBody::read(&mut reader)?;
        let signature = SignatureBytes::read(&mut reader)?;
        reader.finish()?;
        let signed = self.bytes.slice(..self.bytes.len() - SignatureBytes::BYTES);
        Ok((body, signed, signature))
    }
}

impl VerifiedCertificate {
    /// What the certificate states.
    pub fn body(&self) -> &CertificateBody {
        &self.body
    }

    /// The certificate itself, to store or send.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Checks the validity at `now`.
    ///
    /// # Errors
    ///
    /// [`BadCertificate::NotYetValid`] or [`BadCertificate::Expired`].
    pub fn valid_at(&self, now: Hour) -> Result<(), BadCertificate> {
        if now < self.body.valid_from {
            return Err(BadCertificate::NotYetValid);
        }
        if self.body.valid_to <= now {
            return Err(BadCertificate::Expired);
        }
        Ok(())
    }
}

impl core::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Certificate({} bytes)", self.bytes.len())
    }
}

impl Wire for Serial {
    fn write(&self, out: &mut Writer) {
        out.u64(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        reader.u64().map(Self)
    }
}

impl Wire for Handle {
    fn write(&self, out: &mut Writer) {
        out.sized(self.0.as_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let text = reader.text("handle", HANDLE_BYTES_MAX)?;
        Self::new(&text).map_err(|BadHandle| DecodeError::BadValue { field: "handle" })
    }
}

impl Wire for BusinessKeys {
    fn write(&self, out: &mut Writer) {
        let Self { account, identity, hint, inbox } = self;
        account.write(out);
        identity.write(out);
        hint.write(out);
        inbox.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            account: Wire::read(reader)?,
            identity: Wire::read(reader)?,
            hint: Wire::read(reader)?,
            inbox: Wire::read(reader)?,
        })
    }
}

impl Wire for CertificateBody {
    fn write(&self, out: &mut Writer) {
        out.u8(VERSION);
        self.serial.write(out);
        self.handle.write(out);
        out.sized(self.display_name.as_bytes());
        out.sized(self.domain.as_bytes());
        self.domain_check.write(out);
        self.keys.write(out);
        self.categories.write(out);
        self.valid_from.write(out);
        self.valid_to.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        if reader.u8()? != VERSION {
            return Err(DecodeError::BadValue { field: "certificate_version" });
        }
        let body = Self {
            serial: Wire::read(reader)?,
            handle: Wire::read(reader)?,
            display_name: reader.text("display_name", DISPLAY_NAME_BYTES_MAX)?,
            domain: reader.text("domain", DOMAIN_BYTES_MAX)?,
            domain_check: Wire::read(reader)?,
            keys: Wire::read(reader)?,
            categories: Wire::read(reader)?,
            valid_from: Wire::read(reader)?,
            valid_to: Wire::read(reader)?,
        };
        body.check_fields()?;
        Ok(body)
    }
}

impl CertificateBody {
    /// What every reader checks beside the signature, so that no certificate means two things.
    fn check_fields(&self) -> Result<(), DecodeError> {
        let bad = |field| Err(DecodeError::BadValue { field });
        if check_display_name(&self.display_name).is_err() {
            return bad("display_name");
        }
        if check_domain(&self.domain).is_err() {
            return bad("domain");
        }
        let end_max = self.valid_from.plus(CERTIFICATE_HOURS_MAX);
        if self.valid_to <= self.valid_from || end_max < self.valid_to {
            return bad("valid_to");
        }
        Ok(())
    }
}

impl Wire for Certificate {
    fn write(&self, out: &mut Writer) {
        out.sized(&self.bytes);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let certificate = Self { bytes: reader.sized("certificate", CERTIFICATE_BYTES_MAX)? };
        certificate.split()?;
        Ok(certificate)
    }
}

fn signed_message(body: &[u8]) -> Vec<u8> {
    [b"plico/1 certificate\0", body].concat()
}

const VERSION: u8 = 1;
const CERTIFICATE_PREFIX: &str = "plico-certificate-1:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{AccountSecret, MailboxSecret};

    fn body() -> CertificateBody {
        CertificateBody {
            serial: Serial(7),
            handle: Handle::new("banque-exemple").unwrap(),
            display_name: "Banque Exemple".into(),
            domain: "banque.example".into(),
            domain_check: DomainCheck::Dns,
            keys: BusinessKeys {
                account: AccountSecret::from_seed(&[1; 32]).public(),
                identity: DhKey::new([2; 32]),
                hint: DhKey::new([3; 32]),
                inbox: MailboxSecret::from_seed(&[4; 32]).public(),
            },
            categories: Categories::ALL,
            valid_from: Hour(100),
            valid_to: Hour(100 + CERTIFICATE_HOURS_MAX),
        }
    }

    fn authority() -> AuthoritySecret {
        AuthoritySecret::from_seed(&[5; 32])
    }

    #[test]
    fn a_certificate_verifies_under_its_authority_alone() {
        let signed = body().sign(&authority()).unwrap();
        let received = Certificate::decode(signed.certificate().encode()).unwrap();
        let verified = received.clone().verify(&authority().public()).unwrap();
        assert_eq!(*verified.body(), body());
        assert_eq!(Certificate::from_text(&received.to_text()), Ok(received.clone()));
        let other = AuthoritySecret::from_seed(&[6; 32]).public();
        assert_eq!(received.verify(&other).unwrap_err(), BadCertificate::Signature);
    }

    #[test]
    fn any_flipped_byte_is_refused() {
        let bytes = body().sign(&authority()).unwrap().certificate().encode();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let refused = match Certificate::decode(bytes) {
                Ok(certificate) => certificate.verify(&authority().public()).is_err(),
                Err(_) => true,
            };
            assert!(refused, "byte {at}");
        }
    }

    #[test]
    fn validity_is_checked_at_both_edges() {
        let certificate = body().sign(&authority()).unwrap();
        assert_eq!(certificate.valid_at(Hour(99)), Err(BadCertificate::NotYetValid));
        assert_eq!(certificate.valid_at(Hour(100)), Ok(()));
        let end = body().valid_to;
        assert_eq!(certificate.valid_at(end.minus(1)), Ok(()));
        assert_eq!(certificate.valid_at(end), Err(BadCertificate::Expired));
    }

    #[test]
    fn what_no_reader_accepts_is_not_signed() {
        let check = |change: fn(&mut CertificateBody), field| {
            let mut body = body();
            change(&mut body);
            assert_eq!(body.sign(&authority()).unwrap_err(), DecodeError::BadValue { field });
        };
        check(|b| b.valid_to = b.valid_to.plus(1), "valid_to");
        check(|b| b.valid_to = b.valid_from, "valid_to");
        check(|b| b.display_name = "Banque\u{7}".into(), "display_name");
        check(|b| b.display_name = "Cafe\u{301}".into(), "display_name");
        check(|b| b.domain = "Banque.example".into(), "domain");
    }

    #[test]
    fn handles_keep_to_their_alphabet_and_length() {
        for bad in ["ab", "-abc", "abc-", "Abc", "a b c", "ébène", &"a".repeat(33)] {
            assert_eq!(Handle::new(bad), Err(BadHandle), "{bad}");
        }
        assert!(Handle::new("abc").is_ok() && Handle::new(&"a".repeat(32)).is_ok());
    }
}
