//! The relay's word for the whole of an account's ledger, and for one entry of it.
//!
//! SPEC.md §14.4. A head is signed by the ledger key; a receipt joins an entry to a head. Two heads of
//! one generation that no consistency proof joins show that the relay changed its books.

use crate::id::{AccountKey, LedgerKey, SignatureBytes};
use crate::ledger::{
    BadLedgerKey, BadProof, Entry, Generation, Proof, TreeHash, VerifiedLedgerKey,
};
use crate::signature::{LedgerSecret, Verify};
use crate::time::Hour;
use crate::wire::{DecodeError, Reader, Wire, Writer};

/// What a head states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadBody {
    /// Whose ledger.
    pub account: AccountKey,
    /// Which of its trees.
    pub generation: Generation,
    /// How many entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: TreeHash,
    /// When it was signed.
    pub hour: Hour,
}

/// A signed head, not yet verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    body: HeadBody,
    signature: SignatureBytes,
}

/// A head whose signature was checked. Made only by [`Head::verify`] and [`HeadBody::sign`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedHead(Head);

/// What a business is answered for a message that costs something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entry.
    pub entry: Entry,
    /// Joins it to the head.
    pub path: Proof,
    /// Of the commit in which it was written.
    pub head: Head,
}

/// Why a head or a receipt is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// The ledger key does not vouch for it.
    #[error(transparent)]
    Key(#[from] BadLedgerKey),
    /// Not signed by this ledger key.
    #[error("the head is not signed by the relay's ledger key")]
    Signature,
    /// Of another business.
    #[error("the head is of another account")]
    OtherAccount,
    /// The entry is not in the tree.
    #[error(transparent)]
    Proof(#[from] BadProof),
}

impl HeadBody {
    /// Signs the body.
    pub fn sign(self, key: &LedgerSecret) -> VerifiedHead {
        let signature = key.sign(&signed_message(&self));
        VerifiedHead(Head { body: self, signature })
    }

    /// The head that `sign` makes of the message to be signed: for whoever signs many, with the Ed25519 of
    /// another library.
    pub fn sign_by(self, sign: impl FnOnce(&[u8]) -> SignatureBytes) -> Head {
        Head { body: self, signature: sign(&signed_message(&self)) }
    }
}

impl Head {
    /// What the head claims. Nobody vouches for it before [`Head::verify`].
    pub fn claims(&self) -> &HeadBody {
        &self.body
    }

    /// Checks whose head it is, and the signature.
    ///
    /// # Errors
    ///
    /// [`BadHead`], never [`BadHead::Proof`].
    pub fn verify(
        self,
        account: &AccountKey,
        key: &VerifiedLedgerKey,
    ) -> Result<VerifiedHead, BadHead> {
        if self.body.account != *account {
            return Err(BadHead::OtherAccount);
        }
        let key: &LedgerKey = key.valid_at(self.body.hour)?;
        key.verify(&signed_message(&self.body), &self.signature).map_err(|_| BadHead::Signature)?;
        Ok(VerifiedHead(self))
    }
}

impl VerifiedHead {
    /// What the head states.
    pub fn body(&self) -> &HeadBody {
        &self.0.body
    }

    /// The head itself, to store or send.
    pub fn head(&self) -> &Head {
        &self.0
    }

    /// Checks that `later` is a head of the same books: a later size, and the entries of this one in
    /// it. Of another generation nothing can be demanded.
    ///
    /// # Errors
    ///
    /// [`BadProof`]; the two heads together then show that the relay changed its books.
    pub fn precedes(&self, later: &Self, proof: &Proof) -> Result<(), BadProof> {
        let (old, new) = (self.body(), later.body());
        if old.generation != new.generation {
            let restored = old.generation < new.generation;
            return if restored { Ok(()) } else { Err(BadProof) };
        }
        proof.verify_consistency((old.size, &old.root), (new.size, &new.root))
    }
}

impl Receipt {
    /// Checks the head and that the entry is in it.
    ///
    /// # Errors
    ///
    /// [`BadHead`].
    pub fn verify(
        &self,
        account: &AccountKey,
        key: &VerifiedLedgerKey,
    ) -> Result<VerifiedHead, BadHead> {
        let head = self.head.verify(account, key)?;
        let HeadBody { size, root, .. } = head.body();
        self.path.verify_inclusion(self.entry.hash(), self.entry.sequence.0, *size, root)?;
        Ok(head)
    }
}

impl Wire for HeadBody {
    fn write(&self, out: &mut Writer) {
        let Self { account, generation, size, root, hour } = self;
        account.write(out);
        generation.write(out);
        out.u64(*size);
        root.write(out);
        hour.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            account: Wire::read(reader)?,
            generation: Wire::read(reader)?,
            size: reader.u64()?,
            root: Wire::read(reader)?,
            hour: Wire::read(reader)?,
        })
    }
}

impl Wire for Head {
    fn write(&self, out: &mut Writer) {
        self.body.write(out);
        self.signature.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { body: Wire::read(reader)?, signature: Wire::read(reader)? })
    }
}

impl Wire for Receipt {
    fn write(&self, out: &mut Writer) {
        let Self { entry, path, head } = self;
        entry.write(out);
        path.write(out);
        head.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            entry: Wire::read(reader)?,
            path: Wire::read(reader)?,
            head: Wire::read(reader)?,
        })
    }
}

fn signed_message(body: &HeadBody) -> Vec<u8> {
    [b"plico/1 head\0".as_slice(), &body.encode()].concat()
}
