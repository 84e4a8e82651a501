//! What only this store can get wrong.

use super::*;

#[test]
fn the_end_of_a_prefix_is_the_first_key_beyond_it() {
    let cases: [(&[u8], Option<&[u8]>); 7] = [
        (b"", None),
        (b"\xff\xff", None),
        (b"a", Some(b"b")),
        (b"a\x00", Some(b"a\x01")),
        (b"a\xfe", Some(b"a\xff")),
        (b"a\xff\xff", Some(b"b")),
        (b"\xff\x00\xff", Some(b"\xff\x01")),
    ];
    for (prefix, end) in cases {
        assert_eq!(successor(prefix).as_deref(), end, "{prefix:?}");
    }
}

#[test]
fn a_range_never_ends_before_it_begins() {
    assert!(range_of(b"b", b"c").is_none());
    assert!(range_of(b"b", b"d").is_none());
    let (start, end) = range_of(b"b", b"a").unwrap();
    assert_eq!((start, end), (Bound::Included(b"b".to_vec()), Bound::Excluded(b"c".to_vec())));
    let (start, end) = range_of(b"", b"x").unwrap();
    assert_eq!((start, end), (Bound::Included(b"x".to_vec()), Bound::Unbounded));
}
