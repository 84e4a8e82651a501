//! What a business hands to the operator to be verified: its wishes and its public keys.
//!
//! SPEC.md §6.2. Signed by the account key and the inbox key over
//! `"plico/1 certificate request" || 0 || body`, so that nobody has a key certified that is not
//! theirs. Private keys never leave the business.

use crate::armour;
use crate::certificate::{BusinessKeys, Handle};
use crate::id::SignatureBytes;
use crate::limits::{CERTIFICATE_BYTES_MAX, DISPLAY_NAME_BYTES_MAX, DOMAIN_BYTES_MAX};
use crate::signature::{AccountSecret, MailboxSecret, Verify};
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// A request for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The handle the business wishes for.
    pub handle: Handle,
    /// The name it wishes to be shown under.
    pub display_name: String,
    /// Its domain.
    pub domain: String,
    /// Its keys.
    pub keys: BusinessKeys,
    signatures: [SignatureBytes; 2],
}

/// Why a request file is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// The text is no request file.
    #[error("the file does not begin with `{REQUEST_PREFIX}` and base64url")]
    Text,
    /// The bytes do not decode.
    #[error("the request cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    /// A key in it was not proven.
    #[error("the request is not signed by the account and inbox keys it names")]
    Signature,
}

impl CertificateRequest {
    /// Signs a request. `keys.account` and `keys.inbox` must be the public keys of the secrets, or
    /// the request will not verify.
    pub fn sign(
        handle: Handle,
        display_name: String,
        domain: String,
        keys: BusinessKeys,
        account: &AccountSecret,
        inbox: &MailboxSecret,
    ) -> Self {
        let signatures = [SignatureBytes::new([0; 64]); 2];
        let unsigned = Self { handle, display_name, domain, keys, signatures };
        let message = unsigned.signed_message();
        Self { signatures: [account.sign(&message), inbox.sign(&message)], ..unsigned }
    }

    /// The text of a request file.
    pub fn to_text(&self) -> String {
        armour::to_text(REQUEST_PREFIX, &self.encode())
    }

    /// Reads a request file and checks both signatures.
    ///
    /// # Errors
    ///
    /// [`BadRequest`].
    pub fn from_text(text: &str) -> Result<Self, BadRequest> {
        let bytes = armour::from_text(REQUEST_PREFIX, text, CERTIFICATE_BYTES_MAX);
        let request = Self::decode(bytes.ok_or(BadRequest::Text)?)?;
        let message = request.signed_message();
        let [by_account, by_inbox] = &request.signatures;
        let account = request.keys.account.verify(&message, by_account);
        let inbox = request.keys.inbox.verify(&message, by_inbox);
        account.and(inbox).map_err(|_| BadRequest::Signature)?;
        Ok(request)
    }

    fn write_body(&self, out: &mut Writer) {
        let Self { handle, display_name, domain, keys, signatures: _ } = self;
        out.u8(VERSION);
        handle.write(out);
        out.sized(display_name.as_bytes());
        out.sized(domain.as_bytes());
        keys.write(out);
    }

    fn signed_message(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.bytes(b"plico/1 certificate request\0");
        self.write_body(&mut out);
        out.into_vec()
    }
}

impl Wire for CertificateRequest {
    fn write(&self, out: &mut Writer) {
        self.write_body(out);
        let [by_account, by_inbox] = &self.signatures;
        by_account.write(out);
        by_inbox.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        if reader.u8()? != VERSION {
            return Err(DecodeError::BadValue { field: "request_version" });
        }
        Ok(Self {
            handle: Wire::read(reader)?,
            display_name: reader.text("display_name", DISPLAY_NAME_BYTES_MAX)?,
            domain: reader.text("domain", DOMAIN_BYTES_MAX)?,
            keys: Wire::read(reader)?,
            signatures: [Wire::read(reader)?, Wire::read(reader)?],
        })
    }
}

const VERSION: u8 = 1;
const REQUEST_PREFIX: &str = "plico-certificate-request-1:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DhKey;

    #[test]
    fn a_request_reads_back_and_proves_both_keys() {
        let account = AccountSecret::from_seed(&[1; 32]);
        let inbox = MailboxSecret::from_seed(&[2; 32]);
        let keys = BusinessKeys {
            account: account.public(),
            identity: DhKey::new([3; 32]),
            hint: DhKey::new([4; 32]),
            inbox: inbox.public(),
        };
        let sign = |account: &AccountSecret, inbox: &MailboxSecret| {
            let handle = Handle::new("bank").unwrap();
            CertificateRequest::sign(
                handle,
                "Bank".into(),
                "b.example".into(),
                keys,
                account,
                inbox,
            )
        };
        let request = sign(&account, &inbox);
        assert_eq!(CertificateRequest::from_text(&request.to_text()), Ok(request));
        let thief = AccountSecret::from_seed(&[9; 32]);
        let stolen = sign(&thief, &inbox).to_text();
        assert_eq!(CertificateRequest::from_text(&stolen), Err(BadRequest::Signature));
        assert_eq!(CertificateRequest::from_text("hello"), Err(BadRequest::Text));
    }
}
