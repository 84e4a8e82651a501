//! Events: each at least once, oldest first, and never again once it was handled.

use std::collections::{BTreeMap, BTreeSet};

use plico_client::EventId;

use crate::simulation::checker::violation::Violation;
use crate::simulation::history::{End, News};

/// The events of every application.
#[derive(Debug, Default)]
pub(crate) struct Events {
    of: BTreeMap<End, Journal>,
}

/// One application's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    news: BTreeMap<EventId, News>,
    handled: BTreeSet<EventId>,
    /// Shown, and not known to be handled.
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    event: EventId,
    /// The application asked to forget it, and may have been heard.
    asked: bool,
    /// The application that was shown it lives.
    alive: bool,
}

impl Events {
    /// An event is shown; gives whether for the first time.
    pub(crate) fn show(&mut self, end: End, event: EventId, news: News) -> Result<bool, Violation> {
        let journal = self.of.entry(end).or_default();
        journal.settle(event).map_err(|event| Violation::EventLost { end, event })?;
        if journal.handled.contains(&event) {
            return Err(Violation::HandledAndShown { end, event });
        }
        if journal.handled.last().is_some_and(|last| event < *last) {
            return Err(Violation::EventLate { end, event });
        }
        journal.open = Some(Open { event, asked: false, alive: true });
        match journal.news.insert(event, news) {
            None => Ok(true),
            Some(before) if before == news => Ok(false),
            Some(_) => Err(Violation::EventChanged { end, event }),
        }
    }

    /// The application asks for the next event, or begins to answer this one.
    pub(crate) fn ask(&mut self, end: End) {
        if let Some(open) = self.of.entry(end).or_default().open.as_mut() {
            open.asked = true;
        }
    }

    /// A call that handles an event returned.
    pub(crate) fn handled(&mut self, end: End, event: EventId) {
        let journal = self.of.entry(end).or_default();
        journal.handled.insert(event);
        journal.open.take_if(|open| open.event == event);
    }

    /// What an application's state holds.
    pub(crate) fn copy(&self, end: End) -> Journal {
        self.of.get(&end).cloned().unwrap_or_default()
    }

    /// The application goes on from a copy of its state.
    pub(crate) fn restore(&mut self, end: End, copy: &Journal) {
        self.of.insert(end, copy.clone());
    }

    /// The application is no more.
    pub(crate) fn ended(&mut self, end: End) {
        if let Some(open) = self.of.entry(end).or_default().open.as_mut() {
            open.alive = false;
        }
    }
}

impl Journal {
    /// Ends the event that was shown before this one: handled, or else this is it again.
    fn settle(&mut self, next: EventId) -> Result<(), EventId> {
        let Some(open) = self.open.take() else { return Ok(()) };
        if open.event == next && !open.alive {
            return Ok(());
        }
        if !open.asked {
            return Err(open.event);
        }
        self.handled.insert(open.event);
        Ok(())
    }
}
