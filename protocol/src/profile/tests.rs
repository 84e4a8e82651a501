//! Bounds at their edges, one signer, one encoding.

use proptest::prelude::*;

use super::*;
use crate::limits::{PROFILE_LOGO_BYTES_MAX, PROFILE_LOGO_PIXELS_MAX};

fn account() -> AccountSecret {
    AccountSecret::from_seed(&[1; 32])
}

fn chunk(name: [u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [length.as_slice(), &name, body, &[0xcc; 4]].concat()
}

/// A PNG of these dimensions as far as its chunks go, with `inside` before its end.
fn png(width: u32, height: u32, inside: &[Vec<u8>]) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = chunk(*b"IHDR", &[size.as_slice(), &[8, 6, 0, 0, 0]].concat());
    let (picture, end) = (chunk(*b"IDAT", &[7; 20]), chunk(*b"IEND", &[]));
    [b"\x89PNG\r\n\x1a\n".to_vec(), header, picture, inside.concat(), end].concat()
}

/// A PNG of exactly so many bytes.
fn png_of(bytes: usize) -> Vec<u8> {
    let without = png(64, 64, &[chunk(*b"IDAT", &[])]).len();
    png(64, 64, &[chunk(*b"IDAT", &vec![7; bytes - without])])
}

fn full() -> Profile {
    Profile {
        issued: Minute(60_000),
        description: "d".repeat(PROFILE_DESCRIPTION_BYTES_MAX),
        hours: "h".repeat(PROFILE_HOURS_BYTES_MAX),
        site: format!("https://a.b/{}", "s".repeat(PROFILE_SITE_BYTES_MAX - 12)),
        status: Some(Status {
            text: "t".repeat(PROFILE_STATUS_BYTES_MAX),
            until: Minute(60_000 + PROFILE_STATUS_MINUTES_MAX),
        }),
        restored: Some(Restored { hour: Hour(999), at: Timestamp(1_000 * 3_600_000) }),
        logo: Some(Logo::from_png(&png_of(PROFILE_LOGO_BYTES_MAX)).unwrap()),
    }
}

fn refused(change: impl FnOnce(&mut Profile)) -> DecodeError {
    let mut profile = full();
    change(&mut profile);
    profile.sign(&account()).unwrap_err()
}

fn bad(field: &'static str) -> DecodeError {
    DecodeError::BadValue { field }
}

#[test]
fn every_field_at_its_bound_is_taken_and_one_byte_more_is_not() {
    full().sign(&account()).unwrap();
    let too_long = |field, max| DecodeError::TooLong { field, length: max + 1, max };
    let refusals = [
        (refused(|p| p.description.push('d')), "description", PROFILE_DESCRIPTION_BYTES_MAX),
        (refused(|p| p.hours.push('h')), "hours", PROFILE_HOURS_BYTES_MAX),
        (refused(|p| p.site.push('s')), "site", PROFILE_SITE_BYTES_MAX),
        (
            refused(|p| p.status.as_mut().unwrap().text.push('t')),
            "status",
            PROFILE_STATUS_BYTES_MAX,
        ),
    ];
    for (refusal, field, max) in refusals {
        assert_eq!(refusal, too_long(field, max));
    }
    let logo = Logo::from_png(&png_of(PROFILE_LOGO_BYTES_MAX + 1));
    assert_eq!(logo, Err(BadLogo::TooLong(PROFILE_LOGO_BYTES_MAX + 1)));
    let whole = SignedProfile { bytes: vec![0; PROFILE_BYTES_MAX].into() };
    assert!(SignedProfile::decode(whole.encode()).is_ok());
    let longer = SignedProfile { bytes: vec![0; PROFILE_BYTES_MAX + 1].into() };
    let refusal = SignedProfile::decode(longer.encode()).unwrap_err();
    assert_eq!(refusal, too_long("profile", PROFILE_BYTES_MAX));
}

#[test]
fn a_status_ends_within_a_day_of_its_issue() {
    let until = |minutes| move |p: &mut Profile| p.status.as_mut().unwrap().until = Minute(minutes);
    assert_eq!(refused(until(60_000)), bad("status_until"));
    assert_eq!(refused(until(60_001 + PROFILE_STATUS_MINUTES_MAX)), bad("status_until"));
    let profile = full();
    let end = 60_000 + PROFILE_STATUS_MINUTES_MAX;
    assert!(profile.status_at(Minute(end - 1)).is_some());
    assert_eq!(profile.status_at(Minute(end)), None);
}

#[test]
fn no_backup_is_later_than_its_restore() {
    let at = Timestamp(1_000 * 3_600_000);
    let later = Restored { hour: Hour(1_001), at };
    assert_eq!(refused(|p| p.restored = Some(later)), bad("restored"));
}

#[test]
fn text_that_hides_or_reorders_is_refused() {
    for text in
        ["a\u{202E}b", "a\u{200B}b", "a\u{7}b", "Cafe\u{301}", " \n ", "a\u{E0041}b", "a\rb"]
    {
        assert_eq!(refused(|p| p.description = text.into()), bad("description"), "{text:?}");
        assert_eq!(refused(|p| p.hours = text.into()), bad("hours"), "{text:?}");
        let status = |p: &mut Profile| p.status.as_mut().unwrap().text = text.into();
        assert_eq!(refused(status), bad("status"), "{text:?}");
    }
    let status =
        |text: &'static str| move |p: &mut Profile| p.status.as_mut().unwrap().text = text.into();
    assert_eq!(refused(status("two\nlines")), bad("status"));
    assert_eq!(refused(status("")), bad("status"));
    for text in ["", "Lu–Ve 9 h–18 h\nSa 9 h–12 h", "می‌خواهم", "👩‍🍳 Brot", "株式会社"]
    {
        Profile { hours: text.into(), ..full() }.sign(&account()).unwrap();
    }
}

#[test]
fn a_site_is_an_https_address_that_shows_its_host() {
    for site in [
        "http://a.b",
        "https://",
        "https://localhost",
        "https://bank.example@evil.example",
        "https://Bank.example",
        "https://bänk.example",
        "https://a..b",
        "https://a.b:https",
        "https://a.b:99999",
        "https://a.b/ c",
        "https://a.b/\u{202E}",
        "javascript:alert(1)",
    ] {
        assert_eq!(refused(|p| p.site = site.into()), bad("site"), "{site}");
    }
    for site in ["", "https://a.b", "https://xn--bnk-qla.example:8443/a?b=c#d", "https://a.b?q=%20"]
    {
        Profile { site: site.into(), ..full() }.sign(&account()).unwrap();
    }
}

#[test]
fn a_logo_is_a_small_png_without_anything_beside_the_picture() {
    let side = PROFILE_LOGO_PIXELS_MAX;
    Logo::from_png(&png(side, 1, &[])).unwrap();
    for (width, height) in [(side + 1, 1), (1, side + 1), (0, 1), (1, 0)] {
        let refused = Logo::from_png(&png(width, height, &[]));
        assert_eq!(refused, Err(BadLogo::Dimensions { width, height }));
    }
    for file in [b"GIF89a".as_slice(), b"", b"\x89PNG\r\n\x1a\n", &png(8, 8, &[])[..60]] {
        assert_eq!(Logo::from_png(file), Err(BadLogo::NotPng));
    }
    let trailing = [png(8, 8, &[]), vec![0]].concat();
    assert_eq!(Logo::from_png(&trailing), Err(BadLogo::NotPng));
    let with_place = png(8, 8, &[chunk(*b"eXIf", b"52.5 N 13.4 E")]);
    let stripped = Logo::from_png(&with_place).unwrap();
    assert_eq!(stripped.png()[..], png(8, 8, &[]));
    let mut on_the_wire = Writer::default();
    on_the_wire.sized(&with_place);
    assert_eq!(Logo::decode(on_the_wire.into_vec()), Err(bad("logo")));
}

#[test]
fn a_profile_verifies_under_its_account_alone() {
    let signed = full().sign(&account()).unwrap();
    let received = SignedProfile::decode(signed.signed().encode()).unwrap();
    let verified = received.clone().verify(&account().public()).unwrap();
    assert_eq!(verified, signed);
    let other = AccountSecret::from_seed(&[2; 32]).public();
    assert_eq!(received.verify(&other), Err(BadProfile::Signature));
}

#[test]
fn any_flipped_byte_is_refused() {
    let bytes = full().sign(&account()).unwrap().signed().bytes.to_vec();
    for at in (0..bytes.len()).step_by(7).chain(bytes.len() - 64..bytes.len()) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        let flipped = SignedProfile { bytes: bytes.into() };
        assert!(flipped.verify(&account().public()).is_err(), "byte {at}");
    }
}

#[test]
fn the_later_of_two_holds_and_none_is_of_the_future() {
    let issued = |minute| {
        let issued = Minute(minute);
        Profile { issued, ..Profile::default() }.sign(&account()).unwrap()
    };
    let held = issued(100);
    assert!(issued(100).replaces(None));
    assert!(issued(101).replaces(Some(&held)));
    assert!(!issued(100).replaces(Some(&held)) && !issued(99).replaces(Some(&held)));
    assert_eq!(issued(160).issued_by(Minute(100)), Ok(()));
    assert_eq!(issued(161).issued_by(Minute(100)), Err(BadProfile::Early));
}

fn line() -> impl Strategy<Value = String> {
    // Precomposed letters, digits, spaces, emoji: normalised as they are.
    prop::collection::vec(prop::sample::select(vec!['a', 'Z', '7', 'é', '株', '🥐', ' ']), 0..120)
        .prop_map(|chars| chars.into_iter().collect::<String>().trim().to_owned())
}

prop_compose! {
    fn profiles()(
        issued in any::<u32>(), description in line(), hours in line(), with_site in any::<bool>(),
        status in line(), minutes in 1..=PROFILE_STATUS_MINUTES_MAX, restored in prop::option::of(0u64..u64::MAX),
        logo in prop::option::of((1..=PROFILE_LOGO_PIXELS_MAX, 1..=PROFILE_LOGO_PIXELS_MAX)),
    ) -> Profile {
        let until = Minute(issued).plus(minutes);
        Profile {
            issued: Minute(issued),
            description,
            hours,
            site: if with_site { "https://bank.example/".into() } else { String::new() },
            status: (!status.is_empty() && issued < until.0).then_some(Status { text: status, until }),
            restored: restored.map(|ms| Restored { hour: Timestamp(ms).hour(), at: Timestamp(ms) }),
            logo: logo.map(|(width, height)| Logo::from_png(&png(width, height, &[])).unwrap()),
        }
    }
}

proptest! {
    #[test]
    fn what_is_signed_is_read_back_as_it_was(profile in profiles()) {
        let signed = profile.sign(&account()).unwrap();
        prop_assert_eq!(signed.profile(), &profile);
        prop_assert_eq!(Profile::decode(profile.encode()), Ok(profile));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        profile in profiles(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = profile.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Profile::decode(bytes.clone()) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Logo::from_png(&bytes);
        if let Ok(read) = Profile::decode(bytes.clone()) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }
}
