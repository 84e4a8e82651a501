//! The network: datagrams that are lost, late, overtaken and doubled between sockets in memory.
//!
//! What befalls a datagram depends on the seed, the two hosts and how many went before it on that
//! way, and on nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::simulation::chance::Chance;
use crate::simulation::life::Life;

/// Every way between hosts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Net(Arc<Mutex<Ways>>);

struct Ways {
    seed: u64,
    fates: BTreeMap<(IpAddr, IpAddr), Chance>,
    sockets: BTreeMap<SocketAddr, Inbox>,
    /// Counts datagrams, so that two of one moment keep an order.
    sent: u64,
}

/// What is on its way to a socket, by the moment it arrives.
struct Inbox {
    owner: u64,
    due: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

/// A machine's place in the network.
pub(crate) struct Host {
    address: Ipv4Addr,
    unplugged: AtomicBool,
    lost_per_mille: AtomicU64,
    ports: AtomicU16,
}

/// What a life of a host sends through: silent once the life is over.
#[derive(Clone)]
pub(crate) struct Cable {
    net: Net,
    host: Arc<Host>,
    life: Arc<Life>,
    chance: Arc<Mutex<Chance>>,
}

struct Socket {
    cable: Cable,
    address: SocketAddr,
    owner: u64,
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        let (fates, sockets) = (BTreeMap::new(), BTreeMap::new());
        Self(Arc::new(Mutex::new(Ways { seed, fates, sockets, sent: 0 })))
    }

    /// Datagrams sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.ways().sent
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.0.lock().unwrap()
    }
}

impl Host {
    /// A host of a number of its own, in an address block of its own.
    pub(crate) fn new(number: u8) -> Arc<Self> {
        Arc::new(Self {
            address: Ipv4Addr::new(10, number, 0, 1),
            unplugged: AtomicBool::new(false),
            lost_per_mille: AtomicU64::new(0),
            ports: AtomicU16::new(FIRST_PORT),
        })
    }

    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.address, port))
    }

    /// Cuts it off, or ends that.
    pub(crate) fn unplug(&self, unplugged: bool) {
        self.unplugged.store(unplugged, Ordering::Relaxed);
    }

    /// How many in a thousand of the datagrams it sends or is sent are lost.
    pub(crate) fn lose(&self, per_mille: u64) {
        self.lost_per_mille.store(per_mille, Ordering::Relaxed);
    }
}

impl Cable {
    pub(crate) fn new(net: &Net, host: &Arc<Host>, life: &Arc<Life>, chance: &mut Chance) -> Self {
        let (net, host, life) = (net.clone(), host.clone(), life.clone());
        Self { net, host, life, chance: Arc::new(Mutex::new(chance.branch())) }
    }

    /// Opens the socket of an address, which is taken from whoever had it.
    pub(crate) fn socket_at(&self, address: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
        let mut ways = self.net.ways();
        ways.sent += 1;
        let owner = ways.sent;
        ways.sockets.insert(address, Inbox { owner, due: BTreeMap::new(), waker: None });
        Arc::new(Socket { cable: self.clone(), address, owner, timer: Mutex::default() })
    }

    /// Nothing goes through.
    fn is_silent(&self) -> bool {
        self.life.is_over() || self.host.unplugged.load(Ordering::Relaxed)
    }
}

impl plico_client::Network for Cable {
    fn socket(&self, _local: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let port = self.host.ports.fetch_add(1, Ordering::Relaxed);
        Ok(self.socket_at(self.host.at(port)))
    }

    fn seed(&self) -> [u8; 32] {
        self.chance.lock().unwrap().seed()
    }
}

impl Ways {
    fn send(&mut self, host: &Host, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let seed = self.seed;
        let way = || Chance::of(seed, &format!("{} to {}", from.ip(), to.ip()));
        let fate = self.fates.entry((from.ip(), to.ip())).or_insert_with(way);
        let copies = match host.lost_per_mille.load(Ordering::Relaxed) {
            lost if fate.per_mille(lost) => 0,
            _ if fate.per_mille(DOUBLED_PER_MILLE) => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let late = if fate.per_mille(LATE_PER_MILLE) { LATE_MS } else { USUAL_MS };
            let at = Instant::now() + fate.millis(late);
            let Some(inbox) = self.sockets.get_mut(&to) else { continue };
            self.sent += 1;
            let earlier = inbox.due.first_key_value().is_none_or(|((first, _), _)| at < *first);
            inbox.due.insert((at, self.sent), (from, bytes.to_vec()));
            if earlier && let Some(waker) = inbox.waker.take() {
                waker.wake();
            }
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysReady)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let Cable { net, host, .. } = &self.cable;
        if !self.cable.is_silent() {
            net.ways().send(host, self.address, transmit.destination, transmit.contents);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut ways = self.cable.net.ways();
        let owned = ways.sockets.get_mut(&self.address).filter(|inbox| inbox.owner == self.owner);
        let Some(inbox) = owned else { return Poll::Pending };
        loop {
            let came = inbox.take(self.cable.is_silent(), buffers, meta);
            if 0 < came {
                return Poll::Ready(Ok(came));
            }
            inbox.waker = Some(context.waker().clone());
            let Some(((at, _), _)) = inbox.due.first_key_value() else { return Poll::Pending };
            if self.poll_timer(*at, context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl Inbox {
    /// Hands out what has arrived; how many datagrams. To a silent host nothing arrives.
    fn take(
        &mut self,
        silent: bool,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> usize {
        let now = Instant::now();
        let mut came = 0;
        while came < buffers.len()
            && let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let (from, bytes) = entry.remove();
            if silent {
                continue;
            }
            let length = bytes.len();
            buffers[came][..length].copy_from_slice(&bytes);
            meta[came] =
                RecvMeta { addr: from, len: length, stride: length, ..RecvMeta::default() };
            came += 1;
        }
        came
    }
}

impl Socket {
    fn poll_timer(&self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.timer.lock().unwrap();
        let sleep = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(context)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut ways = self.cable.net.ways();
        if ways.sockets.get(&self.address).is_some_and(|inbox| inbox.owner == self.owner) {
            ways.sockets.remove(&self.address);
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.address)
    }
}

#[derive(Debug)]
struct AlwaysReady;

impl UdpPoller for AlwaysReady {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const FIRST_PORT: u16 = 10_000;
const USUAL_MS: std::ops::Range<u64> = 5..25;
/// A late datagram is overtaken by many.
const LATE_MS: std::ops::Range<u64> = 25..400;
const LATE_PER_MILLE: u64 = 20;
const DOUBLED_PER_MILLE: u64 = 10;
