//! The thread: order, shared commits, ends.

use std::sync::{Arc, Mutex, mpsc};

use plico_protocol::frame::{Channel, RelayFrame};
use plico_protocol::refusal::Code;

use crate::delivery::hub::Hub;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::request::{Reply, Request};
use crate::store::{Disk, Memory};
use crate::writer::fixture::{START, Seeded, SetClock, authority, close, person};
use crate::writer::{Core, Fatal, Limits, NoWake, Point, Probe, Setup, Wake, Writer, start};

/// Notes points and answers, and holds the writer at some points until it is let go.
struct Gate {
    seen: Mutex<Vec<Point>>,
    decided: Mutex<Vec<Reply>>,
    /// A point, and the how-manieth time at it.
    stops: Vec<(Point, usize)>,
    entered: mpsc::SyncSender<()>,
    held: Mutex<mpsc::Receiver<()>>,
}

impl Gate {
    /// The gate, where to hear that the writer stands at it, and how to let it go.
    fn at(stops: Vec<(Point, usize)>) -> (Arc<Self>, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let (entered, is_entered) = mpsc::sync_channel(stops.len());
        let (let_go, held) = mpsc::channel();
        let held = Mutex::new(held);
        let (seen, decided) = (Mutex::default(), Mutex::default());
        (Arc::new(Self { seen, decided, stops, entered, held }), is_entered, let_go)
    }
}

impl Probe for Gate {
    fn reached(&self, point: Point) {
        let nth = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(point);
            seen.iter().filter(|passed| **passed == point).count()
        };
        if self.stops.contains(&(point, nth)) {
            self.entered.send(()).unwrap();
            self.held.lock().unwrap().recv().unwrap();
        }
    }

    fn decided(&self, _request: &Request, reply: &Reply) {
        self.decided.lock().unwrap().push(reply.clone());
    }
}

fn core(disk: &Disk, probe: Arc<dyn Probe>) -> Core {
    core_waking(disk, probe, Arc::new(NoWake))
}

fn core_waking(disk: &Disk, probe: Arc<dyn Probe>, wake: Arc<dyn Wake>) -> Core {
    Core::open(Setup {
        store: Arc::new(Memory::open(disk).unwrap()),
        keys: Keys::in_memory(&authority(), START, &mut Seeded(3)),
        clock: Arc::new(SetClock::at(START)),
        rng: Box::new(Seeded(7)),
        limits: Limits::default(),
        wake,
        probe,
    })
    .unwrap()
}

fn open(n: u8) -> Request {
    Request::Open { address: person(n) }
}

fn never(_: &Fatal) {
    panic!("nothing fatal was expected");
}

#[tokio::test]
async fn what_queues_during_a_commit_shares_the_next_one() {
    let (gate, is_entered, let_go) = Gate::at(vec![(Point::BeforeDecide, 1)]);
    let core = core(&Disk::default(), gate.clone());
    let (writer, running) = start(core, Box::new(never), metrics()).unwrap();
    let first = writer.enqueue(open(1)).await;
    is_entered.recv().unwrap();
    let mut rest = Vec::new();
    for n in 2..30 {
        rest.push(writer.enqueue(open(n)).await);
    }
    let_go.send(()).unwrap();
    assert_eq!(first.await, Ok(RelayFrame::Opened));
    for pending in rest {
        assert_eq!(pending.await, Ok(RelayFrame::Opened));
    }
    writer.stop().await;
    running.join().await.unwrap();
    assert_eq!(*gate.seen.lock().unwrap(), [Point::ALL, Point::ALL].concat());
    assert_eq!(*gate.decided.lock().unwrap(), vec![Ok(RelayFrame::Opened); 29]);
}

#[tokio::test]
async fn a_mailbox_that_is_open_again_does_not_end_for_who_subscribes_then() {
    // Both in one batch, and between its answers and its end a subscription.
    let stops = vec![(Point::BeforeDecide, 1), (Point::AfterReply, 2)];
    let (gate, is_entered, let_go) = Gate::at(stops);
    let hub = Arc::new(Hub::default());
    let core = core_waking(&Disk::default(), gate, hub.clone());
    let (writer, running) = start(core, Box::new(never), metrics()).unwrap();
    let _first = writer.enqueue(open(1)).await;
    is_entered.recv().unwrap();
    let closed = writer.enqueue(close(person(1))).await;
    let opened = writer.enqueue(open(1)).await;
    let_go.send(()).unwrap();
    assert_eq!(closed.await, Ok(RelayFrame::Closed));
    assert_eq!(opened.await, Ok(RelayFrame::Opened));
    let port = Arc::default();
    let _subscription = hub.subscribe(person(1), &port, Channel(0), None);
    let_go.send(()).unwrap();
    writer.stop().await;
    running.join().await.unwrap();
    assert_eq!(port.take().ended, []);
}

async fn ask_after(writer: &Writer) -> Code {
    writer.call(open(1)).await.unwrap_err().code
}

#[tokio::test]
async fn a_stopped_writer_finishes_what_was_queued_and_refuses_the_rest() {
    let core = core(&Disk::default(), Arc::new(crate::writer::NoProbe));
    let (writer, running) = start(core, Box::new(never), metrics()).unwrap();
    let queued = writer.enqueue(open(1)).await;
    writer.stop().await;
    assert_eq!(queued.await, Ok(RelayFrame::Opened));
    running.join().await.unwrap();
    assert_eq!(ask_after(&writer).await, Code::ShuttingDown);
    assert_eq!(writer.sweep().await.unwrap_err().code, Code::ShuttingDown);
}

#[tokio::test]
async fn a_failed_commit_reaches_the_hook_and_nobody_is_told_yes() {
    let disk = Disk::default();
    let core = core(&disk, Arc::new(crate::writer::NoProbe));
    disk.set_broken(true);
    let (told, fatal) = mpsc::channel();
    let on_fatal = Box::new(move |fatal: &Fatal| told.send(fatal.to_string()).unwrap());
    let (writer, running) = start(core, on_fatal, metrics()).unwrap();
    writer.call(open(1)).await.unwrap_err();
    assert!(fatal.recv().unwrap().contains("failed to commit"));
    running.join().await.unwrap();
}

/// A bug in the commit path.
struct Panics;

impl Probe for Panics {
    fn reached(&self, _: Point) {
        panic!("as a bug would");
    }
}

#[tokio::test]
async fn a_panic_in_the_thread_is_fatal() {
    let (told, fatal) = mpsc::channel();
    let on_fatal = Box::new(move |fatal: &Fatal| told.send(fatal.to_string()).unwrap());
    let (writer, running) =
        start(core(&Disk::default(), Arc::new(Panics)), on_fatal, metrics()).unwrap();
    writer.call(open(1)).await.unwrap_err();
    assert_eq!(fatal.recv().unwrap(), "the writer panicked");
    running.join().await.unwrap_err();
}

#[tokio::test]
async fn sweeping_by_the_handle_ends_when_nothing_is_due() {
    let core = core(&Disk::default(), Arc::new(crate::writer::NoProbe));
    let (writer, _running) = start(core, Box::new(never), metrics()).unwrap();
    writer.sweep().await.unwrap();
}

#[test]
fn points_have_names_of_their_own() {
    for point in Point::ALL {
        assert_eq!(Point::from_name(point.name()), Some(*point));
    }
}

fn metrics() -> Arc<Metrics> {
    Metrics::new(None).unwrap().0
}
