//! The conversation line by line: each entry one line, each change of a state one line, flushed at
//! once, for scripts and screen readers.

use std::io::BufRead;
use std::time::Duration;

use plico_client::{ConnectError, MessageState};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::session::{Next, Session, now};
use super::transcript::{By, Item};
use crate::failure::{Failure, Status, sentence};
use crate::print;
use crate::send::STORED;
use crate::text::clean_line;
use crate::wording::{business, check_words, state_advice, state_name, time, window};

/// Talks until the input ends or `/quit`. At its end waits for what was said to be sent, `patience` at
/// most.
pub(super) async fn run(session: &mut Session, patience: Duration) -> Result<(), Failure> {
    let mut lines = typed();
    let mut heading = String::new();
    loop {
        // Before the next thing: what was not printed comes again.
        tell(session, &mut heading)?;
        tokio::select! {
            happened = session.happened() => happened?,
            line = lines.recv() => {
                let Some(line) = line else { break };
                if session.obey(&line).await? == Next::Quit {
                    return Ok(());
                }
            }
        }
    }
    let deadline = Instant::now() + patience;
    loop {
        tell(session, &mut heading)?;
        let (unsent, unreached) = session.unsent().await?;
        if unsent == 0 {
            return session.failed().map_or(Ok(()), |state| Err(refused(state)));
        }
        if deadline <= Instant::now() {
            return Err(still_stored(unsent, unreached));
        }
        tokio::select! {
            happened = session.happened() => happened?,
            () = sleep(POLL) => (),
        }
    }
}

fn still_stored(unsent: usize, unreached: Option<ConnectError>) -> Failure {
    let what = format!("Not sent yet: {unsent} of what you said or decided.");
    match unreached {
        Some(error) => Failure::from(error).with_next(format!("{what} {STORED}")),
        None => Failure::new(Status::TimedOut, what, "The relay did not take it in time.", STORED),
    }
}

fn refused(state: MessageState) -> Failure {
    let status = match state {
        MessageState::Refused(_) => Status::Refused,
        _ => Status::Failed,
    };
    let why = sentence(&state_advice(state).unwrap_or_default());
    Failure::new(status, "A message was not taken.", why, "Do what the reason asks.")
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

const POLL: Duration = Duration::from_millis(50);
