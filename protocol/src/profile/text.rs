//! Which texts a profile may hold. Pure.
//!
//! Unlike a display name, a profile is prose, with whatever emoji and scripts a business uses; it
//! is shown under the verified name and claims no other. What it may not do is look like something
//! that it is not: reorder the line it stands on, or hide characters.

use unicode_normalization::is_nfc;

/// Whether a reader sees what is written: normalised, and without invisible characters or those that
/// reorder. Empty text is; text of white space alone is not, because it would show as none. Line
/// feeds are allowed where there may be `lines`.
pub(super) fn is_shown_as_written(text: &str, lines: bool) -> bool {
    let allowed = |c: char| (lines && c == '\n') || !(c.is_control() || is_hidden(c));
    text.is_empty() || (!text.trim().is_empty() && is_nfc(text) && text.chars().all(allowed))
}

/// Bidirectional controls, invisible characters and separators (Unicode 17, general categories Cf,
/// Zl and Zp), but for the joiners U+200C and U+200D, which Persian, Indic scripts and emoji need.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{61C}'
            | '\u{180E}'
            | '\u{200B}'
            | '\u{200E}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

/// Whether this is `https://host[:port][/…]` in ASCII, with a host of two labels or more in lower
/// case. No user part, which would show another host first; a name in another script travels as
/// `xn--…`, which imitates none.
pub(super) fn is_https_address(site: &str) -> bool {
    let Some(rest) = site.strip_prefix("https://") else { return false };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let in_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(in_label);
    let is_port = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    host.contains('.') && host.split('.').all(is_label) && is_port && path.bytes().all(is_in_path)
}

/// What RFC 3986 §2 lets an address be written with.
fn is_in_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}
