//! What may reach a terminal, and how it is broken into lines.
//!
//! A peer chooses its words, and a terminal takes some of them for orders: an escape sequence
//! moves the cursor over the verified name, a bidirectional override makes `gro.elpmaxe` read
//! `example.org`, a carriage return overwrites what stands before it. Whatever a peer or a relay
//! wrote passes through here before it is shown.

use ratatui::style::Style;
use ratatui::text::Span;

/// The text with nothing in it that a terminal obeys; line ends and tabs become one line end or
/// space. Each character that was taken out leaves `�`, so that hiding something shows.
pub(crate) fn clean_text(text: &str) -> String {
    let unified = text.replace("\r\n", "\n");
    let mut out = String::with_capacity(unified.len());
    let mut marks = 0;
    for c in unified.chars() {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        match c {
            '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\t' => out.push(' '),
            // Letters buried under marks reach over the lines above and below.
            _ if MARKS_MAX < marks => (),
            c if is_order(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The same on one line: names, titles, labels.
pub(crate) fn clean_line(text: &str) -> String {
    clean_text(text).replace('\n', " ")
}

/// Text of several lines, each after the first behind a margin.
pub(crate) fn indented(text: &str, margin: &str) -> String {
    text.replace('\n', &format!("\n{margin}"))
}

/// Lines of at most `width` columns, broken at spaces where there are some. Every line end of the
/// text is kept; no line is empty but those of the text.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    text.split('\n').flat_map(|paragraph| wrap_paragraph(paragraph, width.max(2))).collect()
}

/// Columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The parts of a text that are one character to a reader.
pub(crate) fn graphemes(text: &str) -> Vec<String> {
    let span = Span::raw(text);
    span.styled_graphemes(Style::new()).map(|part| part.symbol.to_owned()).collect()
}

fn wrap_paragraph(paragraph: &str, width_max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in paragraph.split_inclusive(' ') {
        let bare = width(word.trim_end_matches(' '));
        if 0 < used && width_max < used + bare {
            lines.push(String::new());
            used = 0;
        }
        for part in graphemes(word) {
            let part_width = width(&part);
            if width_max < used + part_width {
                // The space between two lines is their line end.
                if part == " " {
                    continue;
                }
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(&part);
                used += part_width;
            }
        }
    }
    lines.iter().map(|line| line.trim_end_matches(' ').to_owned()).collect()
}

/// Characters that move, hide or turn what stands beside them.
fn is_order(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Bidirectional marks, embeddings, overrides and isolates (UAX #9).
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Without width, so that two names look alike. The joiner of emoji (U+200D) stays.
            | '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            // Tags spell text that nobody sees.
            | '\u{e0000}'..='\u{e0fff}')
}

/// Marks that a terminal draws over the character before.
fn is_mark(c: char) -> bool {
    !c.is_control() && width(c.encode_utf8(&mut [0; 4])) == 0 && c != '\u{200d}'
}

/// More marks on one letter than any written language uses.
const MARKS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_passes() {
        let check = |text: &str, shown: &str| assert_eq!(clean_text(text), shown, "{text:?}");
        check("\u{1b}[2J\u{1b}[HYour bank", "\u{fffd}[2J\u{fffd}[HYour bank");
        check("\u{9b}31mred", "\u{fffd}31mred");
        check("a\u{8}b\u{7f}c\0", "a\u{fffd}b\u{fffd}c\u{fffd}");
        check("pay\rnot", "pay\u{fffd}not");
        check("gro\u{202e}elpmaxe", "gro\u{fffd}elpmaxe");
        check("\u{2066}x\u{2069}", "\u{fffd}x\u{fffd}");
        check("one\r\ntwo\u{2028}three\tfour", "one\ntwo\nthree four");
        check("a\u{200b}b\u{feff}c", "a\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn what_people_write_passes_unchanged() {
        for text in ["Grüezi, 你好, שלום", "👩‍👩‍👧 👍🏽", "e\u{301}", "1 + 1 = 2 €", "❤\u{fe0f}"]
        {
            assert_eq!(clean_text(text), text);
        }
    }

    #[test]
    fn a_letter_is_not_buried_under_marks() {
        let buried = format!("a{}", "\u{301}".repeat(200));
        assert_eq!(clean_text(&buried), format!("a{}", "\u{301}".repeat(MARKS_MAX)));
    }

    #[test]
    fn one_line_stays_one_line() {
        assert_eq!(clean_line("Bank\nVerified: yes"), "Bank Verified: yes");
    }

    #[test]
    fn lines_fit_their_width() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("你好吗", 4), ["你好", "吗"]);
        assert_eq!(wrap("a\n\nb", 9), ["a", "", "b"]);
        assert_eq!(wrap("", 9), [""]);
        for line in wrap("a 你 verylongwordindeed 👩‍👩‍👧 x", 5) {
            assert!(width(&line) <= 5, "{line:?}");
        }
    }
}
