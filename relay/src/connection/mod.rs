//! One connection: its kind, what it proved, and its streams.
//!
//! A connection knows who proved what; it never says it. Requests that change state are built by
//! `service`, deliveries by `delivery`.

pub(crate) mod answer;
pub mod code;
mod frames;
mod half;
mod kind;
mod stream;

pub(crate) use answer::{Answer, Outbox, Unheard};
pub(crate) use half::{Incoming, Outgoing};
pub(crate) use stream::Item;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use plico_protocol::frame::{ClientFrame, Frame, RelayFrame};
use plico_protocol::limits::FIRST_FRAME_MS_MAX;
use plico_protocol::prove::{EXPORTER_LABEL, ExporterValue, Proof};
use plico_protocol::refusal::{Code, Refusal};
use plico_protocol::ticket::Zone;
use tokio::sync::Notify;

use crate::policy::throttle::{Prefix, Present};
use crate::request::Request;
use crate::service::{Asker, Checked, Service};
use kind::Kind;

/// One client's connection.
pub(crate) struct Connection {
    service: Arc<Service>,
    exporter: ExporterValue,
    /// Where the client was when it connected. Its address is not kept.
    zone: Zone,
    prefix: Prefix,
    kind: Mutex<Kind>,
    /// Whether one of its streams is the delivery stream.
    delivering: AtomicBool,
    /// Whether a frame has come.
    spoke: AtomicBool,
    first_frame: Notify,
}

/// Serves a connection until it ends.
pub(crate) async fn serve(quic: quinn::Connection, service: Arc<Service>, present: Present) {
    let mut exporter = [0; 32];
    if quic.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").is_err() {
        return quic.close(code::NO_EXPORTER, b"no TLS exporter");
    }
    let from = quic.remote_address().ip();
    let (zone, prefix) = (service.rules.zones.of(from), present.prefix());
    let connection = Arc::new(Connection::new(service, ExporterValue(exporter), zone, prefix));
    let streams = connection.clone().accept_streams(quic.clone());
    tokio::select! {
        biased;
        () = streams => (),
        () = connection.silent() => quic.close(code::NO_FIRST_FRAME, b"no frame came in time"),
    }
    let kind = connection.kind().name();
    connection.service.metrics.ended(kind);
    tracing::debug!(identity = kind, "connection ended");
}

/// What a frame comes to.
enum Asked {
    /// Something for the half that answers.
    Item(Item),
    /// A change, to be handed to the writer.
    Change(Request),
}

/// The right to be the connection's delivery stream, given back on drop.
pub(crate) struct Claim(Arc<Connection>);

impl Connection {
    pub(crate) fn new(
        service: Arc<Service>,
        exporter: ExporterValue,
        zone: Zone,
        prefix: Prefix,
    ) -> Self {
        Self {
            service,
            exporter,
            zone,
            prefix,
            kind: Mutex::default(),
            delivering: AtomicBool::new(false),
            spoke: AtomicBool::new(false),
            first_frame: Notify::new(),
        }
    }

    async fn accept_streams(self: Arc<Self>, quic: quinn::Connection) {
        // Ends with the connection, and so do the streams' own tasks.
        while let Ok((send, receive)) = quic.accept_bi().await {
            let (send, receive) = (Outgoing::Quic(send), Incoming::Quic(receive));
            tokio::spawn(Box::pin(self.clone().stream(send, receive)));
        }
    }

    /// Serves one stream until either side ends it.
    pub(crate) fn stream(
        self: Arc<Self>,
        send: Outgoing,
        receive: Incoming,
    ) -> impl Future<Output = ()> {
        stream::serve(self, send, receive)
    }

    /// Returns once the time for the first frame is over and none has come; never otherwise.
    async fn silent(&self) {
        let limit = Duration::from_millis(FIRST_FRAME_MS_MAX);
        if tokio::time::timeout(limit, self.first_frame.notified()).await.is_ok()
            || self.spoke.load(Ordering::Relaxed)
        {
            core::future::pending::<()>().await;
        }
    }

    /// Notes that a frame came.
    fn spoke(&self) {
        if !self.spoke.swap(true, Ordering::Relaxed) {
            self.first_frame.notify_one();
        }
    }

    /// What to do about a frame: an answer, work for the delivery stream, or a change that is the
    /// caller's to hand over. `claim` is this stream's right to deliver; a first subscription takes
    /// it. Waits for nothing, so that no stream has room for a request while it waits.
    fn dispatch(
        self: &Arc<Self>,
        frame: ClientFrame,
        body: &Bytes,
        claim: &mut Option<Claim>,
    ) -> Asked {
        tracing::trace!(kind = frame.kind(), bytes = body.len(), "asked");
        let (admitted, account) = {
            let mut kind = self.kind();
            (kind.admit(&frame), kind.account())
        };
        if let Err(code) = admitted {
            return Asked::Item(Item::refused(code));
        }
        let asker = Asker { account, zone: self.zone, prefix: self.prefix };
        if let Err(refusal) = self.service.admit(&frame, asker) {
            return Asked::Item(Item::Answer(Err(refusal).into()));
        }
        Asked::Item(match frame {
            ClientFrame::Subscribe { address } => {
                if claim.is_none() {
                    *claim = self.claim();
                }
                match claim {
                    Some(_) => Item::Subscribe { address, account },
                    None => Item::refused(Code::WrongStream),
                }
            }
            ClientFrame::Acknowledge { channel, up_to, unreadable } if claim.is_some() => {
                Item::Acknowledge { channel, up_to, unreadable }
            }
            ClientFrame::Acknowledge { .. } => Item::refused(Code::WrongStream),
            _ if claim.is_some() => Item::refused(Code::WrongStream),
            ClientFrame::Prove(proof) => Item::Answer(self.prove(&proof)),
            request => match self.service.check(request, body, asker) {
                Checked::Answer(answer) => Item::Answer(answer),
                Checked::Change(Ok(change)) => return Asked::Change(change),
                Checked::Change(Err(refusal)) => Item::Answer(Err(refusal).into()),
            },
        })
    }

    fn prove(&self, proof: &Proof) -> Answer {
        let Ok(proven) = proof.verify(&self.exporter) else {
            return Answer::refused(Code::BadProof);
        };
        match self.kind().prove(proven) {
            Ok(()) => Answer::Ready(RelayFrame::Proved),
            Err(code) => Answer::refused(code),
        }
    }

    fn claim(self: &Arc<Self>) -> Option<Claim> {
        match self.delivering.swap(true, Ordering::AcqRel) {
            false => Some(Claim(self.clone())),
            true => None,
        }
    }

    fn kind(&self) -> MutexGuard<'_, Kind> {
        self.kind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.delivering.store(false, Ordering::Release);
    }
}

impl Item {
    fn refused(code: Code) -> Self {
        Self::Answer(Answer::Ready(RelayFrame::Refused(Refusal::new(code))))
    }
}
