//! Signed things as text files: a prefix that names the kind, then base64url.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) fn to_text(prefix: &str, bytes: &[u8]) -> String {
    format!("{prefix}{}\n", URL_SAFE_NO_PAD.encode(bytes))
}

/// `None` for another prefix, for what is no base64url, and for more than `bytes_max`.
pub(crate) fn from_text(prefix: &str, text: &str, bytes_max: usize) -> Option<Vec<u8>> {
    let encoded = text.trim().strip_prefix(prefix)?;
    if bytes_max.div_ceil(3) * 4 < encoded.len() {
        return None;
    }
    URL_SAFE_NO_PAD.decode(encoded).ok()
}
