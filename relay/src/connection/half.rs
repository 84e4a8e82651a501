//! The two halves of a stream: QUIC's, or in a simulation without a network two channels.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::answer::Unheard;

/// What a client sends.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Over the network.
    Quic(quinn::RecvStream),
    /// Within this process.
    Given(mpsc::UnboundedReceiver<Bytes>),
}

/// What a client is answered.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Over the network.
    Quic(quinn::SendStream),
    /// Within this process.
    Given(mpsc::UnboundedSender<Bytes>),
}

/// The client reset the stream or is gone.
#[derive(Debug)]
pub(super) struct Gone;

impl Incoming {
    /// What came next; none once the client finished the stream.
    pub(super) async fn read(&mut self, bytes_max: usize) -> Result<Option<Bytes>, Gone> {
        match self {
            Self::Quic(stream) => {
                let chunk = stream.read_chunk(bytes_max, true).await.map_err(|_| Gone)?;
                Ok(chunk.map(|chunk| chunk.bytes))
            }
            Self::Given(pieces) => Ok(pieces.recv().await),
        }
    }

    /// Tells the client to send no more.
    pub(super) fn stop(&mut self, code: quinn::VarInt) {
        match self {
            // Fails only for a stream that has ended already.
            Self::Quic(stream) => drop(stream.stop(code)),
            Self::Given(pieces) => pieces.close(),
        }
    }
}

impl Outgoing {
    /// Writes as fast as the client takes it.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), Unheard> {
        match self {
            Self::Quic(stream) => stream.write_chunk(bytes).await.map_err(|_| Unheard),
            Self::Given(pieces) => pieces.send(bytes).map_err(|_| Unheard),
        }
    }

    /// Ends the stream.
    pub(super) fn finish(&mut self) {
        if let Self::Quic(stream) = self {
            // Fails only where the stream was stopped, and then nobody listens.
            let _ = stream.finish();
        }
    }
}
