//! Application error codes of QUIC (RFC 9000 §20.2): why a connection was closed or a stream was
//! stopped. SPEC.md §3 lists them.

use quinn::VarInt;

/// The relay is stopping: connect again later.
pub const SHUTTING_DOWN: VarInt = VarInt::from_u32(1);
/// No frame came within the first five seconds.
pub const NO_FIRST_FRAME: VarInt = VarInt::from_u32(2);
/// The TLS exporter is missing, without which nothing can be proven.
pub const NO_EXPORTER: VarInt = VarInt::from_u32(3);

/// On `STOP_SENDING`: the stream's last answer was given.
pub const STREAM_ENDED: VarInt = VarInt::from_u32(16);
