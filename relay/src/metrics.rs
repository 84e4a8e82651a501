//! What a relay counts about itself: an allow-list of names, and of labels from fixed sets.
//!
//! Nothing here takes a text from a peer, and no label tells one business or person from another:
//! counts of a mailbox over time would be that person's diary. Each relay has a recorder of its
//! own instead of the process's, so that several in one process do not count together.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{
    BuildError, ExporterFuture, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use plico_protocol::frame::RelayFrame;
use plico_protocol::limits::SIZE_CLASSES;
use plico_protocol::refusal::Code;
use quinn::Endpoint;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::directory::Directory;
use crate::space::Watermark;
use crate::store::Store;

/// One metric of the allow-list.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What a value counts; a label stands in braces behind it.
    pub unit: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

macro_rules! metrics {
    ($($place:ident: $name:literal, $kind:literal, $unit:literal, $meaning:literal;)+) => {
        $(const $place: Metric =
            Metric { name: $name, kind: $kind, unit: $unit, meaning: $meaning };)+
        /// Every metric there is.
        pub const ALL: &[Metric] = &[$($place,)+];
    };
}

metrics! {
    ACCEPTED: "plico_accepted_total", "counter", "answers",
        "submissions answered as accepted; one that is repeated counts again";
    DELIVERED: "plico_delivered_total", "counter", "envelopes {kib}",
        "envelopes written to delivery streams; one delivered again counts again";
    ACKNOWLEDGED: "plico_acknowledged_total", "counter", "answers",
        "acknowledgements put on disk; one may cover several envelopes";
    REFUSED: "plico_refused_total", "counter", "answers {code}",
        "requests refused, by refusal code";
    HANDSHAKES: "plico_handshakes_total", "counter", "handshakes {outcome}",
        "arrivals by outcome: completed, failed, refused, retried";
    OPEN: "plico_connections_open", "gauge", "connections",
        "connections open, unfinished handshakes included";
    ENDED: "plico_connections_ended_total", "counter", "connections {kind}",
        "connections that ended: undecided, anonymous, person, business";
    BATCH: "plico_batch_requests", "histogram", "requests",
        "requests and sweeps that shared a commit";
    COMMIT: "plico_commit_seconds", "histogram", "seconds",
        "deciding a batch and putting it on disk";
    SWEEPS: "plico_sweeps_total", "counter", "sweeps",
        "steps of ending what is past its hour";
    STORE: "plico_store_bytes", "gauge", "bytes",
        "disk the database takes";
    FREE: "plico_disk_free_bytes", "gauge", "bytes",
        "disk free where the data is";
    CERTIFICATES: "plico_certificates", "gauge", "certificates",
        "certificates valid now";
    NEXT_END: "plico_certificate_next_end_seconds", "gauge", "seconds",
        "time until the first of them ends; 0 if there is none";
    UPTIME: "plico_uptime_seconds", "gauge", "seconds",
        "time since the relay started";
}

/// Why a relay does not serve its metrics.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics: {0}; set `metrics_listen` to a free port, or to \"\" for none")]
pub struct MetricsError(#[from] BuildError);

/// What is counted as it happens.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    accepted: Counter,
    delivered: [(usize, Counter); SIZE_CLASSES.len()],
    acknowledged: Counter,
    refused: Vec<(Code, Counter)>,
    pub(crate) completed: Counter,
    pub(crate) failed: Counter,
    pub(crate) turned_away: Counter,
    pub(crate) retried: Counter,
    ended: Vec<(&'static str, Counter)>,
    batch: Histogram,
    commit: Histogram,
    sweeps: Counter,
    gauges: Gauges,
}

struct Gauges {
    open: Gauge,
    store: Gauge,
    free: Gauge,
    certificates: Gauge,
    next_end: Gauge,
    uptime: Gauge,
}

impl Metrics {
    /// Counts from zero; gives what serves the counts over HTTP if there is an address for it.
    /// With an address it must be called within a tokio runtime.
    pub(crate) fn new(
        listen: Option<std::net::SocketAddr>,
    ) -> Result<(Arc<Self>, Option<ExporterFuture>), MetricsError> {
        let full = |metric: Metric| Matcher::Full(metric.name.to_owned());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(full(BATCH), &BATCH_BUCKETS)?
            .set_buckets_for_metric(full(COMMIT), &COMMIT_BUCKETS_SECONDS)?;
        let (recorder, exporter) = match listen {
            Some(address) => {
                let (recorder, exporter) = builder.with_http_listener(address).build()?;
                (recorder, Some(exporter))
            }
            None => (builder.build_recorder(), None),
        };
        Ok((Arc::new(Self::register(&recorder)), exporter))
    }

    /// Every counter is there from the start: one that appears later looks like a restart.
    fn register(recorder: &PrometheusRecorder) -> Self {
        for metric in ALL {
            describe(recorder, metric);
        }
        let counter = |metric: Metric| recorder.register_counter(&key(metric, &[]), &METADATA);
        let labelled = |metric: Metric, label: &'static str, value: &'static str| {
            recorder.register_counter(&key(metric, &[(label, value)]), &METADATA)
        };
        let outcome = |value| labelled(HANDSHAKES, "outcome", value);
        let gauge = |metric: Metric| recorder.register_gauge(&key(metric, &[]), &METADATA);
        let histogram = |metric: Metric| recorder.register_histogram(&key(metric, &[]), &METADATA);
        let refused = |code: &Code| (*code, labelled(REFUSED, "code", code.name()));
        Self {
            handle: recorder.handle(),
            accepted: counter(ACCEPTED),
            delivered: CLASSES.map(|(bytes, kib)| (bytes, labelled(DELIVERED, "kib", kib))),
            acknowledged: counter(ACKNOWLEDGED),
            refused: Code::ALL.iter().map(refused).collect(),
            completed: outcome("completed"),
            failed: outcome("failed"),
            turned_away: outcome("refused"),
            retried: outcome("retried"),
            ended: KINDS.iter().map(|kind| (*kind, labelled(ENDED, "kind", kind))).collect(),
            batch: histogram(BATCH),
            commit: histogram(COMMIT),
            sweeps: counter(SWEEPS),
            gauges: Gauges {
                open: gauge(OPEN),
                store: gauge(STORE),
                free: gauge(FREE),
                certificates: gauge(CERTIFICATES),
                next_end: gauge(NEXT_END),
                uptime: gauge(UPTIME),
            },
        }
    }

    /// A frame that is about to be written.
    pub(crate) fn says(&self, frame: &RelayFrame) {
        match frame {
            RelayFrame::Accepted(_) => self.accepted.increment(1),
            RelayFrame::Deliver(delivery) => {
                let bytes = delivery.envelope.0.len();
                let counter = self.delivered.iter().find(|(class, _)| *class == bytes);
                counter.iter().for_each(|(_, counter)| counter.increment(1));
            }
            RelayFrame::Acknowledged { .. } => self.acknowledged.increment(1),
            RelayFrame::Refused(refusal) => {
                let counter = self.refused.iter().find(|(code, _)| *code == refusal.code);
                counter.iter().for_each(|(_, counter)| counter.increment(1));
            }
            _ => (),
        }
    }

    /// A connection of this kind ended.
    pub(crate) fn ended(&self, kind: &str) {
        let counter = self.ended.iter().find(|(name, _)| *name == kind);
        counter.iter().for_each(|(_, counter)| counter.increment(1));
    }

    /// A batch is on disk.
    pub(crate) fn committed(&self, requests: u32, took: Duration) {
        self.batch.record(requests);
        self.commit.record(took);
    }

    /// A step of the sweeps is done.
    pub(crate) fn swept(&self) {
        self.sweeps.increment(1);
    }
}

/// Reads what is a state rather than a count.
#[derive(Clone)]
pub(crate) struct Sampler {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) endpoint: Endpoint,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) directory: Directory,
    pub(crate) watermark: Watermark,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started: Instant,
    /// Dropped last, as [`crate::service::Service`] has it.
    pub(crate) _user: mpsc::Sender<()>,
}

impl Sampler {
    /// Brings the gauges up to date and folds what the histograms gathered.
    pub(crate) fn sample(&self) {
        let gauges = &self.metrics.gauges;
        let now = self.clock.now().hour();
        let ends = self.directory.ends(now);
        let next_end = ends.iter().min().map_or(0, |end| end.0.saturating_sub(now.0));
        gauges.open.set(value(self.endpoint.open_connections() as u64));
        gauges.store.set(value(self.store.bytes().unwrap_or(0)));
        gauges.free.set(value(self.watermark.free_bytes()));
        gauges.certificates.set(value(ends.len() as u64));
        gauges.next_end.set(f64::from(next_end) * 3_600.0);
        gauges.uptime.set(value(self.started.elapsed().as_secs()));
        self.metrics.handle.run_upkeep();
    }

    /// Everything of this moment as Prometheus reads it (text format 0.0.4).
    pub(crate) fn text(&self) -> String {
        self.sample();
        self.metrics.handle.render()
    }
}

fn describe(recorder: &PrometheusRecorder, metric: &Metric) {
    let unit = match metric.unit {
        "seconds" => Unit::Seconds,
        "bytes" => Unit::Bytes,
        _ => Unit::Count,
    };
    let (name, unit, meaning) = (metric.name.into(), Some(unit), metric.meaning.into());
    match metric.kind {
        "counter" => recorder.describe_counter(name, unit, meaning),
        "gauge" => recorder.describe_gauge(name, unit, meaning),
        _ => recorder.describe_histogram(name, unit, meaning),
    }
}

fn key(metric: Metric, labels: &[(&'static str, &'static str)]) -> Key {
    let labels: Vec<_> =
        labels.iter().map(|(name, value)| Label::from_static_parts(name, value)).collect();
    Key::from_parts(metric.name, labels)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; it is exact up to 2^53, and bytes beyond may be rounded"
)]
fn value(whole: u64) -> f64 {
    whole as f64
}

impl core::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

const METADATA: Metadata<'static> = Metadata::new("plico_relay", Level::INFO, None);
/// The size classes and their names.
const CLASSES: [(usize, &str); SIZE_CLASSES.len()] = {
    let [small, medium, large, huge] = SIZE_CLASSES;
    [(small, "2"), (medium, "8"), (large, "32"), (huge, "64")]
};
/// The names of `connection::kind::Kind`.
const KINDS: [&str; 4] = ["undecided", "anonymous", "person", "business"];
/// To the most a commit carries.
const BATCH_BUCKETS: [f64; 7] = [1.0, 2.0, 8.0, 32.0, 128.0, 256.0, 512.0];
/// From a solid-state disk's sync to a disk that is failing.
const COMMIT_BUCKETS_SECONDS: [f64; 7] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0];
