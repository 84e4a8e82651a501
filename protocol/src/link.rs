//! The link a person scans: where the relay is, who the business is, and three pins.
//!
//! SPEC.md §2. `plico://HOST:PORT/HANDLE?pin=…&auth=…&key=…&ref=…`; each pin is SHA-256 in
//! base64url without padding (RFC 4648 §5): of the relay's SubjectPublicKeyInfo (RFC 7469 §2.4),
//! of the authority key, of the business's account key. `ref` is content and travels only sealed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::certificate::Handle;
use crate::id::{AccountKey, AuthorityKey};
use crate::limits::LINK_REFERENCE_BYTES_MAX;
use crate::mac::sha256;

/// SHA-256 of a key, as a link carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

/// Where a relay is and which keys it and its authority have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayLink {
    /// Host name or address; an IPv6 address in brackets.
    pub host: String,
    /// UDP port.
    pub port: u16,
    /// Of the relay's TLS key.
    pub relay: Pin,
    /// Of the authority key.
    pub authority: Pin,
}

/// A business at a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where.
    pub relay: RelayLink,
    /// Which business.
    pub handle: Handle,
    /// Of its account key.
    pub account: Pin,
    /// What the business put into the link, at most 256 bytes: an order, a branch.
    pub reference: Option<String>,
}

/// Why a text is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// Another scheme.
    #[error("a Plico link begins with plico://")]
    Scheme,
    /// No usable host and port.
    #[error("the link names no host and port")]
    Host,
    /// The path is no handle.
    #[error("the link's path is not the handle of a business")]
    Handle,
    /// A pin is missing or is not 43 characters of base64url.
    #[error("the link's `{0}` is missing or is not a SHA-256 hash in base64url")]
    Pin(&'static str),
    /// The same parameter twice, or one that does not exist.
    #[error("the link has an unknown or repeated parameter")]
    Parameter,
    /// `ref` is too long or not percent-encoded UTF-8.
    #[error("the link's `ref` is not percent-encoded text of at most 256 bytes")]
    Reference,
}

impl Pin {
    /// The pin of a relay's TLS key, from its DER-encoded SubjectPublicKeyInfo.
    pub fn of_spki(der: &[u8]) -> Self {
        Self(sha256(&[der]))
    }

    /// The pin of an authority key.
    pub fn of_authority(key: &AuthorityKey) -> Self {
        Self(sha256(&[key.as_bytes()]))
    }

    /// The pin of an account key.
    pub fn of_account(key: &AccountKey) -> Self {
        Self(sha256(&[key.as_bytes()]))
    }

    fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl core::fmt::Display for Pin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl core::fmt::Debug for Pin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pin({self})")
    }
}

impl core::fmt::Display for RelayLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { host, port, relay, authority } = self;
        write!(f, "plico://{host}:{port}/?pin={relay}&auth={authority}")
    }
}

impl core::fmt::Display for Link {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { relay: RelayLink { host, port, relay, authority }, handle, account, reference } =
            self;
        write!(f, "plico://{host}:{port}/{handle}?pin={relay}&auth={authority}&key={account}")?;
        match reference {
            Some(reference) => write!(f, "&ref={}", percent_encode(reference)),
            None => Ok(()),
        }
    }
}

impl core::str::FromStr for RelayLink {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Self, BadLink> {
        let parts = Parts::split(text)?;
        if !parts.path.is_empty() || parts.key.is_some() || parts.reference.is_some() {
            return Err(BadLink::Parameter);
        }
        parts.relay()
    }
}

impl core::str::FromStr for Link {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Self, BadLink> {
        let parts = Parts::split(text)?;
        let relay = parts.relay()?;
        let handle = Handle::new(parts.path).map_err(|_| BadLink::Handle)?;
        let account = parts.key.and_then(Pin::parse).ok_or(BadLink::Pin("key"))?;
        let reference = parts.reference.map(percent_decode).transpose()?;
        // `&ref=` says nothing, and content carries no empty reference.
        let reference = reference.filter(|text| !text.is_empty());
        Ok(Self { relay, handle, account, reference })
    }
}

/// A link cut at its delimiters.
struct Parts<'a> {
    host: &'a str,
    port: u16,
    path: &'a str,
    pin: Option<&'a str>,
    auth: Option<&'a str>,
    key: Option<&'a str>,
    reference: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, BadLink> {
        let rest = text.trim().strip_prefix("plico://").ok_or(BadLink::Scheme)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = authority.rsplit_once(':').ok_or(BadLink::Host)?;
        // Digits alone: `parse` takes a sign too.
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().map_err(|_| BadLink::Host)?;
        if !is_host(host) || !digits || port == 0 {
            return Err(BadLink::Host);
        }
        let mut parts =
            Self { host, port, path, pin: None, auth: None, key: None, reference: None };
        for parameter in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or(BadLink::Parameter)?;
            let slot = match name {
                "pin" => &mut parts.pin,
                "auth" => &mut parts.auth,
                "key" => &mut parts.key,
                "ref" => &mut parts.reference,
                _ => return Err(BadLink::Parameter),
            };
            if slot.replace(value).is_some() {
                return Err(BadLink::Parameter);
            }
        }
        Ok(parts)
    }

    fn relay(&self) -> Result<RelayLink, BadLink> {
        Ok(RelayLink {
            host: self.host.to_owned(),
            port: self.port,
            relay: self.pin.and_then(Pin::parse).ok_or(BadLink::Pin("pin"))?,
            authority: self.auth.and_then(Pin::parse).ok_or(BadLink::Pin("auth"))?,
        })
    }
}

fn is_host(host: &str) -> bool {
    let name = |h: &str| {
        !h.is_empty() && h.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
    };
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => name(host),
    }
}

/// Percent-encoding of everything but the unreserved characters (RFC 3986 §2.3).
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

fn percent_decode(text: &str) -> Result<String, BadLink> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|d| char::from(d).to_digit(16));
            let (high, low) = digit().zip(digit()).ok_or(BadLink::Reference)?;
            bytes.push(u8::try_from(high * 16 + low).map_err(|_| BadLink::Reference)?);
        } else {
            bytes.push(byte);
        }
    }
    if LINK_REFERENCE_BYTES_MAX < bytes.len() {
        return Err(BadLink::Reference);
    }
    String::from_utf8(bytes).map_err(|_| BadLink::Reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link {
            relay: RelayLink {
                host: "relay.example".into(),
                port: 4433,
                relay: Pin([1; 32]),
                authority: Pin([2; 32]),
            },
            handle: Handle::new("banque-exemple").unwrap(),
            account: Pin([3; 32]),
            reference: Some("achat n° 7 & co".into()),
        }
    }

    #[test]
    fn a_link_reads_back_as_written() {
        assert_eq!(link().to_string().parse(), Ok(link()));
        let without = Link { reference: None, ..link() };
        assert_eq!(without.to_string().parse(), Ok(without));
        assert_eq!(link().relay.to_string().parse(), Ok(link().relay));
    }

    #[test]
    fn each_missing_or_odd_part_is_named() {
        let text = link().to_string();
        let check = |from: &str, to: &str| text.replace(from, to).parse::<Link>().unwrap_err();
        assert_eq!(check("plico://", "https://"), BadLink::Scheme);
        assert_eq!(check(":4433", ""), BadLink::Host);
        assert_eq!(check("relay.example", "re lay"), BadLink::Host);
        assert_eq!(check("banque-exemple", "Bank"), BadLink::Handle);
        assert_eq!(check("pin=", "pin=A"), BadLink::Pin("pin"));
        assert_eq!(check("&auth=", "&x="), BadLink::Parameter);
        assert_eq!(check("&key=", "&pin="), BadLink::Parameter);
        assert_eq!(check("%20", "%2"), BadLink::Reference);
    }

    #[test]
    fn an_empty_reference_is_none() {
        let text = Link { reference: None, ..link() }.to_string() + "&ref=";
        assert_eq!(text.parse::<Link>().unwrap().reference, None);
    }

    #[test]
    fn an_ipv6_host_stands_in_brackets() {
        let text = link().to_string().replace("relay.example", "[::1]");
        assert_eq!(text.parse::<Link>().unwrap().relay.host, "[::1]");
    }
}
