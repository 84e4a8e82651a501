//! How a connection proves a key: a signature over a value only this TLS connection has.
//!
//! SPEC.md §10. `Ed25519(key, "plico/1 prove" || 0 || u8 role || exporter || key)` with
//! `exporter = TLS-Exporter("EXPORTER-plico-1-prove", "", 32)` (RFC 8446 §7.5, in the manner of
//! RFC 9729). No look-up: the answer depends on the signature alone, so that it cannot tell whether
//! a mailbox exists.

use crate::id::{AccountKey, Address, SignatureBytes};
use crate::signature::{AccountSecret, BadSignature, MailboxSecret, Verify};
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// Label given to the TLS exporter.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-plico-1-prove";

/// The value exported from one TLS connection.
#[derive(Clone, Copy)]
pub struct ExporterValue(pub [u8; 32]);

wire_byte!(
    /// What a proven key is.
    Role, "role" {
        /// A person's mailbox; makes the connection a person's.
        Mailbox = 1,
        /// A business's account; makes the connection a business's.
        Account = 2,
        /// A business's inbox, on a connection that proved the account.
        Inbox = 3,
    }
);

/// A claim to a key. `role` says which kind of name `key` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    role: Role,
    key: [u8; 32],
    signature: SignatureBytes,
}

/// What a checked proof shows. Made only by [`Proof::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// This connection holds the key of a person's mailbox.
    Mailbox(Address),
    /// This connection holds the key of an account.
    Account(AccountKey),
    /// This connection holds the key of an inbox.
    Inbox(Address),
}

impl Proof {
    /// Proves a person's mailbox.
    pub fn mailbox(secret: &MailboxSecret, exporter: &ExporterValue) -> Self {
        let key = *secret.public().as_bytes();
        Self::signed(Role::Mailbox, key, exporter, |message| secret.sign(message))
    }

    /// Proves a business's account.
    pub fn account(secret: &AccountSecret, exporter: &ExporterValue) -> Self {
        let key = *secret.public().as_bytes();
        Self::signed(Role::Account, key, exporter, |message| secret.sign(message))
    }

    /// Proves a business's inbox.
    pub fn inbox(secret: &MailboxSecret, exporter: &ExporterValue) -> Self {
        let key = *secret.public().as_bytes();
        Self::signed(Role::Inbox, key, exporter, |message| secret.sign(message))
    }

    /// The role claimed.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Checks the signature against this connection's exporter value.
    ///
    /// # Errors
    ///
    /// [`BadSignature`]; nothing is looked up.
    pub fn verify(&self, exporter: &ExporterValue) -> Result<Proven, BadSignature> {
        let message = signed_message(self.role, &self.key, exporter);
        // All three kinds of key verify alike; the role is part of what is signed.
        Address::new(self.key).verify(&message, &self.signature)?;
        Ok(match self.role {
            Role::Mailbox => Proven::Mailbox(Address::new(self.key)),
            Role::Account => Proven::Account(AccountKey::new(self.key)),
            Role::Inbox => Proven::Inbox(Address::new(self.key)),
        })
    }

    fn signed(
        role: Role,
        key: [u8; 32],
        exporter: &ExporterValue,
        sign: impl FnOnce(&[u8]) -> SignatureBytes,
    ) -> Self {
        Self { role, key, signature: sign(&signed_message(role, &key, exporter)) }
    }
}

impl core::fmt::Debug for ExporterValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self(_) = self;
        f.write_str("ExporterValue(…)")
    }
}

impl Wire for Proof {
    fn write(&self, out: &mut Writer) {
        let Self { role, key, signature } = self;
        role.write(out);
        out.bytes(key);
        signature.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { role: Wire::read(reader)?, key: reader.array()?, signature: Wire::read(reader)? })
    }
}

fn signed_message(role: Role, key: &[u8; 32], exporter: &ExporterValue) -> Vec<u8> {
    let mut out = Writer::default();
    out.bytes(b"plico/1 prove\0");
    role.write(&mut out);
    out.bytes(&exporter.0);
    out.bytes(key);
    out.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ExporterValue = ExporterValue([1; 32]);
    const ELSEWHERE: ExporterValue = ExporterValue([2; 32]);

    #[test]
    fn a_proof_holds_on_its_own_connection_only() {
        let secret = MailboxSecret::from_seed(&[3; 32]);
        let proof = Proof::mailbox(&secret, &HERE);
        assert_eq!(proof.verify(&HERE), Ok(Proven::Mailbox(secret.public())));
        assert_eq!(proof.verify(&ELSEWHERE), Err(BadSignature));
    }

    #[test]
    fn a_proof_of_one_role_is_none_of_another() {
        let mut proof = Proof::mailbox(&MailboxSecret::from_seed(&[3; 32]), &HERE);
        proof.role = Role::Inbox;
        assert_eq!(proof.verify(&HERE), Err(BadSignature));
    }
}
