//! A link as a QR code: on a terminal of either colour, and as a PNG for print.

use image::{GrayImage, ImageFormat, Luma};
use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};

/// A QR code, its quiet zone included.
pub(super) struct Qr {
    /// Modules of one side.
    side: usize,
    /// Row after row; whether the module is dark.
    dark: Vec<bool>,
}

impl Qr {
    /// Encodes a text. Error correction M (15 %): links are long, and screens do not tear.
    pub(super) fn new(text: &str) -> Result<Self, QrError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
        let inner = code.width();
        let side = inner + 2 * QUIET;
        let mut dark = Vec::with_capacity(side * side);
        for row in 0..side {
            for column in 0..side {
                let place = column.checked_sub(QUIET).zip(row.checked_sub(QUIET));
                let place = place.filter(|(x, y)| *x < inner && *y < inner);
                dark.push(place.is_some_and(|(x, y)| code[(x, y)] == Color::Dark));
            }
        }
        Ok(Self { side, dark })
    }

    /// As half blocks, two rows in a line. The colours are set, black on white: on a dark terminal
    /// as on a light one a reader needs dark modules on a light ground.
    pub(super) fn terminal(&self) -> String {
        let mut out = String::new();
        for row in (0..self.side).step_by(2) {
            out.push_str(BLACK_ON_WHITE);
            for column in 0..self.side {
                out.push(match (self.is_dark(column, row), self.is_dark(column, row + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            out.push_str(RESET);
            out.push('\n');
        }
        out
    }

    /// As the bytes of a PNG, eight pixels for each module.
    pub(super) fn png(&self) -> Result<Vec<u8>, image::ImageError> {
        let pixels = u32::try_from(self.side).unwrap_or(u32::MAX).saturating_mul(PIXELS);
        let module = |pixel: u32| usize::try_from(pixel / PIXELS).unwrap_or(usize::MAX);
        let picture = GrayImage::from_fn(pixels, pixels, |x, y| {
            Luma([if self.is_dark(module(x), module(y)) { 0 } else { 255 }])
        });
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png)?;
        Ok(bytes.into_inner())
    }

    fn is_dark(&self, column: usize, row: usize) -> bool {
        let inside = column < self.side && row < self.side;
        inside && self.dark.get(row * self.side + column).copied().unwrap_or_default()
    }
}

/// Modules of the light margin that readers need (ISO/IEC 18004 §6.3.8).
const QUIET: usize = 4;
const PIXELS: u32 = 8;
const BLACK_ON_WHITE: &str = "\u{1b}[38;2;0;0;0;48;2;255;255;255m";
const RESET: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "plico://relay.example:4433/bank?pin=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE&ref=counter%203";

    fn expected(code: &QrCode, x: usize, y: usize) -> bool {
        let inner = QUIET..QUIET + code.width();
        let inside = inner.contains(&x) && inner.contains(&y);
        inside && code[(x - QUIET, y - QUIET)] == Color::Dark
    }

    #[test]
    fn the_png_shows_every_module_and_a_quiet_zone() {
        let qr = Qr::new(LINK).unwrap();
        let code = QrCode::with_error_correction_level(LINK, EcLevel::M).unwrap();
        let picture = image::load_from_memory(&qr.png().unwrap()).unwrap().to_luma8();
        let pixels = u32::try_from(qr.side).unwrap() * PIXELS;
        assert_eq!(picture.dimensions(), (pixels, pixels));
        for (x, y, Luma([shade])) in picture.enumerate_pixels() {
            let dark = expected(&code, (x / PIXELS) as usize, (y / PIXELS) as usize);
            assert_eq!(*shade, if dark { 0 } else { 255 }, "{x} {y}");
        }
    }

    #[test]
    fn the_terminal_shows_the_same_modules() {
        let qr = Qr::new(LINK).unwrap();
        let code = QrCode::with_error_correction_level(LINK, EcLevel::M).unwrap();
        let shown = qr.terminal();
        assert_eq!(shown.lines().count(), qr.side.div_ceil(2));
        for (line, text) in shown.lines().enumerate() {
            let cells = text.strip_prefix(BLACK_ON_WHITE).unwrap().strip_suffix(RESET).unwrap();
            assert_eq!(cells.chars().count(), qr.side);
            for (column, cell) in cells.chars().enumerate() {
                let (upper, lower) = (matches!(cell, '█' | '▀'), matches!(cell, '█' | '▄'));
                let rows =
                    (expected(&code, column, 2 * line), expected(&code, column, 2 * line + 1));
                assert_eq!((upper, lower), rows, "{column} {line}");
            }
        }
    }
}
