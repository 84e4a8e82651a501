//! `plico chat`: a conversation, full screen on a terminal and line by line elsewhere.
//!
//! Reading order: [`order`] (what a typed line means), [`consent`] (what a business may send), [`transcript`] (what is shown of the
//! conversation), [`session`] (the SDK's side), then the two faces, [`plain`] and [`screen`].

mod consent;
mod order;
mod plain;
mod screen;
mod session;
mod transcript;

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use plico_client::{Conversation, ConversationId, Person};

use crate::conversations::{business_name, no_such_conversation};
use crate::failure::{Failure, Status};
use crate::link::read_link;
use crate::place::Place;
use crate::{Options, output};
use session::Session;

/// Talks with a business. Type /help inside.
#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// The business's link, in quotes. Without it, goes on with the only conversation.
    link: Option<String>,
    /// Goes on with the conversation of this number, as `plico conversations` shows it.
    #[arg(long, value_name = "NUMBER", conflicts_with = "link")]
    conversation: Option<u64>,
    /// One line in, one line out: for scripts and screen readers. So it is without a terminal.
    #[arg(long)]
    plain: bool,
    /// Tells the business when you have read its messages.
    #[arg(long)]
    tell_read: bool,
    /// Line by line, at the end of the input: seconds to wait until what was said is sent.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    #[command(flatten)]
    pub(crate) place: Place,
}

impl Chat {
    pub(crate) async fn run(self, options: &Options) -> Result<(), Failure> {
        let link = self.link.as_deref().map(read_link).transpose()?;
        let open = self.place.open_person(options, link.is_some()).await?;
        let chat = match &link {
            Some(link) => open.person.conversation(link).await?,
            None => choose(&open.person, self.conversation).await?,
        };
        output::check_is_open()?;
        let mut session = Session::begin(open.person, chat, self.tell_read).await?;
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if terminal && is_dumb && !self.plain {
            crate::remark("This terminal (TERM=dumb) shows lines only, so this is chat --plain.");
        }
        let done = if self.plain || !terminal || is_dumb {
            if let Some(notice) = &open.notice {
                crate::remark(notice);
            }
            plain::run(&mut session, Duration::from_secs(self.timeout.min(TIMEOUT_SECONDS_MAX)))
                .await
        } else {
            if let Some(notice) = open.notice {
                session.transcript.note(notice);
            }
            screen::run(&mut session).await
        };
        // Why the state failed is known once it is closed.
        session.close().await?;
        done
    }
}

/// The conversation of a number, or the only one that goes on: neither ended nor begun in vain.
async fn choose(person: &Person, number: Option<u64>) -> Result<Conversation, Failure> {
    let chats = person.conversations().await?;
    if let Some(number) = number {
        let chosen = chats.into_iter().find(|chat| chat.id() == ConversationId(number));
        return chosen.ok_or_else(no_such_conversation);
    }
    let mut live = Vec::new();
    let mut open = Vec::new();
    for chat in &chats {
        let overview = chat.overview().await?;
        if !overview.has_ended {
            live.push(chat);
        }
        if !overview.has_ended && overview.is_open {
            open.push(chat);
        }
    }
    for among in [open, live, chats.iter().collect()] {
        if let [only] = among.as_slice() {
            return Ok((*only).clone());
        }
    }
    if chats.is_empty() {
        return Err(no_such_conversation());
    }
    let mut list = String::new();
    for chat in chats.iter().take(LISTED_MAX) {
        list.push_str(&format!("\n{}  {}", chat.id().0, business_name(chat).await));
    }
    Err(Failure::new(
        Status::Usage,
        "Which conversation?",
        format!("There are {} on this device:{list}", chats.len()),
        "plico chat --conversation NUMBER.",
    ))
}

/// A year.
const TIMEOUT_SECONDS_MAX: u64 = 365 * 24 * 3600;
/// As many as a failure has room for.
const LISTED_MAX: usize = 6;
