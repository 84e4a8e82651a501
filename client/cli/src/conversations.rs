//! `plico conversations`: with whom this device talks.

use plico_client::{Conversation, ConversationId, Person};

use crate::failure::{Failure, Status};
use crate::place::Place;
use crate::progress::waiting;
use crate::text::clean_line;
use crate::wording::business;
use crate::{Options, say};

/// Lists the conversations of a state.
#[derive(Debug, clap::Args)]
pub(crate) struct Conversations {
    #[command(flatten)]
    place: Place,
}

/// Forgets a conversation: its keys, what was said in it, what waits to be sent.
#[derive(Debug, clap::Args)]
pub(crate) struct Forget {
    /// The conversation's number, as `plico conversations` shows it.
    conversation: u64,
    /// Also if it has not ended: the business's relay is not told, and keeps its mailbox until it
    /// expires. Otherwise say /goodbye yes in it first.
    #[arg(long)]
    even_if_open: bool,
    #[command(flatten)]
    place: Place,
}

impl Conversations {
    pub(crate) async fn run(self, options: &Options) -> Result<(), Failure> {
        let person = self.place.open_person(options, false).await?.announce();
        for chat in person.conversations().await? {
            let ended = if chat.overview().await?.has_ended { "  (ended)" } else { "" };
            say(format_args!("{}  {}{ended}", chat.id().0, business_name(&chat).await));
        }
        person.close().await?;
        Ok(())
    }
}

impl Forget {
    pub(crate) async fn run(self, options: &Options) -> Result<(), Failure> {
        let person = self.place.open_person(options, false).await?.announce();
        let done = self.forget(&person).await;
        person.close().await?;
        done
    }

    async fn forget(&self, person: &Person) -> Result<(), Failure> {
        let chats = person.conversations().await?;
        let chat = chats.into_iter().find(|chat| chat.id() == ConversationId(self.conversation));
        let Some(chat) = chat else { return Err(no_such_conversation()) };
        if chat.overview().await?.is_open && !self.even_if_open {
            return Err(Failure::new(
                Status::Usage,
                "This conversation has not ended, so it was not forgotten.",
                "Its mailbox is open at the relay, and the business may still write.",
                format!(
                    "plico chat --conversation {0}, and /goodbye yes; or plico forget {0} --even-if-open.",
                    self.conversation
                ),
            ));
        }
        chat.forget().await?;
        say(format_args!("forgotten  {}", self.conversation));
        Ok(())
    }
}

/// What to say where there is no conversation of a number, or none at all.
pub(crate) fn no_such_conversation() -> Failure {
    Failure::new(
        Status::Usage,
        "There is no such conversation on this device.",
        "A conversation begins with the link of a business.",
        "plico chat LINK, or see plico conversations.",
    )
}

/// The verified name and domain of a conversation's business, or why it is not known.
pub(crate) async fn business_name(chat: &Conversation) -> String {
    match waiting("asking who the business is", chat.business()).await {
        Ok(profile) => business(&profile),
        Err(error) => format!("(not known: {})", clean_line(&error.to_string())),
    }
}
