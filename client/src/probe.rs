//! Named points of what an agent does, at which tests stop the process to kill it.
//!
//! Each lies between two steps whose order the design fixes: what is stored before what leaves this
//! machine. A crash at any of them must lose nothing that was told as done, show nothing twice
//! under another id, and use no message key twice.

use plico_endpoint::id::ContentId;
use plico_protocol::frame::Submission;

/// A place in an agent's work, in the order in which a message passes them: first on its way out,
/// then on its way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// A transaction of the state is about to commit.
    BeforeCommit,
    /// A transaction of the state is durable.
    AfterCommit,
    /// A message to send is stored; `send` has not returned.
    AfterQueue,
    /// A message is sealed in memory; neither it nor the session's step is stored.
    BeforeStore,
    /// The session's step and the finished ciphertext are stored; nothing is sent.
    AfterStore,
    /// A submission is handed to its connection; it may or may not have left.
    AfterSend,
    /// The relay's acceptance of a message is stored, with the event that tells it.
    AfterAccepted,
    /// The end of a message is stored, with the event that tells it.
    AfterDone,
    /// An envelope came; it is not opened.
    Received,
    /// An envelope's content, the session's step and its outcome are stored; it is not acknowledged.
    AfterOpen,
    /// An acknowledgement is handed to its connection.
    AfterAcknowledge,
    /// The relay's confirmation of an acknowledgement is stored.
    AfterConfirm,
    /// An event is handed to the application, which has not handled it.
    AfterShow,
    /// It is stored that the application handled an event.
    AfterHandled,
    /// Private halves of prekeys are stored; the public ones are not published.
    BeforePublish,
    /// A publication of prekeys is handed to its connection.
    AfterPublish,
}

impl Point {
    /// Every point, in order.
    pub const ALL: &'static [Self] = &[
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::AfterQueue,
        Self::BeforeStore,
        Self::AfterStore,
        Self::AfterSend,
        Self::AfterAccepted,
        Self::AfterDone,
        Self::Received,
        Self::AfterOpen,
        Self::AfterAcknowledge,
        Self::AfterConfirm,
        Self::AfterShow,
        Self::AfterHandled,
        Self::BeforePublish,
        Self::AfterPublish,
    ];

    /// The name tests use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::AfterQueue => "after_queue",
            Self::BeforeStore => "before_store",
            Self::AfterStore => "after_store",
            Self::AfterSend => "after_send",
            Self::AfterAccepted => "after_accepted",
            Self::AfterDone => "after_done",
            Self::Received => "received",
            Self::AfterOpen => "after_open",
            Self::AfterAcknowledge => "after_acknowledge",
            Self::AfterConfirm => "after_confirm",
            Self::AfterShow => "after_show",
            Self::AfterHandled => "after_handled",
            Self::BeforePublish => "before_publish",
            Self::AfterPublish => "after_publish",
        }
    }

    /// The point of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|point| point.name() == name)
    }
}

/// Is told of every point reached, within the agent's task; may keep it there.
pub trait Probe: Send + Sync + 'static {
    /// The agent is at `point`.
    fn reached(&self, point: Point);

    /// Content is sealed into this submission, which is about to be stored and then leaves: for a
    /// test that follows content through a relay, which never sees its id. `first` begins a session.
    fn sealed(&self, _content: ContentId, _submission: &Submission, _first: bool) {}
}

/// Does nothing: what production uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    fn reached(&self, _point: Point) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        for point in Point::ALL {
            assert_eq!(Point::from_name(point.name()), Some(*point));
        }
        assert_eq!(Point::from_name("nowhere"), None);
    }
}
