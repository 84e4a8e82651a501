"""SPEC §14.5: statements, and what a business checks them with."""

from dataclasses import dataclass, field

from .ledger import (
    ACCEPT,
    PROOF_MAX,
    RELEASE,
    RESTORED,
    SETTLE,
    Entry,
    Head,
    leaf,
    letters,
    node,
    read_entry,
    read_head,
    verify_consistency,
)
from .primitives import need, sha256
from .wire import Reader, listed, optional, u8, u32, u64

ENTRIES_MAX, TOTALS_MAX = 4_000_000, 8128


@dataclass
class Tree:
    """The roots of the complete subtrees that the first `size` entries fall into, the largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def push(self, entry: bytes) -> None:
        hashed, size = leaf(entry), self.size
        while size & 1:
            hashed, size = node(self.peaks.pop(), hashed), size >> 1
        self.peaks.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        if not self.peaks:
            return sha256(b"")
        root = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            root = node(peak, root)
        return root

    def encode(self) -> bytes:
        return u64(self.size) + b"".join(self.peaks)

    def copy(self) -> "Tree":
        return Tree(self.size, list(self.peaks))


def total_key(entry: Entry) -> bytes:
    own = entry.kind in (ACCEPT, SETTLE, RELEASE)
    rate = u8(entry.category) + entry.zone if own else None
    return u8(entry.kind) + optional(rate) + entry.currency


def sums(entries: list[Entry], start: int, end: int) -> dict[bytes, tuple[int, int]]:
    """Sum and count of each line of totals."""
    totals: dict[bytes, tuple[int, int]] = {}
    for entry in entries:
        if start <= entry.hour < end:
            total, count = totals.get(total_key(entry), (0, 0))
            totals[total_key(entry)] = (total + entry.amount, count + 1)
    return totals


def encode_totals(totals: dict[bytes, tuple[int, int]]) -> bytes:
    return listed([key + u64(total) + u64(count) for key, (total, count) in sorted(totals.items())])


def encode(
    start: int, end: int, opening: Tree, entries: list[Entry], totals: bytes, head: bytes, link: list[bytes]
) -> bytes:
    lines = listed([entry.encode() for entry in entries])
    return u8(1) + u32(start) + u32(end) + opening.encode() + lines + totals + head + listed(link)


@dataclass(frozen=True)
class Kept:
    """A receipt that was verified when it came, and the entry that ended its charge, if one did."""

    entry: Entry
    head: Head
    ended: int | None


def unsigned_head(data: bytes) -> Head:
    reader = Reader(data)
    fields = reader.take(32), reader.u32(), reader.u64(), reader.take(32), reader.u32()
    reader.take(64)
    reader.end()
    return Head(*fields)


def kept(receipt: bytes, ended: int | None) -> Kept:
    reader = Reader(receipt)
    entry = read_entry(reader)
    reader.listed(PROOF_MAX, lambda: reader.take(32))
    return Kept(entry, unsigned_head(reader.rest), ended)


def read_totals(reader: Reader) -> dict[bytes, tuple[int, int]]:
    totals: dict[bytes, tuple[int, int]] = {}

    def one() -> None:
        before = reader.rest
        reader.one_of(range(1, 8))
        rate = reader.optional(lambda: (reader.one_of(range(1, 5)), reader.take(2)))
        currency = reader.take(3)
        need(letters(currency) and (rate is None or letters(rate[1])), "letters")
        key = before[: len(before) - len(reader.rest)]
        need(not totals or max(totals) < key, "totals do not rise")
        totals[key] = (reader.u64(), reader.u64())

    reader.listed(TOTALS_MAX, one)
    return totals


def verify(
    data: bytes,
    key: bytes,
    hours: tuple[int, int],
    account: bytes,
    receipts: list[Kept],
    last: Head | None,
    read: list[Entry],
) -> tuple[dict[int, int], bool]:
    """The list of §14.5; gives which accept was ended by which entry, and whether it is provisional."""
    reader = Reader(data)
    need(reader.u8() == 1, "version")
    start, end, size = reader.u32(), reader.u32(), reader.u64()
    tree = Tree(size, [reader.take(32) for _ in range(size.bit_count())])
    entries = reader.listed(ENTRIES_MAX, lambda: read_entry(reader))
    totals = read_totals(reader)
    head = read_head(reader, key)
    link = reader.listed(PROOF_MAX, lambda: reader.take(32))
    reader.end()
    need(head.account == account, "another account")
    need(hours[0] <= head.hour < hours[1], "dated outside the ledger key's validity")
    # Where what was signed in an earlier generation begins to say nothing.
    began = sorted((e.sequence, e.ref) for e in entries + read if e.kind == RESTORED and e.ref <= head.generation)

    def silent(generation: int) -> int | None:
        known = [sequence for sequence, ref in began if generation < ref]
        return known[0] if known else (head.size if generation < head.generation else None)

    def speaks(generation: int, sequence: int) -> bool:
        since = silent(generation)
        return since is None or sequence < since

    roots = lines(entries, tree, head)
    heads = [r.head for r in receipts] + ([last] if last else [])
    for known in heads:
        if speaks(known.generation, known.size - 1) and known.size in roots:
            need(roots[known.size] == known.root, "another tree")
    if last is not None and last.size not in roots and speaks(last.generation, last.size - 1):
        joined(head, last, tree, link, read)
    for entry in read:
        # What was read counts as far as the last head, and as long as that says anything.
        counts = last is not None and entry.sequence < last.size and speaks(last.generation, entry.sequence)
        inside = size <= entry.sequence < head.size
        need(inside or not counts or not start <= entry.hour < end, "an entry of the period is outside")
    every = {r.entry.sequence: r for r in receipts}
    speaking = {s: r for s, r in every.items() if speaks(r.head.generation, s)}
    accepts(entries, speaking, every, range(size, head.size), (start, end))
    # What an earlier statement showed is gone where another entry was read in its place.
    shown = {entry.sequence: entry for entry in read}

    def gone(receipt: Kept) -> bool:
        other = None if receipt.ended is None else shown.get(receipt.ended)
        if other is None or speaks(receipt.head.generation, other.sequence):
            return False
        return other.kind not in (SETTLE, RELEASE) or other.ref != receipt.entry.sequence

    found = ends(entries, receipts, {r.entry.sequence for r in receipts if not gone(r)}, size)
    need(sums(entries, start, end) == totals, "totals")
    return found, head.hour < end + 24


def lines(entries: list[Entry], tree: Tree, head: Head) -> dict[int, bytes]:
    """The roots on the way from the opening to the head, by size; `tree` grows."""
    roots = {tree.size: tree.root()}
    for entry in entries:
        need(entry.sequence == tree.size, "sequence")
        tree.push(entry.encode())
        roots[tree.size] = tree.root()
    need(tree.size == head.size and tree.root() == head.root, "the lines are not those of the head")
    return roots


def joined(head: Head, last: Head, tree: Tree, link: list[bytes], read: list[Entry]) -> None:
    """The last head lies before the opening, or behind the head."""
    if last.size < head.size:
        verify_consistency(last.size, head.size, last.root, head.root, link)
        return
    grown = tree.copy()
    for entry in read:
        if entry.sequence == grown.size and grown.size < last.size:
            grown.push(entry.encode())
    need(grown.size == last.size, "entries up to the last head that the business did not read")
    need(grown.root() == last.root, "another tree")


def accepts(
    entries: list[Entry],
    speaking: dict[int, Kept],
    every: dict[int, Kept],
    listed_range: range,
    period: tuple[int, int],
) -> None:
    """Every accept has its receipt, every receipt its line, and no message is accepted twice."""
    at = {entry.sequence: entry for entry in entries}
    seen = {k.entry.submit_id for s, k in every.items() if s < listed_range.start}
    for entry in entries:
        if entry.kind == ACCEPT:
            kept_here = every.get(entry.sequence)
            need(kept_here is not None and kept_here.entry == entry, "no receipt for an accept")
            need(entry.submit_id not in seen, "accepted twice")
            seen.add(entry.submit_id)
    for sequence, receipt in speaking.items():
        inside = sequence in listed_range
        need(not inside or at[sequence] == receipt.entry, "a receipt that is not in the tree")
        need(inside or not period[0] <= receipt.entry.hour < period[1], "a receipt left out")


def ends(entries: list[Entry], receipts: list[Kept], standing: set[int], opening: int) -> dict[int, int]:
    """Which accept each settle and release ends; of those `standing`, what ended them before counts."""
    known = {r.entry.sequence: r.entry for r in receipts if r.entry.sequence < opening}
    known |= {entry.sequence: entry for entry in entries if entry.kind == ACCEPT}
    ended = standing & {r.entry.sequence for r in receipts if r.ended is not None and r.ended < opening}
    found: dict[int, int] = {}
    for entry in entries:
        if entry.kind not in (SETTLE, RELEASE):
            continue
        accept = known.get(entry.ref)
        need(accept is not None, "ends what was not accepted")
        assert accept is not None
        charge = (accept.submit_id, accept.category, accept.zone, accept.currency, accept.amount)
        own = (entry.submit_id, entry.category, entry.zone, entry.currency, entry.amount)
        need(own == charge, "another charge")
        need(entry.ref not in ended and entry.ref not in found, "ended twice")
        found[entry.ref] = entry.sequence
    return found
