//! `plico conversations`: with whom this device talks.

use plico_client::Conversation;

use crate::failure::Failure;
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

impl Conversations {
    pub(crate) async fn run(self, options: &Options) -> Result<(), Failure> {
        let person = self.place.open_person(options, false).await?.announce();
        for chat in person.conversations().await? {
            say(format_args!("{}  {}", chat.id().0, business_name(&chat).await));
        }
        person.close().await?;
        Ok(())
    }
}

/// The verified name and domain of a conversation's business, or why it is not known.
pub(crate) async fn business_name(chat: &Conversation) -> String {
    match waiting("asking who the business is", chat.business()).await {
        Ok(profile) => business(&profile),
        Err(error) => format!("(not known: {})", clean_line(&error.to_string())),
    }
}
