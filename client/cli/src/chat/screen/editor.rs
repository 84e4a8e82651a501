//! The line being typed, edited by what a reader takes for one character.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::text::{clean_line, graphemes, width};

/// A line and a cursor in it.
#[derive(Debug, Default)]
pub(super) struct Editor {
    parts: Vec<String>,
    /// How many parts stand before the cursor.
    cursor: usize,
}

impl Editor {
    /// What is to be seen in so many columns, and in which of them the cursor stands.
    pub(super) fn visible(&self, columns: usize) -> (String, usize) {
        let mut before = Vec::new();
        let mut used = 0;
        // As much before the cursor as fits, so that the cursor is always seen.
        for part in self.parts.iter().take(self.cursor).rev() {
            let part_width = width(part);
            if columns <= used + part_width {
                break;
            }
            used += part_width;
            before.push(part.as_str());
        }
        let cursor = used;
        let mut shown: String = before.into_iter().rev().collect();
        for part in self.parts.iter().skip(self.cursor) {
            used += width(part);
            if columns < used {
                break;
            }
            shown.push_str(part);
        }
        (shown, cursor)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The line, which begins anew.
    pub(super) fn take(&mut self) -> String {
        self.cursor = 0;
        core::mem::take(&mut self.parts).concat()
    }

    /// Inserts text at the cursor, on one line; `false` if there is no room for it.
    pub(super) fn insert(&mut self, text: &str) -> bool {
        let room = LINE_BYTES_MAX.saturating_sub(self.parts.iter().map(String::len).sum());
        let text = clean_line(text);
        if room < text.len() {
            return false;
        }
        let (before, after) = self.parts.split_at(self.cursor.min(self.parts.len()));
        // A mark joins the letter before it: the whole is cut anew.
        let before = before.concat() + &text;
        let after = after.concat();
        self.cursor = graphemes(&before).len();
        self.parts = graphemes(&(before + &after));
        self.cursor = self.cursor.min(self.parts.len());
        true
    }

    /// Takes a key that is none of the screen's.
    pub(super) fn key(&mut self, key: &KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.parts.len(),
            KeyCode::Char('u') if control => self.cut(0),
            KeyCode::Char('w') if control => self.cut(self.word_before()),
            KeyCode::Char('k') if control => self.parts.truncate(self.cursor),
            KeyCode::Char(c) if !control => {
                // One more letter that is not shown tells by itself that the line is full.
                let _ = self.insert(c.encode_utf8(&mut [0; 4]));
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.parts.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.parts.len(),
            KeyCode::Backspace => self.cut(self.cursor.saturating_sub(1)),
            KeyCode::Delete if self.cursor < self.parts.len() => {
                self.parts.remove(self.cursor);
            }
            _ => (),
        }
    }

    /// Takes out what stands between a place and the cursor.
    fn cut(&mut self, from: usize) {
        if from < self.cursor && self.cursor <= self.parts.len() {
            self.parts.drain(from..self.cursor);
            self.cursor = from;
        }
    }

    fn word_before(&self) -> usize {
        let before = self.parts.iter().take(self.cursor).rev();
        let spaces = before.clone().take_while(|part| *part == " ").count();
        let letters = before.skip(spaces).take_while(|part| *part != " ").count();
        self.cursor.saturating_sub(spaces + letters)
    }
}

/// As long as a message may be.
const LINE_BYTES_MAX: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[KeyCode]) -> Editor {
        let mut editor = Editor::default();
        keys.iter().for_each(|key| editor.key(&KeyEvent::new(*key, KeyModifiers::NONE)));
        editor
    }

    #[test]
    fn a_character_of_several_code_points_is_one() {
        let mut editor = Editor::default();
        editor.insert("a👩‍👩‍👧e\u{301}");
        editor.key(&KeyEvent::new(KeyCode::Left, KeyModifiers::NONE));
        editor.key(&KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE));
        assert_eq!(editor.take(), "ae\u{301}");
    }

    #[test]
    fn typing_goes_to_the_cursor() {
        use KeyCode::{Char, End, Home, Left};
        let keys = [Char('b'), Home, Char('a'), End, Char('d'), Left, Char('c')];
        assert_eq!(typed(&keys).take(), "abcd");
    }

    #[test]
    fn a_word_is_deleted_at_once() {
        let mut editor = Editor::default();
        editor.insert("one two  ");
        editor.key(&KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(editor.take(), "one ");
    }

    #[test]
    fn the_cursor_is_always_seen() {
        let mut editor = Editor::default();
        editor.insert(&"你好".repeat(30));
        let (shown, cursor) = editor.visible(11);
        assert!(width(&shown) <= 11 && cursor < 11, "{shown} {cursor}");
        editor.key(&KeyEvent::new(KeyCode::Home, KeyModifiers::NONE));
        assert_eq!(editor.visible(5), ("你好".to_owned(), 0));
    }

    #[test]
    fn what_is_pasted_stays_one_line_and_bounded() {
        let mut editor = Editor::default();
        editor.insert("a\nb\u{1b}[H");
        assert_eq!(editor.take(), "a b\u{fffd}[H");
        assert!(!editor.insert(&"x".repeat(LINE_BYTES_MAX + 1)));
        assert!(editor.is_empty());
    }
}
