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

use clap::Args;
use plico_client::{Conversation, ConversationId, Person};

use crate::Options;
use crate::conversations::business_name;
use crate::failure::{Failure, Status};
use crate::link::read_link;
use crate::place::Place;
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
        let mut session = Session::begin(open.person, chat, self.tell_read).await?;
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let done = if self.plain || !terminal {
            if let Some(notice) = &open.notice {
                crate::remark(notice);
            }
            plain::run(&mut session).await
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

/// The conversation of a number, or the only one.
async fn choose(person: &Person, number: Option<u64>) -> Result<Conversation, Failure> {
    let chats = person.conversations().await?;
    let chosen = match (number, chats.as_slice()) {
        (Some(number), chats) => chats.iter().find(|chat| chat.id() == ConversationId(number)),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    if let Some(chosen) = chosen {
        return Ok(chosen.clone());
    }
    if chats.is_empty() || number.is_some() {
        return Err(Failure::new(
            Status::Usage,
            "There is no such conversation on this device.",
            "A conversation begins with the link of a business.",
            "plico chat LINK, or see plico conversations.",
        ));
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

/// As many as a failure has room for.
const LISTED_MAX: usize = 6;
