//! The lines of one agent: which are open, which are up, and for which connection an ask is meant.

use std::collections::BTreeMap;

use plico_protocol::frame::ClientFrame;
use plico_protocol::link::RelayLink;
use tokio::sync::mpsc;

use crate::connection::{Ask, Line, LineEvent, LineId, Options, Report};
use crate::probe::Point;

/// Every line of an agent.
pub(crate) struct Lines {
    options: Options,
    reports: mpsc::Sender<Report>,
    open: BTreeMap<LineId, Open>,
    opened: u64,
}

struct Open {
    line: Line,
    /// The connection that is up.
    epoch: Option<u64>,
}

impl Lines {
    pub(crate) fn new(options: Options, reports: mpsc::Sender<Report>) -> Self {
        Self { options, reports, open: BTreeMap::new(), opened: 0 }
    }

    /// Opens a line; it reports `Up` once it is connected.
    pub(crate) fn open(&mut self, relay: &RelayLink) -> LineId {
        self.opened += 1;
        let id = LineId(self.opened);
        let line = Line::open(id, relay.clone(), self.options.clone(), self.reports.clone());
        self.open.insert(id, Open { line, epoch: None });
        id
    }

    /// Closes a line in the background; nothing more is heard of it.
    pub(crate) fn shut(&mut self, id: LineId) {
        if let Some(open) = self.open.remove(&id) {
            tokio::spawn(open.line.close());
        }
    }

    /// Whether a line is connected.
    pub(crate) fn is_up(&self, id: LineId) -> bool {
        self.open.get(&id).is_some_and(|open| open.epoch.is_some())
    }

    /// Asks on a line that is up; whether the line took it. One that is down or full did not: who
    /// asks keeps it for later.
    #[must_use]
    pub(crate) fn ask(&self, id: LineId, ask: Ask) -> bool {
        let up = self.open.get(&id).and_then(|open| Some((open, open.epoch?)));
        let point = point_after(&ask);
        let taken = up.is_some_and(|(open, epoch)| open.line.ask(epoch, ask));
        match point {
            _ if !taken => tracing::debug!("a line has more to carry than it takes"),
            Some(point) => self.options.probe.reached(point),
            None => (),
        }
        taken
    }

    /// Keeps count of what is up, and drops reports of connections that are gone.
    pub(super) fn note(&mut self, report: Report) -> Option<(LineId, LineEvent)> {
        let Report { line, epoch, event } = report;
        let open = self.open.get_mut(&line)?;
        match event {
            LineEvent::Up => open.epoch = Some(epoch),
            LineEvent::Down(_) => open.epoch = None,
            _ if open.epoch != Some(epoch) => return None,
            _ => (),
        }
        Some((line, event))
    }

    pub(super) fn network_changed(&self) {
        for open in self.open.values() {
            open.line.network_changed();
        }
    }

    pub(super) async fn close(self) {
        // Each may wait a second for a relay that is gone: all at once, not one after the other.
        let closing = self.open.into_values().map(|open| tokio::spawn(open.line.close()));
        for closed in closing.collect::<Vec<_>>() {
            let _ = closed.await;
        }
    }
}

/// The point reached once a line took an ask.
fn point_after(ask: &Ask) -> Option<Point> {
    match ask {
        Ask::Acknowledge { .. } => Some(Point::AfterAcknowledge),
        Ask::Request(_, ClientFrame::Submit(_)) => Some(Point::AfterSend),
        Ask::Request(_, ClientFrame::PublishPrekeys(_)) => Some(Point::AfterPublish),
        Ask::Request(..) | Ask::Prove(..) | Ask::Subscribe(_) => None,
    }
}

impl core::fmt::Debug for Lines {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Lines({} open)", self.open.len())
    }
}
