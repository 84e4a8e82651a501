//! The fixed layout of a ratchet's state; [`crate::session`] gives it as a byte table.

use std::collections::VecDeque;

use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::header::AssociatedData;
use super::keys::{ChainKey, HeaderKey, RootKey, StoredKey};
use super::receiving::{Receiving, ReceivingChain, StoredChain};
use super::sending::{Deferred, Sending, SendingChain};
use super::{Ratchet, SENDING_CHAIN_MESSAGES_MAX, STORED_HEADER_KEYS_MAX, STORED_MESSAGE_KEYS_MAX};
use crate::primitives::dh::RatchetSecret;

impl Wire for Ratchet {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.ad.expose_secret());
        out.bytes(self.root.expose_secret());
        self.sending.write(out);
        self.receiving.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let ratchet = Self {
            ad: reader.array().map(AssociatedData::new)?,
            root: reader.array().map(RootKey::new)?,
            sending: Wire::read(reader)?,
            receiving: Wire::read(reader)?,
        };
        // A chain is deferred because the peer was heard.
        if matches!(ratchet.sending, Sending::Deferred(_)) && !ratchet.has_received() {
            return Err(DecodeError::BadValue { field: "sending" });
        }
        Ok(ratchet)
    }
}

impl Wire for Sending {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Chain(chain) => {
                out.u8(CHAIN);
                chain.write(out);
            }
            Self::Deferred(deferred) => {
                out.u8(DEFERRED);
                deferred.write(out);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        match reader.u8()? {
            CHAIN => Wire::read(reader).map(Self::Chain),
            DEFERRED => Wire::read(reader).map(Self::Deferred),
            _ => Err(DecodeError::BadValue { field: "sending" }),
        }
    }
}

impl Wire for SendingChain {
    fn write(&self, out: &mut Writer) {
        let Self { secret, header_key, next_header_key, key, n, previous } = self;
        out.bytes(secret.expose_secret());
        out.bytes(header_key.expose_secret());
        out.bytes(next_header_key.expose_secret());
        out.bytes(key.expose_secret());
        out.u32(*n);
        out.u32(*previous);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            secret: reader.array().map(RatchetSecret::new)?,
            header_key: reader.array().map(HeaderKey::new)?,
            next_header_key: reader.array().map(HeaderKey::new)?,
            key: reader.array().map(ChainKey::new)?,
            n: chain_length(reader, "n")?,
            previous: chain_length(reader, "pn")?,
        })
    }
}

impl Wire for Deferred {
    fn write(&self, out: &mut Writer) {
        let Self { their, header_key, previous } = self;
        their.write(out);
        out.bytes(header_key.expose_secret());
        out.u32(*previous);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            their: Wire::read(reader)?,
            header_key: reader.array().map(HeaderKey::new)?,
            previous: chain_length(reader, "pn")?,
        })
    }
}

impl Wire for Receiving {
    fn write(&self, out: &mut Writer) {
        let Self { next_header_key, current, stored } = self;
        out.bytes(next_header_key.expose_secret());
        out.optional(current.as_ref());
        out.count(stored.len());
        for chain in stored {
            chain.write(out);
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let next_header_key = reader.array().map(HeaderKey::new)?;
        let current = reader.optional("has_current")?;
        let count = reader.count("stored_chains", STORED_HEADER_KEYS_MAX)?;
        let stored = (0..count).map(|_| Wire::read(reader)).collect::<Result<_, _>>()?;
        let receiving = Self { next_header_key, current, stored };
        if receiving.current.is_none() && count != 0 {
            return Err(DecodeError::BadValue { field: "stored_chains" });
        }
        let length = receiving.stored_message_keys();
        if STORED_MESSAGE_KEYS_MAX < length {
            let max = STORED_MESSAGE_KEYS_MAX;
            return Err(DecodeError::TooLong { field: "skipped", length, max });
        }
        Ok(receiving)
    }
}

impl Wire for ReceivingChain {
    fn write(&self, out: &mut Writer) {
        let Self { key, seen } = self;
        out.bytes(key.expose_secret());
        seen.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self { key: reader.array().map(ChainKey::new)?, seen: Wire::read(reader)? })
    }
}

impl Wire for StoredChain {
    fn write(&self, out: &mut Writer) {
        let Self { header_key, length, skipped } = self;
        out.bytes(header_key.expose_secret());
        out.u32(*length);
        out.count(skipped.len());
        for (n, key) in skipped {
            out.u32(*n);
            out.bytes(key.expose_secret());
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let header_key = reader.array().map(HeaderKey::new)?;
        let length = reader.u32()?;
        let count = reader.count("skipped", STORED_MESSAGE_KEYS_MAX)?;
        let mut lowest = 0;
        let mut skipped = VecDeque::with_capacity(count);
        for _ in 0..count {
            let n = reader.u32()?;
            // Rising, and of a message that was counted.
            if n < lowest || length <= n {
                return Err(DecodeError::BadValue { field: "skipped" });
            }
            lowest = n + 1;
            skipped.push_back((n, reader.array().map(StoredKey::new)?));
        }
        Ok(Self { header_key, length, skipped })
    }
}

fn chain_length(reader: &mut Reader, field: &'static str) -> Result<u32, DecodeError> {
    let length = reader.u32()?;
    if SENDING_CHAIN_MESSAGES_MAX < length {
        return Err(DecodeError::BadValue { field });
    }
    Ok(length)
}

const CHAIN: u8 = 1;
const DEFERRED: u8 = 2;
