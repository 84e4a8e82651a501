//! The lines of the ledger that were read, kept page by page as they came, and the settlements among
//! them. Nothing is kept before a signed head stands for it.

use plico_endpoint::id::ContentId;
use plico_protocol::ledger::{Entry, EntryKind, EntrySequence, Frontier, Generation, HeadBody};
use plico_protocol::limits::{ENTRIES_PER_FRAME_MAX, STATEMENT_ENTRIES_MAX};
use plico_protocol::time::Timestamp;
use plico_protocol::wire::{DecodeError, Reader, Wire, Writer};

use super::KeptRow;
use crate::agent::journal::{self, News, Stored};
use crate::state::{Name, Rows, StateError, Table};

/// Which lines are kept: from a tree of so many entries to a tree of so many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    generation: Generation,
    opening: Frontier,
    tree: Frontier,
}

/// Lines as they came in one frame, or what of them a head stands for.
struct Page(Vec<Entry>);

/// The lines that were read are not those that the head signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OtherBooks;

impl Lines {
    /// The tree before the first line kept.
    pub(super) fn opening(&self) -> &Frontier {
        &self.opening
    }

    /// How many lines there are, whether they are kept still or not.
    pub(super) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Whether a head is of another generation: its relay was restored, and any line that is kept
    /// here may have been lost and its number given to another.
    pub(super) fn is_restored(&self, head: &HeadBody) -> bool {
        head.generation != self.generation
    }

    /// Forgets what was read, to read the ledger of another generation from its beginning.
    pub(super) fn begin_anew(&mut self, generation: Generation) {
        *self = Self { generation, ..Self::default() };
    }

    /// These lines and those that follow.
    ///
    /// # Errors
    ///
    /// [`OtherBooks`] if they do not lead to the head.
    pub(super) fn grown(&self, fresh: &[Entry], head: &HeadBody) -> Result<Self, OtherBooks> {
        let mut grown = self.clone();
        for entry in fresh {
            if entry.sequence.0 != grown.tree.size() {
                return Err(OtherBooks);
            }
            grown.tree.push(entry.hash(), |_, _| ());
        }
        let signed = grown.tree.size() == head.size && grown.tree.root() == head.root;
        if signed { Ok(grown) } else { Err(OtherBooks) }
    }

    /// Keeps lines that a head stands for, in the transaction that keeps [`Self::grown`].
    pub(super) fn keep(rows: &Rows<'_>, fresh: &[Entry]) -> Result<(), StateError> {
        for page in fresh.chunks(ENTRIES_PER_FRAME_MAX) {
            let Some(first) = page.first() else { continue };
            let name = Name::Number(first.sequence.0);
            rows.put(Table::Line, name, &Page(page.to_vec()))?;
        }
        Ok(())
    }

    /// Forgets the oldest pages: a statement could not list more.
    pub(super) fn forget_old(&mut self, rows: &Rows<'_>) -> Result<(), StateError> {
        let most = u64::try_from(STATEMENT_ENTRIES_MAX).unwrap_or(u64::MAX);
        while most < self.tree.size().saturating_sub(self.opening.size()) {
            let Some((name, Page(page))) = rows.first::<Page>(Table::Line)? else { break };
            page.iter().for_each(|entry| self.opening.push(entry.hash(), |_, _| ()));
            rows.delete(Table::Line, Name::Number(name))?;
        }
        Ok(())
    }

    /// Every line that is kept.
    pub(super) fn read(rows: &Rows<'_>) -> Result<Vec<Entry>, StateError> {
        let pages = rows.ordered::<Page>(Table::Line)?;
        Ok(pages.into_iter().flat_map(|(_, Page(page))| page).collect())
    }
}

/// Notes beside each receipt what ended its charge, and tells the application. What contradicts a
/// receipt, or ends a charge again, is left for a statement to name.
pub(super) fn settle(rows: &Rows<'_>, fresh: &[Entry], now: Timestamp) -> Result<(), StateError> {
    for entry in fresh {
        let Some(message) = entry.message.filter(|_| entry.kind != EntryKind::Accept) else {
            continue;
        };
        let name = Name::Number(message.accept.0);
        let Some(kept) = rows.get::<KeptRow>(Table::Receipt, name)? else { continue };
        let accept = &kept.kept.receipt.entry;
        let stands = |line: EntrySequence| {
            let first = fresh.first().map_or(0, |entry| entry.sequence.0);
            // An earlier line was kept when it came; one that came anew may be another's now.
            let at = line.0.checked_sub(first).map(|at| usize::try_from(at).unwrap_or(usize::MAX));
            at.is_none_or(|at| fresh.get(at).is_some_and(|entry| ends(entry, accept)))
        };
        if !ends(entry, accept) || kept.kept.ended.is_some_and(stands) {
            continue;
        }
        let (peer, id): (u64, ContentId) = (kept.customer, kept.id);
        let mut row = kept;
        row.kept.ended = Some(entry.sequence);
        rows.put(Table::Receipt, name, &row)?;
        let news = News::Charge { id, reason: entry.reason, amount: entry.amount };
        journal::push(rows, &Stored { peer, at: now, news })?;
    }
    Ok(())
}

/// Whether a line settles or releases this very charge.
fn ends(entry: &Entry, accept: &Entry) -> bool {
    let of = |entry: &Entry| entry.message.map(|of| (of.accept, of.submission, of.rate));
    entry.kind != EntryKind::Accept && of(entry) == of(accept) && entry.amount == accept.amount
}

impl Wire for Lines {
    fn write(&self, out: &mut Writer) {
        let Self { generation, opening, tree } = self;
        generation.write(out);
        opening.write(out);
        tree.write(out);
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            generation: Wire::read(reader)?,
            opening: Wire::read(reader)?,
            tree: Wire::read(reader)?,
        })
    }
}

impl Wire for Page {
    fn write(&self, out: &mut Writer) {
        out.count(self.0.len());
        self.0.iter().for_each(|entry| entry.write(out));
    }

    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let count = reader.count("lines", ENTRIES_PER_FRAME_MAX)?;
        (0..count).map(|_| Entry::read(reader)).collect::<Result<_, _>>().map(Self)
    }
}
