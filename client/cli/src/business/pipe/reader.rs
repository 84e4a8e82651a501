//! Lines of a stream, each of bounded length.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use super::line::{BadLine, LINE_BYTES_MAX};

/// Reads lines. Dropping a future of it loses nothing.
pub(super) struct LineReader<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    /// The line passed its bound: it is read to its end and not kept.
    too_long: bool,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from: BufReader::new(from), line: Vec::new(), too_long: false }
    }

    /// The next line without its end; none at the end of the stream. Empty lines are passed over,
    /// and what follows the last line's end is no line: its writer died before it was whole.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Result<String, BadLine>>> {
        loop {
            let Some(ended) = self.take().await? else { return Ok(None) };
            if !ended {
                continue;
            }
            let line = core::mem::take(&mut self.line);
            if core::mem::take(&mut self.too_long) {
                return Ok(Some(Err(BadLine::TooLong)));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(String::from_utf8(line).map_err(|_| BadLine::NotText)));
            }
        }
    }

    /// Takes what is there, to the end of the line at most; whether it came to that end.
    async fn take(&mut self) -> std::io::Result<Option<bool>> {
        let there = self.from.fill_buf().await?;
        if there.is_empty() {
            return Ok(None);
        }
        let end = there.iter().position(|byte| *byte == b'\n');
        let part = there.get(..end.unwrap_or(there.len())).unwrap_or_default();
        let taken = part.len() + usize::from(end.is_some());
        if LINE_BYTES_MAX < self.line.len() + part.len() {
            self.too_long = true;
            self.line.clear();
        }
        if !self.too_long {
            self.line.extend_from_slice(part);
        }
        self.from.consume(taken);
        Ok(Some(end.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_or_as_the_mistake_they_are() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let longest = "y".repeat(LINE_BYTES_MAX);
        let text =
            [b"one\n\r\n", long.as_bytes(), b"\n\xff\n", longest.as_bytes(), b"\nhalf"].concat();
        let mut reader = LineReader::new(text.as_slice());
        let mut lines = Vec::new();
        while let Some(line) = reader.next().await.unwrap() {
            lines.push(line);
        }
        let expected =
            [Ok("one".to_owned()), Err(BadLine::TooLong), Err(BadLine::NotText), Ok(longest)];
        assert_eq!(lines, expected);
    }
}
