//! The business's lives: what its application does.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use plico_client::{
    AnswerError, Business, BusinessEvent, BusinessSendError, Category, CheckedStatement,
    CustomerId, CustomerMessage, Link, Stopped,
};
use plico_protocol::ledger::Period;
use plico_protocol::time::Hour;
use plico_relay::Relay;

use crate::simulation::chance::Chance;
use crate::simulation::history::{End, Fact, News, Peer, Words};
use crate::simulation::life::{Life, Place};
use crate::simulation::network::Host;
use crate::simulation::relay::RelayHost;
use crate::simulation::session::{Ending, Next, Out};
use crate::simulation::world::{DOWN_MS, World};

/// A business that answers, writes unasked, dies now and then and is sometimes restored from a copy.
pub(crate) struct BusinessHost {
    world: World,
    pub(crate) host: Arc<Host>,
    chance: Chance,
    backups: u32,
    /// How often it is still restored, from the same copy, as by someone who tries again.
    restores: u64,
}

impl BusinessHost {
    pub(crate) fn new(world: &World) -> Self {
        let chance = world.chance("business");
        Self { world: world.clone(), host: Host::new(HOST), chance, backups: 0, restores: 0 }
    }

    /// Makes its keys, has them certified and connects for the first time; gives the link it shares.
    pub(crate) async fn begin(&mut self, relay: &Relay, at: &RelayHost) -> Link {
        let (path, key) = (self.world.path(NAME), self.world.key(NAME));
        let request = Business::create(path, key, NAME, "The bank", "bank.example").await.unwrap();
        let certificate = at.certify(relay, &request).await;
        let life = Life::new(&self.world);
        let business = self.open(&life).await.unwrap();
        business.install_certificate(&certificate).await.unwrap();
        business.connect(relay.link()).await.unwrap();
        let link = business.link(None).await.unwrap();
        business.close().await.unwrap();
        self.world.note(Fact::Closed(End::Business));
        link
    }

    /// Lives, dies and lives again until the world is over.
    pub(crate) async fn live(mut self) {
        loop {
            let life = Life::new(&self.world);
            if self.chance.per_mille(600) {
                life.die_at(Place::of_agent(&mut self.chance), self.chance.within(0..40));
            }
            let out = match self.open(&life).await {
                Some(business) => self.session(business, &life).await,
                None => Out::Killed,
            };
            self.world.note(out.fact(End::Business));
            if out == Out::Over {
                return;
            }
            tokio::time::sleep(self.chance.millis(DOWN_MS)).await;
            self.keep_copies().await;
        }
    }

    /// None if it was killed meanwhile.
    async fn open(&mut self, life: &Arc<Life>) -> Option<Business> {
        let options = self.world.options(End::Business, &self.host, life, &mut self.chance);
        let (path, key) = (self.world.path(NAME), self.world.key(NAME));
        let opened = life.survive(Business::open_with(options, path, key)).await?.unwrap();
        self.world.note(Fact::Opened(End::Business));
        Some(opened)
    }

    async fn session(&mut self, business: Business, life: &Life) -> Out {
        let world = self.world.clone();
        let mut end = pin!(world.in_wild_times(self.chance.millis(LIFE_MS)));
        self.world.note(Fact::Next(End::Business));
        loop {
            let pause = self.chance.millis(PAUSE_MS);
            let event = business.next_event();
            let done = match Next::of(&world, life, event, end.as_mut(), pause).await {
                Next::Event(event) => {
                    let done = self.shown(&business, &event).await;
                    done.map(|()| self.world.note(Fact::Next(End::Business)))
                }
                Next::Step => self.step(&business).await,
                Next::Ends(ending) => {
                    if ending == Ending::Over {
                        self.read_ledger(&business).await;
                    }
                    return life.end(ending, business.close(), &mut self.chance).await;
                }
            };
            if let Err(stopped) = done {
                life.mourn(&stopped);
            }
        }
    }

    async fn shown(&mut self, business: &Business, event: &BusinessEvent) -> Result<(), Stopped> {
        let end = End::Business;
        let Some((id, news)) = News::of_business(event) else { return Ok(()) };
        self.world.note(Fact::Shown { end, event: id, news });
        let BusinessEvent::Message(message) = event else { return Ok(()) };
        match self.chance.within(0..10) {
            0..5 => self.answer(business, message).await,
            5..7 => self.send(business, message.customer).await,
            7 => {
                business.handled(id).await?;
                self.world.note(Fact::Handled { end, event: id });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One or two answers in one transaction.
    async fn answer(
        &mut self,
        business: &Business,
        message: &CustomerMessage,
    ) -> Result<(), Stopped> {
        let (end, event, to) = (End::Business, message.event, message.customer);
        let count = 1 + usize::from(self.chance.per_mille(200));
        let all: Vec<Words> = (0..count).map(|_| self.world.words()).collect();
        let answering = Some(event);
        for words in &all {
            self.world.note(Fact::Asked { end, to: Peer(to.0), words: *words, answering });
        }
        let answers = all.iter().map(|words| (to, words.text().into(), Category::Service));
        match business.answer(event, answers.collect()).await {
            Ok(ids) => {
                let stored = all.into_iter().zip(ids);
                stored.for_each(|(words, id)| self.world.note(Fact::Stored { end, words, id }));
                Ok(())
            }
            Err(AnswerError::Send(BusinessSendError::Stopped(stopped))) => Err(stopped),
            Err(error) => panic!("an answer was declined: {error}"),
        }
    }

    /// Writes to someone unasked.
    async fn step(&mut self, business: &Business) -> Result<(), Stopped> {
        let customers = business.customers().await?;
        if customers.is_empty() {
            return Ok(());
        }
        let to = self.chance.pick(&customers).id;
        self.send(business, to).await
    }

    async fn send(&mut self, business: &Business, to: CustomerId) -> Result<(), Stopped> {
        let (end, words) = (End::Business, self.world.words());
        let category = *self.chance.pick(&[Category::Service, Category::Utility]);
        self.world.note(Fact::Asked { end, to: Peer(to.0), words, answering: None });
        match business.send(to, words.text(), category).await {
            Ok(id) => self.world.note(Fact::Stored { end, words, id }),
            Err(BusinessSendError::Stopped(stopped)) => return Err(stopped),
            Err(error) => panic!("a message was declined: {error}"),
        }
        Ok(())
    }

    /// Reads what the relay charged it since the beginning.
    async fn read_ledger(&self, business: &Business) {
        let period = Period { from: Hour(0), to: self.world.clock.now().hour().plus(1) };
        let CheckedStatement { statement, verified } = *business.statement(period).await.unwrap();
        if let Err(disagreement) = verified {
            self.world.note(Fact::Disputed(disagreement));
        }
        let head = Box::new(statement.head);
        let account = head.claims().account;
        self.world.note(Fact::Read { account, lines: statement.entries, head });
    }

    /// Between two lives: a copy is made, or the state is lost and made anew from the last copy.
    async fn keep_copies(&mut self) {
        if !self.world.is_wild() {
            return;
        }
        if 0 < self.restores {
            self.restores -= 1;
            self.restore().await;
        } else if self.chance.per_mille(250) {
            self.backups += 1;
            Business::backup(self.world.path(NAME), self.backup()).await.unwrap();
            // It was made by a thread; whatever else happens at this moment has happened then.
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.world.note(Fact::BackedUp);
        } else if 0 < self.backups && self.chance.per_mille(250) {
            self.restores = self.chance.within(0..4);
            self.restore().await;
        }
    }

    async fn restore(&mut self) {
        for file in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.world.path(&format!("{NAME}{file}")));
        }
        let life = Life::new(&self.world);
        let options = self.world.options(End::Business, &self.host, &life, &mut self.chance);
        let (path, key) = (self.world.path(NAME), self.world.key(NAME));
        Business::restore_with(options, self.backup(), path, key).await.unwrap();
        self.world.note(Fact::Restored);
    }

    fn backup(&self) -> std::path::PathBuf {
        self.world.path(&format!("backup-{}", self.backups))
    }
}

const HOST: u8 = 2;
pub(crate) const NAME: &str = "bank";
const LIFE_MS: std::ops::Range<u64> = 5_000..300_000;
const PAUSE_MS: std::ops::Range<u64> = 2_000..60_000;
