//! The conversation on a whole terminal.
//!
//! Reading order: [`editor`] (the line being typed), [`view`] (what is drawn), and here the loop.

mod editor;
mod view;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, Event};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use tokio::sync::mpsc;

use super::session::{Next, Session};
use crate::failure::{Failure, Status};
use editor::Editor;
use view::View;

/// Talks until `/quit`, Ctrl-C or Ctrl-D.
pub(super) async fn run(session: &mut Session) -> Result<(), Failure> {
    let mut screen = Screen::enter()?;
    let mut keys = keys();
    let mut editor = Editor::default();
    let mut minute = tokio::time::interval(REDRAW);
    loop {
        screen.draw(session, &editor)?;
        tokio::select! {
            happened = session.happened() => happened?,
            // The window's end passes by itself.
            _ = minute.tick() => (),
            event = keys.recv() => {
                let Some(event) = event else { return Ok(()) };
                if screen.take(&event, &mut editor, session).await? == Next::Quit {
                    return Ok(());
                }
            }
        }
        // What changed is drawn whole.
        session.transcript.take_changed();
    }
}

/// The terminal while it is ours; given back as it was when this goes, however it goes.
struct Screen {
    terminal: DefaultTerminal,
    view: View,
}

impl Screen {
    fn enter() -> Result<Self, Failure> {
        let terminal = ratatui::try_init().map_err(|error| unusable(&error))?;
        let screen = Self { terminal, view: View::default() };
        // A terminal without it pastes as if typed.
        let _ = execute!(std::io::stdout(), EnableBracketedPaste);
        Ok(screen)
    }

    fn draw(&mut self, session: &Session, editor: &Editor) -> Result<(), Failure> {
        let Self { terminal, view } = self;
        let drawn = terminal.draw(|frame| view.draw(frame, &session.transcript, editor));
        drawn.map(drop).map_err(|error| unusable(&error))
    }

    async fn take(
        &mut self,
        event: &Event,
        editor: &mut Editor,
        session: &mut Session,
    ) -> Result<Next, Failure> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                if is_quit(key, editor) {
                    return Ok(Next::Quit);
                }
                match key.code {
                    KeyCode::Enter => {
                        self.view.show_newest();
                        return session.obey(&editor.take()).await;
                    }
                    KeyCode::PageUp => self.view.scroll_page(true),
                    KeyCode::PageDown => self.view.scroll_page(false),
                    KeyCode::Up => self.view.scroll(1),
                    KeyCode::Down => self.view.scroll(-1),
                    _ => editor.key(key),
                }
            }
            Event::Paste(text) if !editor.insert(text) => session.transcript.note(
                "What you pasted was left out: with it the message would have more than 32,768 bytes.",
            ),
            _ => (),
        }
        Ok(Next::GoOn)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(std::io::stdout(), DisableBracketedPaste);
        ratatui::restore();
    }
}

/// Ctrl-C at any time; Ctrl-D where nothing is typed.
fn is_quit(key: &KeyEvent, editor: &Editor) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL)
        && (key.code == KeyCode::Char('c') || (key.code == KeyCode::Char('d') && editor.is_empty()))
}

/// Events of the terminal. A thread of its own, because reading cannot be taken back.
fn keys() -> mpsc::Receiver<Event> {
    let (sender, keys) = mpsc::channel(64);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    keys
}

fn unusable(error: &std::io::Error) -> Failure {
    Failure::new(
        Status::Failed,
        "The terminal cannot be used.",
        error.to_string(),
        "Try another terminal, or plico chat --plain.",
    )
}

const REDRAW: core::time::Duration = core::time::Duration::from_secs(20);
