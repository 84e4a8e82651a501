//! What is drawn: header, messages, the line being typed. Colours are the terminal's own, so they
//! are readable on dark and light; with NO_COLOR there are none, and nothing depends on them.

use plico_client::MessageState;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::editor::Editor;
use crate::chat::session::now;
use crate::chat::transcript::{By, Connection, Item, Transcript};
use crate::text::{clean_line, graphemes, width, wrap};
use crate::wording::{check_words, state_advice, state_name, time, window};

/// Where the reader is in the history.
#[derive(Debug)]
pub(super) struct View {
    /// Lines below the last one shown.
    below: usize,
    lines: usize,
    height: usize,
    colours: bool,
}

impl Default for View {
    fn default() -> Self {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { below: 0, lines: 0, height: 0, colours }
    }
}

impl View {
    /// Shows the newest.
    pub(super) fn show_newest(&mut self) {
        self.below = 0;
    }

    /// Scrolls by lines, back where positive.
    pub(super) fn scroll(&mut self, lines: isize) {
        let most = self.lines.saturating_sub(self.height);
        self.below = self.below.saturating_add_signed(lines).min(most);
    }

    pub(super) fn scroll_page(&mut self, back: bool) {
        let page = isize::try_from(self.height.saturating_sub(1)).unwrap_or(isize::MAX);
        self.scroll(if back { page } else { -page });
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, shown: &Transcript, editor: &Editor) {
        let rows = [Constraint::Length(2), Constraint::Min(1), Constraint::Length(2)];
        let [head, body, foot] = Layout::vertical(rows).areas(frame.area());
        self.draw_head(frame, head, shown);
        self.draw_body(frame, body, shown);
        self.draw_foot(frame, foot, editor);
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect, shown: &Transcript) {
        let columns = usize::from(area.width);
        let (who, check) = match &shown.business {
            Some(business) => (
                format!(
                    " {} · {}",
                    cut(&clean_line(&business.display_name), NAME_COLUMNS),
                    clean_line(&business.domain)
                ),
                format!("{} ", check_words(business.domain_check)),
            ),
            None => (" (not verified yet)".to_owned(), String::new()),
        };
        let connection = match shown.connection {
            Connection::Begun => " connecting".to_owned(),
            Connection::Up => " connected".to_owned(),
            Connection::Down(why) => format!(" not connected: {why}; trying again"),
        };
        let window = format!("{} ", window(shown.window, now()));
        let bar = Style::new().add_modifier(Modifier::REVERSED);
        let lines = vec![
            Line::styled(apart(&who, &check, columns), bar.add_modifier(Modifier::BOLD)),
            Line::styled(apart(&connection, &window, columns), bar),
        ];
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn draw_body(&mut self, frame: &mut Frame<'_>, area: Rect, shown: &Transcript) {
        let columns = usize::from(area.width);
        let name = shown.business.as_ref().map(|business| clean_line(&business.display_name));
        let name = cut(name.as_deref().unwrap_or("business"), NAME_COLUMNS);
        let entries = shown.items().flat_map(|item| self.entry(item, &name, columns));
        let lines: Vec<Line<'_>> = entries.collect();
        // Whoever reads the past stays where they read.
        if 0 < self.below && self.lines < lines.len() {
            self.below += lines.len() - self.lines;
        }
        (self.lines, self.height) = (lines.len(), usize::from(area.height));
        self.scroll(0);
        let end = lines.len() - self.below;
        let begin = end.saturating_sub(self.height);
        let visible: Vec<_> = lines.into_iter().skip(begin).take(end - begin).collect();
        frame.render_widget(Paragraph::new(visible), area);
    }

    fn draw_foot(&self, frame: &mut Frame<'_>, area: Rect, editor: &Editor) {
        let columns = usize::from(area.width);
        let hint = match self.below {
            0 => " Enter sends · PgUp reads back · /help · /quit ".to_owned(),
            below => format!(" {below} lines below · PgDn "),
        };
        let rule = "─".repeat(columns.saturating_sub(width(&hint)));
        let dim = Style::new().add_modifier(Modifier::DIM);
        let (line, cursor) = editor.visible(columns.saturating_sub(PROMPT.len()).max(1));
        let lines = vec![
            Line::styled(cut(&(hint + &rule), columns), dim),
            Line::raw(PROMPT.to_owned() + &line),
        ];
        frame.render_widget(Paragraph::new(lines), area);
        let column = u16::try_from(PROMPT.len() + cursor).unwrap_or(u16::MAX);
        frame.set_cursor_position(Position::new(area.x.saturating_add(column), area.bottom() - 1));
    }

    /// One entry: who and when and what became of it, then its words below, set in.
    fn entry(&self, item: &Item, name: &str, columns: usize) -> Vec<Line<'static>> {
        let dim = Style::new().add_modifier(Modifier::DIM);
        let at = item.at.map(|at| time(at, now())).unwrap_or_default();
        let mut lines = Vec::new();
        let text_style = match item.by {
            By::Program => Style::new().add_modifier(Modifier::ITALIC),
            _ => Style::new(),
        };
        match item.by {
            By::Program => (),
            By::Business => lines.push(Line::from(vec![
                Span::styled(name.to_owned(), self.coloured(BUSINESS).add_modifier(Modifier::BOLD)),
                Span::styled(format!("  {at}"), dim),
            ])),
            By::Person(state) => lines.push(Line::from(vec![
                Span::styled("You", Style::new().add_modifier(Modifier::BOLD)),
                Span::styled(format!("  {at}  "), dim),
                self.state(state),
            ])),
        }
        let margin = if item.by == By::Program { "* " } else { "  " };
        for (n, line) in wrap(&item.text, columns.saturating_sub(3)).into_iter().enumerate() {
            let margin = if n == 0 { margin } else { "  " };
            lines.push(Line::styled(format!("{margin}{line}"), text_style));
        }
        if let By::Person(state) = item.by
            && let Some(advice) = state_advice(state)
        {
            let advice = wrap(&advice, columns.saturating_sub(3)).into_iter();
            lines.extend(
                advice.map(|line| Line::styled(format!("  {line}"), self.coloured(Color::Red))),
            );
        }
        lines.push(Line::raw(""));
        lines
    }

    fn state(&self, state: MessageState) -> Span<'static> {
        let dim = Style::new().add_modifier(Modifier::DIM);
        let (mark, style) = match state {
            MessageState::Queued | MessageState::Waiting { .. } => ("○", dim),
            MessageState::Accepted => ("✓", dim),
            MessageState::Delivered => ("✓✓", dim),
            _ => ("!", self.coloured(Color::Red).add_modifier(Modifier::BOLD)),
        };
        Span::styled(format!("{mark} {}", state_name(state)), style)
    }

    fn coloured(&self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }
}

/// Two texts at the two ends of a line. The left one is what must not be lost.
fn apart(left: &str, right: &str, columns: usize) -> String {
    let left = cut(left, columns);
    let room = columns.saturating_sub(width(&left));
    let right = if width(right) < room { right } else { "" };
    let gap = " ".repeat(room.saturating_sub(width(right)));
    format!("{left}{gap}{right}")
}

/// At most so many columns, with a sign where something was cut.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    for part in graphemes(text) {
        if columns < width(&out) + width(&part) + 1 {
            break;
        }
        out.push_str(&part);
    }
    out + "…"
}

/// Readable on black and on white alike, which cyan, green and yellow are not.
const BUSINESS: Color = Color::Magenta;
const PROMPT: &str = "> ";
/// A longer name must not push the domain out of sight.
const NAME_COLUMNS: usize = 32;
