//! Certificates and revocations. Anyone is handed a certificate, and still it is sealed and named by
//! a keyed hash: it would be the one row that names a business, beside rows that changed a moment
//! before or after.

use plico_protocol::certificate::{Certificate, Serial};
use plico_protocol::limits::CERTIFICATE_BYTES_MAX;
use plico_protocol::wire::{DecodeError, Reader as WireReader, Wire, Writer};

use crate::rows::{RowName, Rows, Sealed};
use crate::store::{ReadError, Reader, Table};

/// A certificate, as long whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateRow {
    pub(crate) certificate: Certificate,
}

impl Rows {
    /// Of a certificate.
    pub(crate) fn certificate(&self, serial: Serial) -> RowName {
        self.name(Table::Certificates, &serial.0.to_be_bytes())
    }

    /// Of a certificate's revocation.
    pub(crate) fn revocation(&self, serial: Serial) -> RowName {
        self.name(Table::Revocations, &serial.0.to_be_bytes())
    }

    /// Calls `each` with every stored certificate and whether it is revoked, in no order; with
    /// none for a row that does not open.
    pub(crate) fn for_each_certificate(
        &self,
        reader: &dyn Reader,
        mut each: impl FnMut(Option<(Certificate, bool)>),
    ) -> Result<(), ReadError> {
        let mut from = Vec::new();
        loop {
            let page = reader.scan(Table::Certificates, &[], &from, PAGE_ROWS)?;
            for entry in &page {
                let row = self.open::<CertificateRow>(&entry.key, &entry.value).ok();
                each(match row.and_then(|row| Some((row.serial()?, row.certificate))) {
                    Some((serial, certificate)) => {
                        let revocation = self.revocation(serial);
                        let revoked = reader.get(Table::Revocations, revocation.as_bytes())?;
                        Some((certificate, revoked.is_some()))
                    }
                    None => None,
                });
            }
            let Some(last) = page.last().filter(|_| page.len() == PAGE_ROWS) else { return Ok(()) };
            from = [&last.key, [0].as_slice()].concat();
        }
    }
}

impl CertificateRow {
    fn serial(&self) -> Option<Serial> {
        Some(self.certificate.claims().ok()?.serial)
    }
}

impl Sealed for CertificateRow {
    const TABLE: Table = Table::Certificates;
    /// The longest certificate with its length.
    const BYTES: usize = 4 + CERTIFICATE_BYTES_MAX;
}

impl Wire for CertificateRow {
    fn write(&self, out: &mut Writer) {
        let start = out.len();
        self.certificate.write(out);
        let written = out.len() - start;
        out.zeros(Self::BYTES.saturating_sub(written));
    }

    fn read(reader: &mut WireReader) -> Result<Self, DecodeError> {
        let certificate = Certificate::read(reader)?;
        let written = certificate.encode().len();
        let padding = reader.take(Self::BYTES.saturating_sub(written))?;
        match padding.iter().all(|byte| *byte == 0) {
            true => Ok(Self { certificate }),
            false => Err(DecodeError::BadValue { field: "padding" }),
        }
    }
}

const PAGE_ROWS: usize = 256;
