//! Stateless resets that a client believes after the relay was restarted (RFC 9000 §10.3).
//!
//! A killed relay says no goodbye. Without this its clients would wait a minute for the idle limit;
//! with it their next packet, at the latest a keep-alive, is answered by a reset and they connect
//! again. For that, the key behind reset tokens must outlive the process: it is derived from the TLS
//! key. Connection ids are 16 random bytes, so that nobody can collect the tokens of ids to come.

use std::sync::Arc;
use std::time::Duration;

use plico_protocol::mac::MacKey;
use quinn::EndpointConfig;
use quinn::crypto::{CryptoError, HmacKey};
use quinn_proto::RandomConnectionIdGenerator;

use crate::tls::Identity;

/// The part of the endpoint's configuration that outlives the process.
pub(crate) fn endpoint_config(identity: &Identity) -> EndpointConfig {
    let mut config = EndpointConfig::new(Arc::new(ResetKey(identity.derive(b"plico/1 reset\0"))));
    config.cid_generator(|| Box::new(RandomConnectionIdGenerator::new(CONNECTION_ID_BYTES)));
    config.min_reset_interval(RESET_INTERVAL);
    // quinn would also speak the drafts before RFC 9000.
    config.supported_versions(vec![1]);
    config
}

/// Signs connection ids; the first 16 bytes are a reset token.
struct ResetKey(MacKey);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        for (to, from) in signature_out.iter_mut().zip(self.0.mac(&[data])) {
            *to = from;
        }
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let tag = signature.try_into().map_err(|_| CryptoError)?;
        if self.0.verify(&[data], tag) { Ok(()) } else { Err(CryptoError) }
    }
}

const CONNECTION_ID_BYTES: usize = 16;
/// After a restart a thousand clients a second learn of it. A reset is smaller than the packet it
/// answers, so nobody is flooded by it.
const RESET_INTERVAL: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_tokens_are_the_same_after_a_restart_and_of_no_other_relay() {
        let identity = Identity::generate().unwrap();
        let token = |identity: &Identity| {
            let key = ResetKey(identity.derive(b"plico/1 reset\0"));
            let mut token = [0; 32];
            key.sign(b"connection id", &mut token);
            assert!(key.verify(b"connection id", &token).is_ok());
            assert!(key.verify(b"connection ie", &token).is_err());
            token
        };
        let restarted = Identity::from_pem(&identity.to_pem()).unwrap();
        assert_eq!(token(&identity), token(&restarted));
        assert_ne!(token(&identity), token(&Identity::generate().unwrap()));
    }
}
