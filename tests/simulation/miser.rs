//! A device that reads and seldom says so, and a business that writes to it: in frames, as neither
//! SDK would. The device revokes what it has read, or hangs up; the business repeats itself and has
//! the price of a message, its limit and its credit tried.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plico_client::Network;
use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{Channel, ClientFrame, Consent, Frame, Headed, RelayFrame, Sequence};
use plico_protocol::id::{Address, SubmitId};
use plico_protocol::ledger::EntrySequence;
use plico_protocol::limits::ALPN;
use plico_protocol::pricing::Millionths;
use plico_protocol::prove::Proof;
use plico_protocol::ticket::{Categories, Category, Terms, Ticket, ticket_commitment};
use plico_relay::Relay;
use quinn::{Endpoint, EndpointConfig, SendStream, TokioRuntime};
use rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768;
use tokio::time::{sleep, timeout};

use crate::harness::raw::{Raw, RawFrames, RawStream};
use crate::harness::world::{Bank, Customer, submission};
use crate::simulation::chance::Chance;
use crate::simulation::history::Fact;
use crate::simulation::life::Life;
use crate::simulation::network::{Cable, Host};
use crate::simulation::relay::RelayHost;
use crate::simulation::world::{Times, World};

/// Both, as one.
pub(crate) struct MiserHost {
    world: World,
    chance: Chance,
    host: Arc<Host>,
    relay: SocketAddr,
    bank: Bank,
    device: Customer,
    ticket: Option<Ticket>,
    /// Submissions so far, and the last of them.
    sent: u32,
    last: Option<ClientFrame>,
    /// The business's requests, the device's, and what the device is handed.
    shop: Option<Line>,
    pocket: Option<Line>,
    reading: Option<Reading>,
}

/// A connection, and a stream of requests on it.
struct Line {
    life: Arc<Life>,
    raw: Raw,
    requests: RawStream,
}

/// A delivery stream.
struct Reading {
    acknowledging: SendStream,
    channel: Channel,
    /// The last it was handed and the last it acknowledged.
    handed: Arc<AtomicU64>,
    acknowledged: u64,
}

impl MiserHost {
    /// Has the business certified.
    pub(crate) async fn begin(world: &World, relay: &Relay, at: &RelayHost) -> Self {
        let (bank, device) = (Bank::new(BANK), Customer::new(DEVICE));
        at.certify(relay, &bank.request(NAME).to_text()).await;
        Self {
            world: world.clone(),
            chance: world.chance("miser"),
            host: Host::new(HOST),
            relay: at.address(),
            bank,
            device,
            ticket: None,
            sent: 0,
            last: None,
            shop: None,
            pocket: None,
            reading: None,
        }
    }

    /// Does so until it is calm, and reads the ledger in the end.
    pub(crate) async fn live(mut self) {
        while self.world.is_wild() {
            sleep(self.chance.millis(PAUSE_MS)).await;
            // What fails is not tried again.
            let _ = match self.chance.within(0..20) {
                0..6 => self.send_some().await,
                6 => self.repeat().await,
                7..9 => self.read().await,
                9..13 => self.acknowledge().await,
                13..17 => self.read_and_revoke().await,
                17 => self.close().await,
                18 => self.change_terms().await,
                _ => self.hang_up(),
            };
        }
        let _ = self.hang_up();
        self.world.until(Times::Over).await;
        self.shop = None;
        self.read_ledger().await.unwrap();
    }

    async fn send_some(&mut self) -> Option<()> {
        for _ in 0..self.chance.within(1..4) {
            self.send().await?;
        }
        Some(())
    }

    /// A message that may cost something.
    async fn send(&mut self) -> Option<()> {
        if self.ticket.is_none() {
            self.mint().await?;
        }
        self.sent += 1;
        let consent = Consent {
            ticket: self.ticket?,
            opening: self.device.opening,
            category: *self.chance.pick(&[Category::Service, Category::Utility]),
            price_max: *self.chance.pick(&PRICES_MAX),
        };
        let mut number = [0; 12];
        number[..4].copy_from_slice(&self.sent.to_be_bytes());
        let id = SubmitId::compose(self.world.clock.now().hour(), number);
        let class = SizeClass::Small.bytes();
        let frame = submission(self.device.address(), id, Some(consent), class);
        self.last = Some(frame.clone());
        let answer = self.ask_shop(&frame).await?;
        if matches!(answer, RelayFrame::Refused(_)) && self.chance.per_mille(500) {
            self.ticket = None;
        }
        Some(())
    }

    /// Whether or not it was accepted, or answered.
    async fn repeat(&mut self) -> Option<()> {
        let last = self.last.clone()?;
        self.ask_shop(&last).await.map(drop)
    }

    async fn mint(&mut self) -> Option<()> {
        let address = self.device.address();
        self.ask_pocket(&ClientFrame::Open { address }).await?;
        let (terms, window) = (self.terms(), self.chance.per_mille(500));
        let minted = self.ask_pocket(&ClientFrame::Mint { address, terms, window }).await?;
        self.minted(minted)
    }

    async fn change_terms(&mut self) -> Option<()> {
        let (address, terms) = (self.device.address(), self.terms());
        let minted = self.ask_pocket(&ClientFrame::ChangeTerms { address, terms }).await?;
        self.minted(minted)
    }

    fn minted(&mut self, answer: RelayFrame) -> Option<()> {
        let RelayFrame::Minted(ticket) = answer else { return None };
        self.ticket = Some(*ticket);
        Some(())
    }

    fn terms(&mut self) -> Terms {
        let days = u32::try_from(self.chance.within(1..40)).unwrap();
        Terms {
            categories: Categories::of(&[Category::Service, Category::Utility]).unwrap(),
            messages_max: 50,
            valid_until: self.world.clock.now().minute().plus(days * 24 * 60),
            commitment: ticket_commitment(&self.bank.account.public(), &self.device.opening),
        }
    }

    /// Subscribes, on another connection than before if there was one.
    async fn read(&mut self) -> Option<()> {
        let address = self.device.address();
        self.hang_up();
        let mut stream = self.pocket().await?.raw.try_stream().await?;
        let answer = stream.try_ask(&ClientFrame::Subscribe { address }).await?;
        let RelayFrame::Subscribed { channel } = answer else { return None };
        let (acknowledging, frames) = stream.split();
        let handed = Arc::new(AtomicU64::new(0));
        tokio::spawn(Box::pin(note_handed(self.world.clone(), address, frames, handed.clone())));
        self.reading = Some(Reading { acknowledging, channel, handed, acknowledged: 0 });
        Some(())
    }

    /// What it was handed, as opened or unreadable.
    async fn acknowledge(&mut self) -> Option<()> {
        if self.reading.is_none() {
            self.read().await?;
            sleep(Duration::from_secs(1)).await;
        }
        let reading = self.reading.as_mut()?;
        let handed = reading.handed.load(Ordering::Relaxed);
        if handed <= reading.acknowledged {
            return None;
        }
        let since = std::mem::replace(&mut reading.acknowledged, handed) + 1;
        let all = (since.max(handed.saturating_sub(9))..=handed).map(Sequence);
        let unreadable = if self.chance.per_mille(500) { all.collect() } else { Vec::new() };
        let (channel, up_to) = (reading.channel, Sequence(handed));
        let frame = ClientFrame::Acknowledge { channel, up_to, unreadable };
        reading.acknowledging.write_all(&frame.to_bytes()).await.ok()
    }

    /// Takes every ticket back, at once or after a while.
    async fn read_and_revoke(&mut self) -> Option<()> {
        if self.reading.is_none() {
            self.read().await?;
        }
        let whiles = [0, 200, 3_000, 7_000];
        sleep(Duration::from_millis(*self.chance.pick(&whiles))).await;
        let address = self.device.address();
        self.ask_pocket(&ClientFrame::Revoke { address }).await?;
        self.ticket = None;
        Some(())
    }

    async fn close(&mut self) -> Option<()> {
        let address = self.device.address();
        self.ask_pocket(&ClientFrame::Close { address }).await?;
        self.hang_up()
    }

    /// Ends the device's connection; the relay hears of it, or waits for it in vain.
    fn hang_up(&mut self) -> Option<()> {
        self.reading = None;
        let line = self.pocket.take()?;
        if self.chance.per_mille(300) {
            line.life.kill();
        }
        line.end();
        Some(())
    }

    /// The whole of it, and its head.
    async fn read_ledger(&mut self) -> Option<()> {
        let mut lines = Vec::new();
        loop {
            let from = EntrySequence(u64::try_from(lines.len()).unwrap());
            let page = self.ask_shop(&ClientFrame::ReadLedger { from }).await?;
            let RelayFrame::Entries(page) = page else { return None };
            if page.is_empty() {
                break;
            }
            lines.extend(page);
        }
        let headed = self.ask_shop(&ClientFrame::Head { since: 0 }).await?;
        let RelayFrame::Headed(headed) = headed else { return None };
        let Headed { head, .. } = *headed;
        let account = self.bank.account.public();
        self.world.note(Fact::Read { account, lines, head: Box::new(head) });
        Some(())
    }

    async fn ask_shop(&mut self, frame: &ClientFrame) -> Option<RelayFrame> {
        if self.shop.is_none() {
            let cable = self.connecting();
            let account = &self.bank.account;
            let proof = |raw: &Raw| Proof::account(account, &raw.exporter());
            self.shop = Some(Line::open(cable, self.relay, proof).await?);
        }
        ask(&mut self.shop, frame).await
    }

    async fn ask_pocket(&mut self, frame: &ClientFrame) -> Option<RelayFrame> {
        self.pocket().await?;
        let answer = ask(&mut self.pocket, frame).await;
        if self.pocket.is_none() {
            self.reading = None;
        }
        answer
    }

    async fn pocket(&mut self) -> Option<&mut Line> {
        if self.pocket.is_none() {
            let cable = self.connecting();
            let mailbox = &self.device.mailbox;
            let proof = |raw: &Raw| Proof::mailbox(mailbox, &raw.exporter());
            self.pocket = Some(Line::open(cable, self.relay, proof).await?);
        }
        self.pocket.as_mut()
    }

    fn connecting(&mut self) -> (Arc<Life>, Cable) {
        let life = Life::new(&self.world);
        let cable = Cable::new(&self.world.net, &self.host, &life, &mut self.chance);
        (life, cable)
    }
}

impl Line {
    /// Connects and proves a key.
    async fn open(
        (life, cable): (Arc<Life>, Cable),
        relay: SocketAddr,
        proof: impl FnOnce(&Raw) -> Proof,
    ) -> Option<Self> {
        let mut config = EndpointConfig::default();
        config.rng_seed(Some(cable.seed()));
        let (socket, runtime) = (cable.socket(relay).unwrap(), Arc::new(TokioRuntime));
        let endpoint = Endpoint::new_with_abstract_socket(config, None, socket, runtime);
        let mut endpoint = endpoint.unwrap();
        endpoint.set_default_client_config(Raw::config(X25519MLKEM768, ALPN));
        let raw = timeout(PATIENCE, Raw::over(endpoint, relay)).await.ok()?.ok()?;
        let mut requests = raw.try_stream().await?;
        match requests.try_ask(&ClientFrame::Prove(proof(&raw))).await? {
            RelayFrame::Proved => Some(Self { life, raw, requests }),
            _ => None,
        }
    }

    fn end(self) {
        self.raw.connection.close(0_u32.into(), b"");
    }
}

/// Asks on a line; one that does not answer is given up.
async fn ask(line: &mut Option<Line>, frame: &ClientFrame) -> Option<RelayFrame> {
    let answer = line.as_mut()?.requests.try_ask(frame).await;
    if answer.is_none() {
        line.take().into_iter().for_each(Line::end);
    }
    answer
}

/// Notes what comes on a delivery stream, until it ends.
async fn note_handed(world: World, queue: Address, mut frames: RawFrames, handed: Arc<AtomicU64>) {
    while let Some(frame) = frames.read().await {
        if let RelayFrame::Deliver(delivery) = frame {
            let sequence = delivery.sequence;
            world.note(Fact::Handed { queue, sequence });
            handed.store(sequence.0, Ordering::Relaxed);
        }
    }
}

const HOST: u8 = 20;
pub(crate) const NAME: &str = "usurer";
const BANK: u8 = 41;
const DEVICE: u8 = 42;
const PAUSE_MS: std::ops::Range<u64> = 500..12_000;
const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing, a little less than the price, and enough.
const PRICES_MAX: [Millionths; 5] = {
    let [nothing, less, enough] = [Millionths::ZERO, Millionths(89_999), Millionths::UNIT];
    [nothing, less, enough, enough, enough]
};
