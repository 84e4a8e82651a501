//! The conversation line by line: each entry one line, each change of a state one line, flushed at
//! once, for scripts and screen readers.

use std::io::BufRead;

use tokio::sync::mpsc;

use super::session::{Next, Session, now};
use super::transcript::{By, Item};
use crate::failure::Failure;
use crate::print;
use crate::text::clean_line;
use crate::wording::{business, check_words, state_advice, state_name, time, window};

/// Talks until the input ends or `/quit`.
pub(super) async fn run(session: &mut Session) -> Result<(), Failure> {
    let mut lines = typed();
    let mut heading = String::new();
    loop {
        // Before the next thing: what was not printed comes again.
        tell(session, &mut heading)?;
        tokio::select! {
            happened = session.happened() => happened?,
            line = lines.recv() => {
                let Some(line) = line else { return Ok(()) };
                if session.obey(&line).await? == Next::Quit {
                    return Ok(());
                }
            }
        }
    }
}

/// Lines of the input. A thread of its own, because reading cannot be taken back.
fn typed() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Prints what is new: who the business is, the window, entries and states.
fn tell(session: &mut Session, told: &mut String) -> Result<(), Failure> {
    if let Some(profile) = &session.transcript.business {
        let check = check_words(profile.domain_check);
        let window = window(session.transcript.window, now());
        let heading = format!("* {}, {check}. {window}", business(profile)).trim_end().to_owned();
        if *told != heading {
            print(&heading)?;
            *told = heading;
        }
    }
    let name =
        session.transcript.business.as_ref().map(|profile| clean_line(&profile.display_name));
    for item in session.transcript.take_changed() {
        print(line(&item, name.as_deref().unwrap_or("business")))?;
    }
    Ok(())
}

/// An entry on one line; line ends in it are shown as ` / `.
fn line(item: &Item, business: &str) -> String {
    let text = item.text.replace('\n', " / ");
    let at = item.at.map(|at| format!("{} ", time(at, now()))).unwrap_or_default();
    match item.by {
        By::Program => format!("* {text}"),
        By::Business => format!("{at}{business}: {text}"),
        By::Person(state) => {
            let advice = state_advice(state).map(|advice| format!(": {advice}"));
            format!("{at}you ({}{}): {text}", state_name(state), advice.unwrap_or_default())
        }
    }
}
