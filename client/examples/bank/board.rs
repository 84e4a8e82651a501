//! The printed table: what the customer sees, what the bank sees, what the relay stores.

use crate::operator::Seen;

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Customer,
    Bank,
}

/// Three columns, 100 characters in all.
pub(crate) struct Board<'a> {
    seen: &'a Seen,
}

impl<'a> Board<'a> {
    pub(crate) fn begin(seen: &'a Seen) -> Self {
        let board = Self { seen };
        board.end();
        board.row("THE CUSTOMER SEES", "THE BANK SEES", "THE RELAY STORES");
        board.end();
        board
    }

    /// One message: what its sender and its recipient see, and what the relay stored meanwhile.
    pub(crate) fn said(&self, by: Side, customer: &str, bank: &str) {
        let (customers, banks) = if by == Side::Customer { (">", "<") } else { ("<", ">") };
        let relay = self.seen.take();
        self.row(&format!("{customers} {customer}"), &format!("{banks} {bank}"), &relay);
    }

    pub(crate) fn row(&self, customer: &str, bank: &str, relay: &str) {
        let columns = [wrap(customer), wrap(bank), wrap(relay)];
        let lines = columns.iter().map(Vec::len).max().unwrap_or_default();
        for line in 0..lines {
            let cell = |column: usize| {
                let column = columns.get(column);
                column.and_then(|column| column.get(line)).map_or("", String::as_str)
            };
            let row = format!("{:<WIDTH$} | {:<WIDTH$} | {}", cell(0), cell(1), cell(2));
            println!("{}", row.trim_end());
        }
    }

    pub(crate) fn end(&self) {
        let rule = "-".repeat(WIDTH);
        println!("{rule}-+-{rule}-+-{rule}");
    }
}

/// Words in lines of the column's width.
fn wrap(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && WIDTH < line.chars().count() + 1 + word.chars().count() {
                lines.push(core::mem::replace(&mut line, "  ".to_owned()));
            }
            if !line.is_empty() && line != "  " {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

const WIDTH: usize = 31;
