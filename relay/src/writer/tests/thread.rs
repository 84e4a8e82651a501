//! The thread: order, shared commits, ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use plico_protocol::frame::RelayFrame;
use plico_protocol::refusal::Code;

use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::request::Request;
use crate::store::{Disk, Memory};
use crate::writer::fixture::{START, Seeded, SetClock, authority, person};
use crate::writer::{Core, Fatal, Limits, NoWake, Point, Probe, Setup, Writer, start};

/// Counts points, and holds the first batch until it is let go.
struct Gate {
    seen: Mutex<Vec<Point>>,
    entered: mpsc::SyncSender<()>,
    held: Mutex<mpsc::Receiver<()>>,
    batches: AtomicUsize,
}

impl Probe for Gate {
    fn reached(&self, point: Point) {
        self.seen.lock().unwrap().push(point);
        if point == Point::BeforeDecide && self.batches.fetch_add(1, Ordering::SeqCst) == 0 {
            self.entered.send(()).unwrap();
            self.held.lock().unwrap().recv().unwrap();
        }
    }
}

fn core(disk: &Disk, probe: Arc<dyn Probe>) -> Core {
    Core::open(Setup {
        store: Arc::new(Memory::open(disk).unwrap()),
        keys: Keys::in_memory(authority().public(), START, &mut Seeded(3)),
        clock: Arc::new(SetClock::at(START)),
        rng: Box::new(Seeded(7)),
        limits: Limits::default(),
        wake: Arc::new(NoWake),
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
    let (entered, is_entered) = mpsc::sync_channel(1);
    let (let_go, held) = mpsc::channel();
    let gate = Arc::new(Gate {
        seen: Mutex::default(),
        entered,
        held: Mutex::new(held),
        batches: AtomicUsize::new(0),
    });
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
    running.join().unwrap();
    assert_eq!(gate.batches.load(Ordering::SeqCst), 2);
    assert_eq!(*gate.seen.lock().unwrap(), [Point::ALL, Point::ALL].concat());
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
    running.join().unwrap();
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
    running.join().unwrap();
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
    running.join().unwrap_err();
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
