//! The SDK's side of a chat: events into the transcript, orders out.

use plico_client::{
    Clock, ConnectError, ConnectionState, ContentId, Conversation, LookUpError, Message,
    MessageState, Person, PersonEvent, Profile, SendError, Stopped, SystemClock,
};
use plico_protocol::time::Timestamp;
use tokio::sync::mpsc;

use super::consent;
use super::order::{Order, read};
use super::transcript::{By, Connection, Transcript};
use crate::failure::{Failure, sentence};
use crate::text::clean_line;
use crate::wording;

/// An open conversation and what is shown of it.
pub(super) struct Session {
    person: Person,
    chat: Conversation,
    pub(super) transcript: Transcript,
    tell_read: bool,
    /// A message that is shown by the time something else is waited for.
    to_mark: Option<ContentId>,
    profiles: mpsc::Receiver<Result<Profile, LookUpError>>,
    trouble: Option<String>,
    /// Something was decided that the relay has not confirmed.
    undecided: bool,
    /// What last became of a message that will not arrive.
    failed: Option<MessageState>,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Quit,
}

impl Session {
    /// Begins with what this device kept.
    pub(super) async fn begin(
        person: Person,
        chat: Conversation,
        tell_read: bool,
    ) -> Result<Self, Failure> {
        let mut transcript = Transcript::default();
        let has_ended = chat.overview().await?.has_ended;
        transcript.window = chat.window().await?.filter(|_| !has_ended);
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let page = chat.history(before, PAGE).await?;
            let Some(first) = page.first() else { break };
            before = Some(first.place);
            pages.push(page);
        }
        pages.iter().rev().flatten().for_each(|said| transcript.kept(said));
        if has_ended {
            transcript.note(ENDED);
        }
        let profiles = look_up(chat.clone());
        Ok(Self {
            person,
            chat,
            transcript,
            tell_read,
            to_mark: None,
            profiles,
            trouble: None,
            undecided: false,
            failed: None,
        })
    }

    /// Waits for the next thing to happen. Dropping the future loses nothing.
    pub(super) async fn happened(&mut self) -> Result<(), Failure> {
        if let Some(id) = self.to_mark {
            // A goodbye was said meanwhile: then nothing is told.
            let _ = self.chat.mark_read(id).await;
            self.to_mark = None;
        }
        tokio::select! {
            event = self.person.next_event() => {
                let event = event?;
                self.event(event).await
            }
            Some(profile) = self.profiles.recv() => {
                self.profile(profile);
                Ok(())
            }
            () = tokio::time::sleep(POLL), if self.undecided => self.confirmed().await,
        }
    }

    /// How much of what was said and decided the relay does not have, and why it is not reached.
    pub(super) async fn unsent(&self) -> Result<(usize, Option<ConnectError>), Failure> {
        let overview = self.chat.overview().await?;
        let unreached = overview.unreached().cloned();
        Ok((overview.unsent + overview.unconfirmed, unreached))
    }

    /// What last became of a message that will not arrive.
    pub(super) fn failed(&self) -> Option<MessageState> {
        self.failed
    }

    /// Says so once the relay confirmed what was decided.
    async fn confirmed(&mut self) -> Result<(), Failure> {
        let overview = self.chat.overview().await?;
        if overview.unconfirmed == 0 {
            self.undecided = false;
            // Before the first message the relay has nothing to change.
            let is_told = overview.is_open || overview.has_ended;
            self.note(match is_told {
                true => "The relay has confirmed it.",
                false => "No mailbox is open yet: it holds once your first message opens one.",
            });
        }
        Ok(())
    }

    /// Does what a typed line asks.
    pub(super) async fn obey(&mut self, line: &str) -> Result<Next, Failure> {
        let choices = self.transcript.open_question().map(|(_, choices)| choices.len());
        let done = match read(line, choices) {
            Order::Say(text) => self.send(Message::text(text)).await,
            Order::Answer(number) => return self.answer(number).await,
            Order::React(emoji) => match self.transcript.last_received() {
                Some(id) => self.send(Message::reaction(id, emoji)).await,
                None => return Ok(self.note("There is no message to react to.")),
            },
            Order::Name(name) => {
                let called = self.chat.call_me(&name).await.map(drop);
                self.noted(called, format!("The business will call you {}.", clean_line(&name)))
            }
            Order::Agree if !self.chat.overview().await?.is_key_changed => {
                return Ok(self.note("The business's key has not changed."));
            }
            Order::Agree => {
                self.chat.agree_to_new_key().await?;
                self.profiles = look_up(self.chat.clone());
                return Ok(self.note("You trust the business's newest key."));
            }
            Order::Allow(terms) => {
                let done = self.chat.allow(terms).await;
                self.decided(done, consent::allowed_now(&terms))
            }
            Order::Mute => {
                let done = self.chat.mute().await;
                let said = "The business may answer what you write, five times also after its window, and \
                            send nothing else, as soon as this device connects.";
                self.decided(done, said)
            }
            Order::Block { spam } => self.block(spam).await,
            Order::Report(evidence) => match self.transcript.last_received() {
                Some(id) => {
                    let done = self.chat.report(id, evidence).await;
                    self.noted(done, "Your report goes to the relay's operator.")
                }
                None => return Ok(self.note("There is no message to report.")),
            },
            Order::Window if self.chat.overview().await?.has_ended => {
                return Ok(self.note(ENDED));
            }
            Order::Window => {
                let allowed = self.chat.allowed().await?;
                return Ok(self.note(consent::shown(&allowed, now())));
            }
            Order::Goodbye => {
                let done = self.chat.goodbye().await;
                if done.is_ok() {
                    self.transcript.window = None;
                }
                let said = "You said goodbye. The business hears of it, and cannot write any more, as \
                            soon as this device connects.";
                self.decided(done, said)
            }
            Order::Help(text) => return Ok(self.note(text)),
            Order::Wrong(why) => return Ok(self.note(sentence(&clean_line(&why)))),
            Order::Nothing => Ok(()),
            Order::Quit => return Ok(Next::Quit),
        };
        match done {
            Ok(()) => Ok(Next::GoOn),
            Err(SendError::Stopped(stopped)) => Err(stopped.into()),
            Err(error) => Ok(self.note(sentence(&error.to_string()))),
        }
    }

    /// Closes the state.
    pub(super) async fn close(self) -> Result<(), Failure> {
        match self.person.close().await {
            Ok(()) | Err(Stopped::Closed) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn block(&mut self, spam: bool) -> Result<(), SendError> {
        let last = self.transcript.last_received().filter(|_| spam);
        let done = match last {
            Some(id) => self.chat.block_as_spam(id).await,
            None => self.chat.block().await,
        };
        let reported = if last.is_some() { "You report its last message. " } else { "" };
        let said = "The business may write no more as soon as this device connects; until then \
                    nothing it writes is shown. Writing again allows it.";
        self.decided(done, format!("{reported}{said}"))?;
        self.transcript.window = None;
        Ok(())
    }

    async fn answer(&mut self, number: usize) -> Result<Next, Failure> {
        let question = self.transcript.open_question();
        let chosen = question
            .and_then(|(id, choices)| Some((id, choices.get(number.checked_sub(1)?)?.clone())));
        let Some((question, choice)) = chosen else {
            return Ok(self.note("There is no open question with that choice."));
        };
        match self.send(Message::answer(question, choice)).await {
            Err(SendError::Stopped(stopped)) => Err(stopped.into()),
            Err(error) => Ok(self.note(sentence(&error.to_string()))),
            Ok(()) => Ok(Next::GoOn),
        }
    }

    /// Sends and shows it as this device keeps it.
    async fn send(&mut self, message: Message) -> Result<(), SendError> {
        let id = self.chat.send(message).await?;
        let kept = self.chat.history(None, RECENT).await?;
        if let Some(said) = kept.iter().find(|said| said.content.id == id) {
            self.transcript.kept(said);
        }
        Ok(())
    }

    fn note(&mut self, text: impl Into<String>) -> Next {
        self.transcript.note(text);
        Next::GoOn
    }

    fn noted(
        &mut self,
        done: Result<(), SendError>,
        text: impl Into<String>,
    ) -> Result<(), SendError> {
        done?;
        self.transcript.note(text);
        Ok(())
    }

    /// The same of what the relay is yet to confirm.
    fn decided(
        &mut self,
        done: Result<(), SendError>,
        text: impl Into<String>,
    ) -> Result<(), SendError> {
        self.noted(done, text)?;
        self.undecided = true;
        Ok(())
    }

    async fn event(&mut self, event: PersonEvent) -> Result<(), Failure> {
        match event {
            PersonEvent::Connection { state, .. } => {
                self.transcript.connection = match state {
                    ConnectionState::Up => Connection::Up,
                    ConnectionState::Down(error) => {
                        Connection::Down(wording::connection_words(&error))
                    }
                };
            }
            PersonEvent::Message(message) if message.conversation == self.chat.id() => {
                let content = &message.content;
                self.transcript.say(content.id, By::Business, message.at, &content.body);
                self.transcript.business = Some(message.from.clone());
                self.to_mark = self.tell_read.then_some(content.id);
            }
            PersonEvent::Message(message) => {
                let other = wording::business(&message.from);
                let number = message.conversation.0;
                self.note(format!(
                    "{other} wrote; read it with plico chat --conversation {number}"
                ));
            }
            PersonEvent::Sent { id, state, .. } => self.became(id, state),
            PersonEvent::Window { conversation, until, .. } if conversation == self.chat.id() => {
                let has_ended = self.chat.overview().await?.has_ended;
                self.transcript.window = Some(until).filter(|_| !has_ended);
            }
            PersonEvent::Window { .. } => (),
            PersonEvent::Reported { conversation, outcome, .. } => {
                if conversation == self.chat.id() {
                    self.note(consent::reported(outcome));
                }
            }
            PersonEvent::KeyChanged { conversation, offered, .. } => {
                if conversation == self.chat.id() {
                    self.key_changed(offered.as_ref());
                }
            }
            PersonEvent::SessionLost { conversation, until, .. } => {
                if conversation == self.chat.id() {
                    self.note(wording::session_lost(until));
                }
            }
            PersonEvent::BusinessRestored { conversation, repeated, .. } => {
                if conversation == self.chat.id() {
                    self.note(wording::restored(repeated));
                }
            }
            PersonEvent::Trouble { conversation, trouble, .. } => {
                if conversation == self.chat.id() {
                    self.trouble(&trouble.to_string());
                }
            }
        }
        Ok(())
    }

    fn became(&mut self, id: ContentId, state: MessageState) {
        self.transcript.became(id, state);
        if matches!(state, MessageState::Refused(_) | MessageState::Failed) {
            self.failed = Some(state);
        }
    }

    fn key_changed(&mut self, offered: Option<&Profile>) {
        let who = offered.map_or_else(|| "The business".to_owned(), wording::business);
        self.note(format!(
            "{who} has a new key, and the link you came by names the old one. Nothing is sent \
             until you decide. Ask the business by another way whether it changed its key; then \
             /agree, or /goodbye."
        ));
    }

    fn profile(&mut self, profile: Result<Profile, LookUpError>) {
        match profile {
            Ok(profile) => self.transcript.business = Some(profile),
            Err(LookUpError::Trouble(trouble)) => self.trouble(&trouble.to_string()),
            Err(LookUpError::Connect(error)) => {
                self.transcript.connection = Connection::Down(wording::connection_words(&error));
            }
            Err(LookUpError::Stopped(_)) => (),
        }
    }

    /// Says what is wrong, once while it stays the same.
    fn trouble(&mut self, text: &str) {
        if self.trouble.as_deref() != Some(text) {
            self.trouble = Some(text.to_owned());
            self.note(sentence(&clean_line(text)));
        }
    }
}

/// Asks who the business is, again while the relay cannot be reached.
fn look_up(chat: Conversation) -> mpsc::Receiver<Result<Profile, LookUpError>> {
    let (sender, profiles) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let found = chat.business().await;
            let again = matches!(found, Err(LookUpError::Connect(_)));
            if sender.send(found).await.is_err() || !again {
                return;
            }
            tokio::time::sleep(LOOK_UP_AGAIN).await;
        }
    });
    profiles
}

/// The time for a reader.
pub(super) fn now() -> Timestamp {
    SystemClock.now()
}

const ENDED: &str = "This conversation has ended; begin another with the business's link.";
const POLL: core::time::Duration = core::time::Duration::from_millis(50);
/// As many as the SDK gives at once.
const PAGE: usize = 256;
/// Among these is what was just sent.
const RECENT: usize = 16;
const LOOK_UP_AGAIN: core::time::Duration = core::time::Duration::from_secs(2);
