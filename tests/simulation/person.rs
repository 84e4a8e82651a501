//! A person's lives: what the application of one of them does.

use std::pin::pin;
use std::sync::Arc;

use plico_client::{ConsentTerms, Conversation, Link, Person, PersonEvent, SendError, Stopped};

use crate::simulation::chance::Chance;
use crate::simulation::history::{End, Fact, News, Peer, Wish, Words};
use crate::simulation::life::{Life, Place};
use crate::simulation::network::Host;
use crate::simulation::sabotage::Sabotage;
use crate::simulation::session::{Next, Out};
use crate::simulation::world::{DOWN_MS, World};

/// Someone who talks with the business, and whose device dies now and then.
pub(crate) struct PersonHost {
    world: World,
    number: u8,
    pub(crate) host: Arc<Host>,
    link: Link,
    chance: Chance,
    sabotage: Option<Sabotage>,
}

impl PersonHost {
    pub(crate) fn new(world: &World, number: u8, link: &Link, sabotage: Option<Sabotage>) -> Self {
        let chance = world.chance(&format!("person {number}"));
        let (world, host, link) = (world.clone(), Host::new(FIRST_HOST + number), link.clone());
        Self { world, number, host, link, chance, sabotage }
    }

    /// Lives, dies and lives again until the world is over.
    pub(crate) async fn live(mut self) {
        loop {
            let life = Life::new(&self.world);
            if self.chance.per_mille(600) {
                life.die_at(Place::of_agent(&mut self.chance), self.chance.within(0..30));
            }
            let out = match self.open(&life).await {
                Some(person) => self.session(person, &life).await,
                None => Out::Killed,
            };
            self.world.note(out.fact(self.end()));
            if out == Out::Over {
                return;
            }
            tokio::time::sleep(self.chance.millis(DOWN_MS)).await;
        }
    }

    fn end(&self) -> End {
        End::Person(self.number)
    }

    /// None if it was killed meanwhile.
    async fn open(&mut self, life: &Arc<Life>) -> Option<Person> {
        let name = format!("person-{}", self.number);
        let options = self.world.options(self.end(), &self.host, life, &mut self.chance);
        let (path, key) = (self.world.path(&name), self.world.key(&name));
        let opened = life.survive(Person::open_with(options, path, key)).await?.unwrap();
        self.world.note(Fact::Opened(self.end()));
        Some(opened)
    }

    async fn session(&mut self, mut person: Person, life: &Life) -> Out {
        let world = self.world.clone();
        let mut end = pin!(world.in_wild_times(self.chance.millis(LIFE_MS)));
        let Ok(mut chat) = person.conversation(&self.link).await else { return Out::Killed };
        self.world.note(Fact::Next(self.end()));
        loop {
            let pause = self.chance.millis(PAUSE_MS);
            let event = person.next_event();
            let done = match Next::of(&world, life, event, end.as_mut(), pause).await {
                Next::Event(event) => {
                    let done = self.shown(&mut person, &event).await;
                    done.map(|()| self.world.note(Fact::Next(self.end())))
                }
                Next::Step => self.step(&person, &mut chat).await,
                Next::Ends(ending) => {
                    return life.end(ending, person.close(), &mut self.chance).await;
                }
            };
            if let Err(stopped) = done {
                life.mourn(&stopped);
            }
        }
    }

    async fn shown(&mut self, person: &mut Person, event: &PersonEvent) -> Result<(), Stopped> {
        let end = self.end();
        let Some((id, news)) = News::of_person(event) else { return Ok(()) };
        self.world.note(Fact::Shown { end, event: id, news });
        if self.chance.per_mille(200) {
            person.handled(id).await?;
            self.world.note(Fact::Handled { end, event: id });
        }
        Ok(())
    }

    async fn step(&mut self, person: &Person, chat: &mut Conversation) -> Result<(), Stopped> {
        let max = u16::try_from(self.chance.within(1..5)).unwrap();
        let days = u16::try_from(self.chance.within(1..40)).unwrap();
        let terms = ConsentTerms { messages_max: max, days, ..ConsentTerms::default() };
        match self.chance.within(0..100) {
            0..60 => return self.say(chat).await,
            60..72 => self.wish(chat, Wish::Change(max), chat.change_terms(terms)).await?,
            72..80 => {
                self.wish(chat, Wish::Standing(max), chat.allow_notifications(terms)).await?;
            }
            80..86 => self.say_and_block(chat).await?,
            86..90 => self.block(chat).await?,
            90..94 => {
                self.wish(chat, Wish::Goodbye, chat.goodbye()).await?;
                *chat = person.conversation(&self.link).await?;
            }
            _ => drop(chat.history(None, 10).await?),
        }
        Ok(())
    }

    async fn say(&self, chat: &Conversation) -> Result<(), Stopped> {
        let words = self.begin_to_say(chat);
        self.send(chat, words).await
    }

    /// Blocks while something waits, unless what was said before is sent after it.
    async fn say_and_block(&self, chat: &Conversation) -> Result<(), Stopped> {
        let words = self.begin_to_say(chat);
        if self.sabotage == Some(Sabotage::Block) {
            self.block(chat).await?;
            return self.send(chat, words).await;
        }
        self.send(chat, words).await?;
        self.block(chat).await
    }

    async fn block(&self, chat: &Conversation) -> Result<(), Stopped> {
        self.wish(chat, Wish::Revoke, chat.block()).await
    }

    fn begin_to_say(&self, chat: &Conversation) -> Words {
        let (end, words) = (self.end(), self.world.words());
        self.world.note(Fact::Asked { end, to: Peer(chat.id().0), words, answering: None });
        words
    }

    async fn send(&self, chat: &Conversation, words: Words) -> Result<(), Stopped> {
        let end = self.end();
        match chat.send(words.text()).await {
            Ok(id) => self.world.note(Fact::Stored { end, words, id }),
            Err(SendError::Stopped(stopped)) => return Err(stopped),
            Err(_) => self.world.note(Fact::Declined { end, words }),
        }
        Ok(())
    }

    async fn wish(
        &self,
        chat: &Conversation,
        wish: Wish,
        storing: impl Future<Output = Result<(), SendError>>,
    ) -> Result<(), Stopped> {
        let (person, to) = (self.number, Peer(chat.id().0));
        self.world.note(Fact::Wishing { person, to, wish });
        match storing.await {
            Ok(()) => self.world.note(Fact::Wished { person, to, wish }),
            Err(SendError::Stopped(stopped)) => return Err(stopped),
            // Too many wait for the relay already.
            Err(_) => (),
        }
        Ok(())
    }
}

const FIRST_HOST: u8 = 10;
const LIFE_MS: std::ops::Range<u64> = 5_000..200_000;
const PAUSE_MS: std::ops::Range<u64> = 200..25_000;
