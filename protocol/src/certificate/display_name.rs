//! Which display names an operator certifies: a business asks for no other. Pure.
//!
//! A person sees this name and trusts it. The attack: "Bаnque Exemple" with a Cyrillic а, an
//! invisible character between two letters, or a capital I for an l, asks for a code. So a name
//! consists of letters, digits and marks recommended for identifiers (Unicode UTS #39 §3) and a
//! little punctuation, of scripts that belong together (§5.2), and looks like no other
//! business's name (§4).

use std::collections::BTreeSet;

use unicode_normalization::is_nfc;
use unicode_security::{
    GeneralSecurityProfile, RestrictionLevel, RestrictionLevelDetection, skeleton,
};

use crate::limits::DISPLAY_NAME_BYTES_MAX;

/// Why a name is not certified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDisplayName {
    /// Empty or too long.
    #[error("a display name has 1 to {DISPLAY_NAME_BYTES_MAX} bytes; this one has {0}")]
    Length(usize),
    /// Spaces at an end or side by side.
    #[error("a display name has single spaces between words and none at its ends")]
    Spaces,
    /// Two encodings of one text.
    #[error("the display name is not in Unicode normalisation form C; have it typed again")]
    NotNormal,
    /// Invisible, or not used in names.
    #[error(
        "the display name contains U+{:04X}, which names do not need or nobody sees",
        u32::from(*.0)
    )]
    Character(char),
    /// Cyrillic among Latin letters, for example.
    #[error("the display name mixes scripts that do not belong together")]
    MixedScripts,
    /// Looks like another.
    #[error("the display name looks like `{0}`, which another business has")]
    Confusable(String),
}

/// Checks a name by itself.
///
/// # Errors
///
/// [`BadDisplayName`].
pub fn check(name: &str) -> Result<(), BadDisplayName> {
    if name.is_empty() || DISPLAY_NAME_BYTES_MAX < name.len() {
        return Err(BadDisplayName::Length(name.len()));
    }
    if name.split(' ').any(str::is_empty) {
        return Err(BadDisplayName::Spaces);
    }
    if let Some(character) = name.chars().find(|character| !is_allowed(*character)) {
        return Err(BadDisplayName::Character(character));
    }
    if !is_nfc(name) {
        return Err(BadDisplayName::NotNormal);
    }
    // Punctuation belongs to no script, and identifiers may not have it.
    let letters: String = name.chars().filter(|c| !PUNCTUATION.contains(*c)).collect();
    if !letters.check_restriction_level(RestrictionLevel::HighlyRestrictive) {
        return Err(BadDisplayName::MixedScripts);
    }
    Ok(())
}

/// Compares a name with those of other businesses.
///
/// # Errors
///
/// [`BadDisplayName::Confusable`].
pub fn check_against<'a>(
    name: &str,
    others: impl IntoIterator<Item = &'a str>,
) -> Result<(), BadDisplayName> {
    let looks = looks(name);
    match others.into_iter().find(|other| !looks.is_disjoint(&self::looks(other))) {
        Some(other) => Err(BadDisplayName::Confusable(other.to_owned())),
        None => Ok(()),
    }
}

/// What a name looks like as written and in lower case, spaces and punctuation aside: `PayPaI`
/// is taken for `Paypal`, and so is `paypa1`.
fn looks(name: &str) -> BTreeSet<String> {
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let shape = |text: &str| skeleton(text).collect::<String>().to_lowercase();
    BTreeSet::from([shape(&letters), shape(&letters.to_lowercase())])
}

fn is_allowed(character: char) -> bool {
    // The profile lets the joiners of Indic and Arabic words in; between Latin letters they are
    // invisible.
    let joiner = matches!(character, '\u{200C}' | '\u{200D}');
    PUNCTUATION.contains(character) || (character.identifier_allowed() && !joiner)
}

/// Beside what identifiers may have: what company names have.
const PUNCTUATION: &str = " &'’.,-–()+/!:·";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_names_of_several_scripts_are_taken() {
        for name in [
            "Banque Exemple",
            "Müller & Söhne (Zürich)",
            "株式会社プリコ",
            "Сбербанк",
            "L’Été",
            "7-Eleven",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_deceive_are_refused() {
        let refused = |name: &str| check(name).unwrap_err();
        assert_eq!(refused("B\u{430}nque"), BadDisplayName::MixedScripts);
        assert_eq!(refused("Ban\u{200B}que"), BadDisplayName::Character('\u{200B}'));
        assert_eq!(refused("Ban\u{200D}que"), BadDisplayName::Character('\u{200D}'));
        assert_eq!(refused("Bank\u{202E}"), BadDisplayName::Character('\u{202E}'));
        assert_eq!(refused("Bank\n"), BadDisplayName::Character('\n'));
        assert_eq!(refused("Bank ✓"), BadDisplayName::Character('✓'));
        assert_eq!(refused("Cafe\u{301}"), BadDisplayName::NotNormal);
        assert_eq!(refused("Bank  One"), BadDisplayName::Spaces);
        assert_eq!(refused(" "), BadDisplayName::Spaces);
        assert_eq!(refused(""), BadDisplayName::Length(0));
        assert_eq!(refused(&"a".repeat(97)), BadDisplayName::Length(97));
    }

    #[test]
    fn a_name_that_looks_like_anothers_is_refused() {
        let others = ["Paypal", "Modern Bank", "Сбербанк"];
        for name in ["PayPaI", "Pay Pal", "PAYPAL", "paypa1", "Modem Bank", "Modern-Bank."] {
            let refused = check_against(name, others);
            assert!(matches!(refused, Err(BadDisplayName::Confusable(_))), "{name}");
        }
        assert_eq!(check_against("Payroll", others), Ok(()));
    }
}
