//! Connections and frames without an SDK: as little work as a client can do, so that what is
//! measured is the relay.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use plico_protocol::frame::{ClientFrame, Frame as _, Header, RelayFrame};
use plico_protocol::id::Address;
use plico_protocol::limits;
use plico_protocol::link::RelayLink;
use plico_protocol::prove::{EXPORTER_LABEL, ExporterValue, Proof};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{TransportConfig, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::failure::Failure;

/// Opens connections to one relay from one socket.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    endpoint: quinn::Endpoint,
    relay: SocketAddr,
}

/// The sending half of a stream.
#[derive(Debug)]
pub(crate) struct Asking(quinn::SendStream);

/// The receiving half of a stream, as frames.
#[derive(Debug)]
pub(crate) struct Answers {
    stream: quinn::RecvStream,
    buffered: BytesMut,
}

impl Dialer {
    /// Resolves the relay's host and binds a socket.
    pub(crate) async fn new(link: &RelayLink) -> Result<Self, Failure> {
        Self::from(link, None).await
    }

    /// From one of this machine's addresses, or from any.
    pub(crate) async fn from(link: &RelayLink, own: Option<IpAddr>) -> Result<Self, Failure> {
        let host = link.host.trim_start_matches('[').trim_end_matches(']');
        let mut found =
            tokio::net::lookup_host((host, link.port)).await.map_err(Failure::connection)?;
        let relay = found.next().ok_or_else(|| Failure::connection("the relay has no address"))?;
        let any: IpAddr = match relay.is_ipv4() {
            true => Ipv4Addr::UNSPECIFIED.into(),
            false => Ipv6Addr::UNSPECIFIED.into(),
        };
        let local = SocketAddr::new(own.unwrap_or(any), 0);
        let mut endpoint = quinn::Endpoint::client(local).map_err(Failure::connection)?;
        endpoint.set_default_client_config(config()?);
        Ok(Self { endpoint, relay })
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<quinn::Connection, Failure> {
        let connecting = self.endpoint.connect(self.relay, "relay").map_err(Failure::connection)?;
        connecting.await.map_err(Failure::connection)
    }
}

impl Asking {
    /// Sends frames in one write.
    pub(crate) async fn send(&mut self, frames: Vec<u8>) -> Result<(), Failure> {
        self.0.write_chunk(frames.into()).await.map_err(Failure::connection)
    }

    /// Says that no more comes.
    pub(crate) fn finish(&mut self) {
        // Fails only where the relay stopped the stream, which its answers show.
        let _ = self.0.finish();
    }
}

impl Answers {
    /// The next frame; none once the relay has finished. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<RelayFrame>, Failure> {
        loop {
            if let Some(frame) = self.ready()? {
                return Ok(Some(frame));
            }
            match self.stream.read_chunk(READ_BYTES_MAX, true).await {
                Ok(Some(chunk)) => self.buffered.extend_from_slice(&chunk.bytes),
                Ok(None) => return Ok(None),
                Err(error) => return Err(Failure::connection(error)),
            }
        }
    }

    /// The next frame if all of it has come.
    pub(crate) fn ready(&mut self) -> Result<Option<RelayFrame>, Failure> {
        let Some(header) = self.buffered.first_chunk::<{ limits::FRAME_HEADER_BYTES }>() else {
            return Ok(None);
        };
        let header = Header::parse::<RelayFrame>(*header).map_err(wrong)?;
        if self.buffered.len() < limits::FRAME_HEADER_BYTES + header.length {
            return Ok(None);
        }
        let _ = self.buffered.split_to(limits::FRAME_HEADER_BYTES);
        let body = self.buffered.split_to(header.length).freeze();
        RelayFrame::decode_body(header, body).map(Some).map_err(wrong)
    }
}

/// Opens a stream.
pub(crate) async fn stream(connection: &quinn::Connection) -> Result<(Asking, Answers), Failure> {
    let (send, stream) = connection.open_bi().await.map_err(Failure::connection)?;
    Ok((Asking(send), Answers { stream, buffered: BytesMut::new() }))
}

/// Asks, and takes the one answer that must come.
pub(crate) async fn ask(
    stream: &mut (Asking, Answers),
    frame: &ClientFrame,
    wanted: impl FnOnce(&RelayFrame) -> bool,
) -> Result<RelayFrame, Failure> {
    stream.0.send(frame.to_bytes()).await?;
    match stream.1.next().await? {
        Some(answer) if wanted(&answer) => Ok(answer),
        other => Err(unexpected(other.as_ref())),
    }
}

/// Proves a key on the stream's connection.
pub(crate) async fn prove(stream: &mut (Asking, Answers), proof: Proof) -> Result<(), Failure> {
    let proved = |answer: &RelayFrame| matches!(answer, RelayFrame::Proved);
    ask(stream, &ClientFrame::Prove(proof), proved).await.map(drop)
}

/// A delivery stream with one subscription, which waited for nothing.
pub(crate) async fn subscribe(
    connection: &quinn::Connection,
    address: Address,
) -> Result<(Asking, Answers), Failure> {
    let mut streams = stream(connection).await?;
    let subscribed = |answer: &RelayFrame| matches!(answer, RelayFrame::Subscribed { .. });
    ask(&mut streams, &ClientFrame::Subscribe { address }, subscribed).await?;
    loop {
        match streams.1.next().await? {
            Some(RelayFrame::Drained { .. }) => return Ok(streams),
            Some(RelayFrame::Notice(_)) => (),
            other => return Err(unexpected(other.as_ref())),
        }
    }
}

/// What a proof on this connection signs.
pub(crate) fn exporter(connection: &quinn::Connection) -> Result<ExporterValue, Failure> {
    let mut value = [0; 32];
    let exported = connection.export_keying_material(&mut value, EXPORTER_LABEL, b"");
    exported.map_err(|_| Failure::connection("the TLS exporter failed"))?;
    Ok(ExporterValue(value))
}

/// An answer nothing here asks for.
pub(crate) fn unexpected(frame: Option<&RelayFrame>) -> Failure {
    Failure::Wrong(match frame {
        Some(RelayFrame::Refused(refusal)) => {
            format!("it refused with `{}`", refusal.code.name())
        }
        Some(frame) => format!("it sent a frame of type {:#04x} out of place", frame.kind()),
        None => "it ended a stream".to_owned(),
    })
}

fn wrong(error: impl ToString) -> Failure {
    Failure::Wrong(error.to_string())
}

fn config() -> Result<quinn::ClientConfig, Failure> {
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    };
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(Failure::connection)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyRelay))
        .with_no_client_auth();
    tls.alpn_protocols = vec![limits::ALPN.to_vec()];
    let crypto = QuicClientConfig::try_from(tls).map_err(Failure::connection)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    // As the SDK sets it.
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(VarInt::from_u32(limits::IDLE_MS_MAX).into()))
        .keep_alive_interval(Some(Duration::from_millis(limits::KEEP_ALIVE_MS)))
        .stream_receive_window(VarInt::from_u32(limits::STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(limits::CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(limits::CONNECTION_WINDOW_BYTES))
        .datagram_receive_buffer_size(None)
        .allow_spin(false);
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Accepts any certificate: what is sent here is noise, and nobody is harmed if another hears it.
#[derive(Debug)]
struct AnyRelay;

impl ServerCertVerifier for AnyRelay {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Bytes taken from quinn at a time.
const READ_BYTES_MAX: usize = 64 * 1024;
