//! Words as rules compare them, and texts with places for a name and a reference.

use unicode_normalization::UnicodeNormalization;

/// Text without what people do not mean by it: case, width, composition, spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folded(String);

/// A text in which `{name}` and `{ref}` are filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Words(String),
    Name,
    Reference,
}

/// A place that nothing fills.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{{{0}}}` is filled by nothing; there are {{name}} and {{ref}}")]
pub(super) struct UnknownPlace(String);

impl Folded {
    /// Folds case by way of capitals, so that `ß` is `ss` and a final `ς` is `σ` (Unicode §3.13).
    pub(super) fn new(text: &str) -> Self {
        let capitals = text.nfkc().flat_map(char::to_uppercase);
        let folded: String = capitals.flat_map(char::to_lowercase).nfc().collect();
        Self(folded.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, part: &Self) -> bool {
        self.0.contains(&part.0)
    }
}

impl Template {
    /// Reads a text. Braces that name no place stay as they are.
    pub(super) fn parse(text: &str) -> Result<Self, UnknownPlace> {
        let mut parts = Vec::new();
        let mut words = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            words.push_str(before);
            let place = after.split_once('}').filter(|(name, _)| is_name(name));
            let Some((name, behind)) = place else {
                words.push('{');
                rest = after;
                continue;
            };
            parts.push(Part::Words(core::mem::take(&mut words)));
            parts.push(match name {
                "name" => Part::Name,
                "ref" => Part::Reference,
                _ => return Err(UnknownPlace(name.to_owned())),
            });
            rest = behind;
        }
        words.push_str(rest);
        parts.push(Part::Words(words));
        parts.retain(|part| *part != Part::Words(String::new()));
        Ok(Self(parts))
    }

    /// Fills the places. Where there is nothing to fill in, the comma and space before go too:
    /// "Hello, {name}!" becomes "Hello!".
    pub(super) fn fill(&self, name: Option<&str>, reference: Option<&str>) -> String {
        self.0.iter().fold(String::new(), |mut out, part| {
            let filling = match part {
                Part::Words(words) => {
                    out.push_str(words);
                    return out;
                }
                Part::Name => name,
                Part::Reference => reference,
            };
            let filling = filling.map(str::trim).filter(|filling| !filling.is_empty());
            match filling {
                Some(filling) => out.extend(filling.chars().filter(|c| !c.is_control())),
                None => out.truncate(out.trim_end_matches([' ', ',']).len()),
            }
            out
        })
    }

    /// The most bytes it can have, if a name and a reference have these.
    pub(super) fn bytes_max(&self, name: usize, reference: usize) -> usize {
        let bytes = |part: &Part| match part {
            Part::Words(words) => words.len(),
            Part::Name => name,
            Part::Reference => reference,
        };
        self.0.iter().map(bytes).sum()
    }

    /// Whether words remain when nothing is filled in.
    pub(super) fn says_something(&self) -> bool {
        !self.fill(None, None).trim().is_empty()
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_as_people_mean_them() {
        let same = |one: &str, other: &str| {
            assert_eq!(Folded::new(one), Folded::new(other), "{one} / {other}");
        };
        same("CARD", "card");
        same("  lost\u{a0}my \n card ", "Lost my card");
        same("Straße", "STRASSE");
        same("ΟΔΟΣ", "οδος");
        same("ЁЛКА", "ёлка");
        same("cafe\u{301}", "CAFÉ");
        same("Ｃａｒｄ", "card");
        assert_ne!(Folded::new("card"), Folded::new("cart"));
        assert!(Folded::new("My CARD is lost").contains(&Folded::new("card is")));
    }

    #[test]
    fn places_are_filled_or_leave_no_gap() {
        let check =
            |text: &str, name, reference| Template::parse(text).unwrap().fill(name, reference);
        assert_eq!(check("Hello, {name}!", Some(" Anna "), None), "Hello, Anna!");
        assert_eq!(check("Hello, {name}!", None, None), "Hello!");
        assert_eq!(check("About {ref}: {x y} {", None, Some("order 7")), "About order 7: {x y} {");
        assert_eq!(check("{name}", Some("A\u{1b}[2Jnna\n"), None), "A[2Jnna");
        assert_eq!(Template::parse("{nmae}"), Err(UnknownPlace("nmae".into())));
        assert!(!Template::parse(" {name} ").unwrap().says_something());
        assert_eq!(Template::parse("ab{name}{ref}").unwrap().bytes_max(96, 256), 354);
    }
}
