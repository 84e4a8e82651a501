//! Which request belongs to which work, so that an answer finds it and a lost line frees it.

use std::collections::HashMap;

use plico_protocol::frame::ClientFrame;
use plico_protocol::limits::REQUESTS_IN_PROGRESS_PER_STREAM_MAX;

use super::lines::Lines;
use crate::connection::{Ask, LineId, Proving, Token};

/// Work that waits for an answer.
#[derive(Debug)]
pub(crate) struct Jobs<J> {
    asked: HashMap<Token, (LineId, J)>,
    tokens: u64,
}

impl<J> Default for Jobs<J> {
    fn default() -> Self {
        Self { asked: HashMap::new(), tokens: 0 }
    }
}

impl<J: PartialEq> Jobs<J> {
    /// Whether one more request fits on a line.
    pub(crate) fn room(&self, line: LineId) -> bool {
        let asked = self.asked.values().filter(|(on, _)| *on == line).count();
        asked < REQUESTS_IN_PROGRESS_PER_STREAM_MAX
    }

    /// Whether this work waits for its answer.
    pub(crate) fn has(&self, job: &J) -> bool {
        self.asked.values().any(|(_, asked)| asked == job)
    }

    /// Whether any work waits on a line.
    pub(crate) fn any(&self, line: LineId) -> bool {
        self.asked.values().any(|(on, _)| *on == line)
    }

    /// Asks on a line that is up. A full line does not take it; then the work is not noted, and
    /// the next look at what there is to do finds it again.
    pub(crate) fn ask(&mut self, lines: &Lines, line: LineId, job: J, frame: ClientFrame) {
        let token = self.next_token();
        if lines.ask(line, Ask::Request(token, frame)) {
            self.asked.insert(token, (line, job));
        }
    }

    /// Proves a key on a line that is up; the same holds.
    pub(crate) fn prove(&mut self, lines: &Lines, line: LineId, job: J, proving: Proving) {
        let token = self.next_token();
        if lines.ask(line, Ask::Prove(token, proving)) {
            self.asked.insert(token, (line, job));
        }
    }

    /// The work an answer belongs to; `None` if it is no longer wanted.
    pub(crate) fn answered(&mut self, token: Token) -> Option<J> {
        self.asked.remove(&token).map(|(_, job)| job)
    }

    /// Frees what waited on a line that went down.
    pub(crate) fn lost(&mut self, line: LineId) {
        self.asked.retain(|_, (on, _)| *on != line);
    }

    fn next_token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }
}
