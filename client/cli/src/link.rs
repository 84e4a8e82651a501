//! Reads the link a person was given, and says what is wrong with one that is none.

use plico_client::Link;
use plico_protocol::link::BadLink;

use crate::failure::{Failure, Status, sentence};

/// The link, or why it is none.
pub(crate) fn read_link(text: &str) -> Result<Link, Failure> {
    text.parse().map_err(|error| bad_link(&error))
}

fn bad_link(error: &BadLink) -> Failure {
    let why = sentence(&error.to_string());
    match error {
        BadLink::Pin(_) => Failure::new(
            Status::BadLink,
            "This link gives nothing to found trust on, so nothing was sent.",
            format!(
                "{why} A link carries the hashes of three keys: `pin` of the relay, `auth` of the \
                 operator's authority, `key` of the business. Without them anybody could answer."
            ),
            "Copy the whole link, in quotes, or get it again from the business.",
        ),
        _ => Failure::new(
            Status::BadLink,
            "This is no Plico link.",
            why,
            "Copy the whole link, in quotes: 'plico://HOST:PORT/BUSINESS?pin=...&auth=...&key=...'",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_link_says_what_is_wrong() {
        let check = |text: &str, says: &str| {
            let failure = read_link(text).unwrap_err();
            assert_eq!(failure.status, Status::BadLink);
            let shown = failure.to_string();
            assert!(shown.contains(says), "{text}: {shown}");
            assert!(shown.lines().count() <= 24);
        };
        check("https://example.org", "begins with plico://");
        check("plico://host/bank", "no host and port");
        check("plico://host:1/bank", "nothing to found trust on");
        check("plico://host:1/bank?pin=abc", "nothing to found trust on");
        check("plico://host:1/bank?x=y", "unknown or repeated");
    }
}
