//! Which domains an operator certifies: a business asks for no other. Pure.
//!
//! A person sees the domain beside the name and compares it with what they know, so it is what a
//! browser would show: a host name of the public DNS (RFC 1035 §2.3.1, RFC 1123 §2.1), in lower-case
//! ASCII, no address and no single label.

use crate::limits::DOMAIN_BYTES_MAX;

/// Why a domain is not certified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDomain {
    /// Longer than DNS has it, or empty.
    #[error("a domain has 1 to {DOMAIN_BYTES_MAX} bytes; this one has {0}")]
    Length(usize),
    /// A scheme, a path, a capital letter, a character of another script.
    #[error(
        "the domain contains {0:?}; write it in lower case, without https:// and path, and a name \
         of another script in its ASCII form (xn--…)"
    )]
    Character(char),
    /// Empty, too long, or with a hyphen at an end.
    #[error("the domain has the part {0:?}; each has 1 to 63 bytes and no hyphen at its ends")]
    Label(String),
    /// `localhost`, or an IP address.
    #[error("the domain is {0:?}, which is no name of the public DNS such as bank.example")]
    NotPublic(String),
}

/// Checks a domain.
///
/// # Errors
///
/// [`BadDomain`].
pub fn check(domain: &str) -> Result<(), BadDomain> {
    if domain.is_empty() || DOMAIN_BYTES_MAX < domain.len() {
        return Err(BadDomain::Length(domain.len()));
    }
    let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || ['-', '.'].contains(c);
    if let Some(character) = domain.chars().find(|character| !allowed(character)) {
        return Err(BadDomain::Character(character));
    }
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if let Some(label) = domain.split('.').find(|label| !is_label(label)) {
        return Err(BadDomain::Label(label.to_owned()));
    }
    // The last label of an IPv4 address is a number, and no top-level domain is (RFC 3696 §2).
    let top = domain.rsplit_once('.').map(|(_, top)| top);
    match top.is_some_and(|top| !top.bytes().all(|byte| byte.is_ascii_digit())) {
        true => Ok(()),
        false => Err(BadDomain::NotPublic(domain.to_owned())),
    }
}

const LABEL_BYTES_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_public_dns_are_taken() {
        for domain in ["bank.example", "a.b.c.example", "7-eleven.com", "xn--bcher-kva.example"] {
            assert_eq!(check(domain), Ok(()), "{domain}");
        }
    }

    #[test]
    fn what_is_no_such_name_is_refused_for_its_reason() {
        let refused = |domain: &str| check(domain).unwrap_err();
        assert_eq!(refused("https://bank.example"), BadDomain::Character(':'));
        assert_eq!(refused("Bank.example"), BadDomain::Character('B'));
        assert_eq!(refused("b\u{fc}cher.example"), BadDomain::Character('\u{fc}'));
        assert_eq!(refused("bank..example"), BadDomain::Label(String::new()));
        assert_eq!(refused("bank.example."), BadDomain::Label(String::new()));
        assert_eq!(refused("-bank.example"), BadDomain::Label("-bank".into()));
        assert_eq!(
            refused(&format!("{}.example", "a".repeat(64))),
            BadDomain::Label("a".repeat(64))
        );
        assert_eq!(refused("localhost"), BadDomain::NotPublic("localhost".into()));
        assert_eq!(refused("192.0.2.1"), BadDomain::NotPublic("192.0.2.1".into()));
        assert_eq!(refused(""), BadDomain::Length(0));
    }
}
