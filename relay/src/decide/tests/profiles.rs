//! What becomes of profiles.

use plico_protocol::profile::{Profile, SignedProfile, VerifiedProfile};
use plico_protocol::signature::AccountSecret;

use super::*;

fn profile(description: &str, issued: Minute) -> Box<VerifiedProfile> {
    let profile = Profile { issued, description: description.to_owned(), ..Profile::default() };
    Box::new(profile.sign(&bank_account()).unwrap())
}

fn publish(desk: &mut Desk<'_>, profile: &VerifiedProfile) -> Reply {
    let (account, profile) = (bank().account, Box::new(profile.clone()));
    desk.call(Request::PublishProfile { account, profile })
}

fn held(desk: &Desk<'_>, account: &AccountKey) -> Option<SignedProfile> {
    let row = desk.facts.profile(&desk.facts.rows.profile(account)).unwrap();
    row.map(|row| row.profile)
}

#[test]
fn a_later_profile_replaces_an_earlier_one_and_never_the_other_way_round() {
    scenario(|desk| {
        let now = desk.now.minute();
        let (old, new) = (profile("old", now), profile("new", now.plus(1)));
        assert_eq!(held(desk, &bank().account), None);
        assert_eq!(publish(desk, &old), Ok(RelayFrame::ProfilePublished));
        assert_eq!(publish(desk, &new), Ok(RelayFrame::ProfilePublished));
        assert_eq!(publish(desk, &new), Ok(RelayFrame::ProfilePublished), "repeated");
        assert_eq!(code(publish(desk, &old)), Code::ProfileReplaced);
        let other = profile("of the same minute", now.plus(1));
        assert_eq!(code(publish(desk, &other)), Code::ProfileReplaced);
        assert_eq!(held(desk, &bank().account).as_ref(), Some(new.signed()));
        let stranger = AccountSecret::from_seed(&[6; 32]).public();
        assert_eq!(held(desk, &stranger), None, "another account's is another row");
    });
}

#[test]
fn a_profile_goes_with_the_last_certificate_of_its_account() {
    scenario(|desk| {
        let published = profile("open", desk.now.minute());
        certify(desk, 1).unwrap();
        certify(desk, 2).unwrap();
        publish(desk, &published).unwrap();
        desk.call(Request::RevokeCertificate { serial: Serial(1) }).unwrap();
        assert!(held(desk, &bank().account).is_some(), "a renewal carries it");
        desk.call(Request::RevokeCertificate { serial: Serial(2) }).unwrap();
        assert_eq!(held(desk, &bank().account), None);
    });
}
