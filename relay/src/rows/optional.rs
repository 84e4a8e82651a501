//! What a row may lack takes as many bytes as if it were there: the length of a row must not say who wrote,
//! or what was charged.

use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

/// Writes a flag and `bytes` bytes: the value, which is so long, or zeros.
pub(crate) fn write_optional<T: Wire>(value: Option<&T>, bytes: usize, out: &mut Writer) {
    out.u8(u8::from(value.is_some()));
    match value {
        Some(value) => value.write(out),
        None => (0..bytes).for_each(|_| out.u8(0)),
    }
}

/// Reads what [`write_optional`] wrote; `flag` names the flag in errors.
pub(crate) fn read_optional<T: Wire>(
    flag: &'static str,
    bytes: usize,
    reader: &mut Reader,
) -> Result<Option<T>, DecodeError> {
    if reader.flag(flag)? {
        return Wire::read(reader).map(Some);
    }
    reader.take(bytes)?;
    Ok(None)
}
