//! The writer's thread and the handle with which everyone reaches it. In a simulation it is a task.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use plico_protocol::refusal::{Code, Refusal};
use tokio::sync::{mpsc, oneshot};

use super::commit::{Core, Fatal, Swept};
use super::task::{Answer, Task};
use crate::metrics::Metrics;
use crate::request::{Reply, Request};
use crate::writer::Point;

/// Hands requests to the writer's thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
}

/// The answer to come. Requests handed over one after the other are decided in that order.
#[derive(Debug)]
pub struct Pending {
    answer: oneshot::Receiver<Answer>,
}

/// The running writer.
#[derive(Debug)]
pub struct Running(Place);

#[derive(Debug)]
enum Place {
    Thread(std::thread::JoinHandle<()>),
    Task(tokio::task::JoinHandle<()>),
}

/// Called on the writer's thread when it cannot go on. Nobody of the batch was answered.
pub type OnFatal = Box<dyn FnOnce(&Fatal) + Send>;

#[derive(Debug)]
enum Job {
    Task { task: Task, answer: oneshot::Sender<Answer> },
    Stop,
}

/// Starts the thread.
///
/// # Errors
///
/// What the operating system says when it has no thread to give.
pub(crate) fn start(
    core: Core,
    on_fatal: OnFatal,
    metrics: Arc<Metrics>,
) -> std::io::Result<(Writer, Running)> {
    let (sender, mut queue) = mpsc::channel(QUEUE_REQUESTS_MAX);
    let mut path = Path::new(core, on_fatal, metrics);
    let run = move || {
        while let Some(first) = queue.blocking_recv()
            && path.carry_out(first, &mut queue)
        {}
        path.leave();
    };
    let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(run)?;
    Ok((Writer { queue: sender }, Running(Place::Thread(thread))))
}

/// Starts a task in the thread's place, for simulations: on a paused clock, time would pass at once
/// whenever all tasks wait for a thread. A batch is what came within `sync` of its first request.
pub(crate) fn start_task(
    core: Core,
    on_fatal: OnFatal,
    metrics: Arc<Metrics>,
    sync: Duration,
) -> (Writer, Running) {
    let (sender, mut queue) = mpsc::channel(QUEUE_REQUESTS_MAX);
    let mut path = Path::new(core, on_fatal, metrics);
    let task = tokio::spawn(async move {
        while let Some(first) = queue.recv().await {
            tokio::time::sleep(sync).await;
            if !path.carry_out(first, &mut queue) {
                break;
            }
        }
        path.leave();
    });
    (Writer { queue: sender }, Running(Place::Task(task)))
}

/// The [`OnFatal`] of production: says why and ends the process at once, so that no answer leaves
/// it any more.
pub fn exit_process(fatal: &Fatal) {
    tracing::error!(target: "plico_relay::writer", error = %fatal, "cannot commit; exiting");
    std::process::exit(FATAL_EXIT_STATUS);
}

impl Writer {
    /// Hands a request over and waits until it is on disk.
    ///
    /// # Errors
    ///
    /// The refusal; `shutting_down` once the thread has stopped.
    pub async fn call(&self, request: Request) -> Reply {
        self.enqueue(request).await.await
    }

    /// Hands a request over, waiting only while the queue is full. The answer comes by the value
    /// returned, so that pipelined requests share a commit.
    pub fn enqueue(&self, request: Request) -> impl Future<Output = Pending> {
        self.hand_over(Task::request(request))
    }

    /// Ends what is past its hour, forgets what is due and settles past days, a bounded number of rows
    /// per commit, so that requests pass in between. To be called every few minutes.
    ///
    /// # Errors
    ///
    /// `storage_full` or `shutting_down`.
    pub async fn sweep(&self) -> Result<(), Refusal> {
        self.steps(|| Task::Sweep).await?;
        self.steps(|| Task::Settle).await
    }

    async fn steps(&self, task: fn() -> Task) -> Result<(), Refusal> {
        loop {
            match self.hand_over(task()).await.answer.await {
                Ok(Answer::Swept(Ok(Swept { more: true }))) => (),
                Ok(Answer::Swept(swept)) => return swept.map(|_| ()),
                Ok(Answer::Reply(_) | Answer::Charged(_)) | Err(_) => return Err(stopped()),
            }
        }
    }

    /// Waits until everything that was handed over before is answered, whatever keys it was decided
    /// with.
    pub(crate) async fn settle(&self) {
        let _ = self.hand_over(Task::Sweep).await.answer.await;
    }

    /// Lets the thread finish what is queued and end; what comes later is refused as
    /// `shutting_down`.
    pub async fn stop(&self) {
        // Fails only if it has ended already.
        let _ = self.queue.send(Job::Stop).await;
    }

    /// Every stream has room for this future even while it waits, so the job is in it once: an
    /// `async fn` would hold its argument beside it, `send` a second one.
    #[expect(clippy::async_yields_async, reason = "a place first, then an answer: pipelining")]
    fn hand_over(&self, task: Task) -> impl Future<Output = Pending> {
        let (sender, answer) = oneshot::channel();
        let job = Job::Task { task, answer: sender };
        async move {
            // A job without a place is dropped with its sender, which the receiver learns.
            if let Ok(place) = self.queue.reserve().await {
                place.send(job);
            }
            Pending { answer }
        }
    }
}

impl Running {
    /// Waits until the writer has ended.
    ///
    /// # Errors
    ///
    /// What it panicked with.
    pub async fn join(self) -> std::thread::Result<()> {
        let ended = match self.0 {
            Place::Thread(thread) => tokio::task::spawn_blocking(|| thread.join()).await,
            Place::Task(task) => task.await.map(Ok),
        };
        ended.unwrap_or_else(|error| Err(Box::new(error)))
    }
}

impl Future for Pending {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        Pin::new(&mut self.answer).poll(context).map(|answer| match answer {
            Ok(answer) => answer.into_reply(),
            Err(_) => Err(stopped()),
        })
    }
}

/// The commit path with what a batch needs besides.
struct Path {
    core: Core,
    end: End,
    metrics: Arc<Metrics>,
}

impl Path {
    fn new(core: Core, on_fatal: OnFatal, metrics: Arc<Metrics>) -> Self {
        Self { core, end: End { on_fatal: Some(on_fatal) }, metrics }
    }

    /// Carries out a batch of what is queued, and after it what must have a commit of its own;
    /// whether to go on.
    fn carry_out(&mut self, first: Job, queue: &mut mpsc::Receiver<Job>) -> bool {
        let (mut batch, mut alone) = (Batch::default(), Batch::default());
        let mut next = Some(first);
        while let Some(job) = next.take() {
            if job.is_alone() {
                alone.take(job, queue);
                break;
            }
            batch.take(job, queue);
            next = if batch.has_room() { queue.try_recv().ok() } else { None };
        }
        let Self { core, end, metrics } = self;
        let carried_out =
            batch.carry_out(core, metrics).and_then(|()| alone.carry_out(core, metrics));
        carried_out.inspect_err(|fatal| end.with(fatal)).is_ok()
    }
}

impl Path {
    /// After the last batch, unless one failed.
    fn leave(&mut self) {
        let Self { core, end, .. } = self;
        if end.on_fatal.is_some()
            && let Err(fatal) = core.leave()
        {
            end.with(&fatal);
        }
    }
}

/// Makes sure that a writer that panics is not survived by a process that takes requests.
struct End {
    on_fatal: Option<OnFatal>,
}

impl End {
    fn with(&mut self, fatal: &Fatal) {
        if let Some(on_fatal) = self.on_fatal.take() {
            on_fatal(fatal);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.with(&Fatal::Panicked);
        }
    }
}

impl Job {
    /// Whether its commit carries nothing else.
    fn is_alone(&self) -> bool {
        matches!(self, Self::Task { task: Task::Settle, .. })
    }
}

/// What one commit carries.
#[derive(Default)]
struct Batch {
    tasks: Vec<Task>,
    answers: Vec<oneshot::Sender<Answer>>,
    cost_bytes: usize,
}

impl Batch {
    fn take(&mut self, job: Job, queue: &mut mpsc::Receiver<Job>) {
        match job {
            Job::Task { task, answer } => {
                if let Task::Request(request) = &task {
                    self.cost_bytes += request.cost_bytes();
                }
                self.tasks.push(task);
                self.answers.push(answer);
            }
            // What is queued still comes out, then `None`.
            Job::Stop => queue.close(),
        }
    }

    fn has_room(&self) -> bool {
        self.tasks.len() < BATCH_REQUESTS_MAX && self.cost_bytes < BATCH_BYTES_MAX
    }

    fn carry_out(self, core: &mut Core, metrics: &Metrics) -> Result<(), Fatal> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        let (begun, requests) = (Instant::now(), self.tasks.len());
        let (answers, events) = core.commit(self.tasks)?;
        metrics.committed(u32::try_from(requests).unwrap_or(u32::MAX), begun.elapsed());
        // Who reads an answer and subscribes must not hear of what came before it.
        core.wake(events);
        core.reached(Point::AfterWake);
        for (answer, to) in answers.into_iter().zip(self.answers) {
            if let Answer::Swept(Ok(_)) = &answer {
                metrics.swept();
            }
            // Whoever asked may be gone; the change stands.
            let _ = to.send(answer);
        }
        core.reached(Point::AfterReply);
        Ok(())
    }
}

fn stopped() -> Refusal {
    Refusal::new(Code::ShuttingDown).retry_after(STOPPED_RETRY_MS)
}

/// Requests that may wait for the writer: 1,024 envelopes of 64 KiB are 64 MiB of memory. Beyond
/// it whoever asks waits, and with it the stream that carries the request.
const QUEUE_REQUESTS_MAX: usize = 1_024;
/// Requests of one commit: more do not make a sync cheaper, and the first ones wait for the last.
const BATCH_REQUESTS_MAX: usize = 512;
/// What one commit may write, in bytes, after which no further request joins it.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Milliseconds a restart takes, generously.
const STOPPED_RETRY_MS: u32 = 5_000;
/// `EX_IOERR` of sysexits.h.
const FATAL_EXIT_STATUS: i32 = 74;
