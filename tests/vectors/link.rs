//! link.json: links of businesses and of relays.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plico_protocol::link::{Link, RelayLink};

use super::{Case, Vectors, text};

#[test]
fn links_are_read_as_specified() {
    Vectors::read("link").check(|kind, case| match kind {
        "Link" => business(case).is_some(),
        "RelayLink" => relay(case).is_some(),
        other => panic!("a new kind of group: {other}"),
    });
}

/// A pin as links write it.
fn pin(case: Case<'_>, name: &str) -> String {
    URL_SAFE_NO_PAD.encode(case.bytes(name))
}

fn business(case: Case<'_>) -> Option<()> {
    let link: Link = text(&case.test["link"]).parse().ok()?;
    same_place(case, &link.relay);
    assert_eq!(link.handle.as_str(), case.test["handle"], "{case}");
    assert_eq!(link.account.to_string(), pin(case, "key"), "{case}");
    assert_eq!(link.reference.as_deref().unwrap_or_default(), case.test["ref"], "{case}");
    assert_eq!(link.to_string().parse::<Link>().as_ref(), Ok(&link), "{case}");
    Some(())
}

fn relay(case: Case<'_>) -> Option<()> {
    let link: RelayLink = text(&case.test["link"]).parse().ok()?;
    same_place(case, &link);
    assert_eq!(link.to_string().parse::<RelayLink>().as_ref(), Ok(&link), "{case}");
    Some(())
}

fn same_place(case: Case<'_>, link: &RelayLink) {
    assert_eq!(link.host, case.test["host"], "{case}");
    assert_eq!(u64::from(link.port), case.number("port"), "{case}");
    assert_eq!(link.relay.to_string(), pin(case, "pin"), "{case}");
    assert_eq!(link.authority.to_string(), pin(case, "auth"), "{case}");
}
