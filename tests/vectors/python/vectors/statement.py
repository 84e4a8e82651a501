"""statement.json: statements, and what a business checks them with (SPEC §14.5)."""

from dataclasses import dataclass, field, replace

from plico import ledger, statement
from plico.ledger import ACCEPT, CORRECTION, PAYMENT, RELEASE, RESTORED, SETTLE, SUBSCRIPTION, Entry, decode_entry
from plico.primitives import ed25519_public, ed25519_sign
from plico.statement import Tree
from plico.wire import u32, u64

from .format import Group, Kind, Note, VectorFile, array, boolean, flip, hexadecimal, integer, obj, rand

SEED, OTHER = rand("statement key"), rand("statement other key")
KEY, ACCOUNT = ed25519_public(SEED), ed25519_public(rand("statement account"))
DAY = 495_000
"""The first hour of a day, the period's."""
PERIOD = (DAY, DAY + 48)


def check(group: dict, test: dict) -> None:
    key, account, data = (bytes.fromhex(v) for v in (group["key"], group["account"], test["statement"]))
    kept = [statement.kept(bytes.fromhex(r["receipt"]), r["ended"]) for r in test["receipts"]]
    last = statement.unsigned_head(bytes.fromhex(test["lastHead"])) if test["lastHead"] else None
    read = [decode_entry(bytes.fromhex(e)) for e in test["read"]]
    hours = group["validFrom"], group["validTo"]
    found, provisional = statement.verify(data, key, hours, account, kept, last, read)
    assert sorted(found.items()) == [tuple(pair) for pair in test["ended"]]
    assert provisional == test["provisional"]


STATEMENT = Kind(
    "Statement",
    "§14.5: whether the statement agrees with the receipts and the last head",
    {
        "key": hexadecimal("ledger key", 32),
        "validFrom": integer("its first hour"),
        "validTo": integer("the first hour after it"),
        "account": hexadecimal("account", 32),
    },
    {
        "statement": hexadecimal("statement"),
        "receipts": array(
            "the business's receipts, verified when they came",
            obj(
                "receipt",
                {
                    "receipt": hexadecimal("receipt"),
                    "ended": {
                        "type": ["integer", "null"],
                        "description": "entry that ended its charge, in an earlier statement",
                    },
                },
            ),
        ),
        "lastHead": hexadecimal("the last head the business saw; empty for none"),
        "read": array(
            "entries before and after the statement's, as the business read them", hexadecimal("entry", 52)
        ),
        "ended": array("accepts and what ended them", array("accept and entry", integer("sequence"))),
        "provisional": boolean("whether more of the period may come"),
    },
    check,
    ("ended", "provisional"),
)

NOTES = {
    "Normal": Note("BASIC", "What an honest relay states."),
    "Omitted": Note("AUTH_BYPASS", "A line is left out."),
    "Added": Note("AUTH_BYPASS", "A line is added that nobody agreed to."),
    "Altered": Note("AUTH_BYPASS", "A line says something else than its receipt, or the accept it ends."),
    "Twice": Note("AUTH_BYPASS", "One message is charged, or ended, again."),
    "Books": Note("AUTH_BYPASS", "Two heads were signed that are not of one ledger."),
    "Outside": Note("AUTH_BYPASS", "Entries of the period may lie outside the lines."),
    "Restore": Note("CONFORMANCE", "The relay went on from a backup."),
    "Totals": Note("CONFORMANCE", "A total that is not that of the lines."),
    "Signature": Note("AUTH_BYPASS", "The head is another's, or changed."),
    "Length": Note("CONFORMANCE", "Bytes are missing or left, or a list does not fit."),
}


@dataclass
class World:
    """A ledger, and what its business kept."""

    entries: list[Entry] = field(default_factory=list)
    receipts: list[tuple[bytes, int | None]] = field(default_factory=list)

    def accept(self, hour: int, name: str, generation: int = 0) -> None:
        at = len(self.entries)
        submit = rand(f"statement submit {name}", 16)
        self.entries.append(Entry(ACCEPT, at, hour, submit, at, 2, b"FR", b"EUR", 50_000, 2))
        leaves = [ledger.leaf(entry.encode()) for entry in self.entries]
        path = ledger.inclusion(leaves, at)
        receipt = self.entries[at].encode() + u32(len(path)) + b"".join(path) + self.head(generation)
        self.receipts.append((receipt, None))

    def end(self, kind: int, day: int, accept: int, reason: int) -> None:
        ended = replace(self.entries[accept], kind=kind, sequence=len(self.entries), hour=day, ref=accept)
        self.entries.append(replace(ended, reason=reason))

    def other(self, kind: int, hour: int, ref: int = 0, amount: int = 20_000_000) -> None:
        at = len(self.entries)
        self.entries.append(Entry(kind, at, hour, bytes(16), ref, 0, bytes(2), b"EUR", amount, 8))

    def tree(self, size: int | None = None) -> Tree:
        tree = Tree()
        for entry in self.entries[:size]:
            tree.push(entry.encode())
        return tree

    def head(
        self,
        generation: int = 0,
        seed: bytes = SEED,
        account: bytes = ACCOUNT,
        hour: int = DAY + 60,
        size: int | None = None,
    ) -> bytes:
        tree = self.tree(size)
        fields = account, generation, tree.size, tree.root(), hour
        body = account + u32(generation) + u64(tree.size) + tree.root() + u32(hour)
        return body + ed25519_sign(seed, ledger.head_message(*fields))

    def link(self, first: int) -> list[bytes]:
        return ledger.consistency([ledger.leaf(entry.encode()) for entry in self.entries], first)

    def state(
        self,
        opening: int = 1,
        head: bytes | None = None,
        totals: bytes | None = None,
        link: list[bytes] | None = None,
        lines: list[Entry] | None = None,
    ) -> bytes:
        listed = self.entries[opening:] if lines is None else lines
        summed = statement.encode_totals(statement.sums(listed, *PERIOD)) if totals is None else totals
        head = head or self.head()
        return statement.encode(*PERIOD, self.tree(opening), listed, summed, head, link or [])

    def copy(self) -> "World":
        return World(list(self.entries), list(self.receipts))

    def renumbered(self) -> "World":
        for at, entry in enumerate(self.entries):
            ref = at if entry.kind == ACCEPT else entry.ref
            self.entries[at] = replace(entry, sequence=at, ref=ref)
        return self


def world() -> World:
    """An accept before the period, which is settled in it; two more, of which one is released; an accept."""
    made = World()
    made.accept(DAY - 18, "1")
    made.end(SETTLE, DAY, 0, 4)
    made.accept(DAY + 2, "2")
    made.accept(DAY + 3, "3")
    made.end(SETTLE, DAY + 24, 2, 5)
    made.end(RELEASE, DAY + 24, 3, 7)
    made.accept(DAY + 32, "4")
    return made


class Adder:
    """Adds tests of one business, whose receipts are these unless a test says otherwise."""

    def __init__(self, group: Group):
        self.group = group

    def __call__(
        self,
        result: str,
        comment: str,
        flag: str,
        data: bytes,
        kept: World,
        last: bytes = b"",
        read: list[Entry] | None = None,
        ended: list[list[int]] | None = None,
        provisional: bool = True,
    ) -> None:
        values = {} if result == "invalid" else {"ended": ended or [], "provisional": provisional}
        self.group.add(
            result,
            comment,
            flag,
            statement=data.hex(),
            receipts=[{"receipt": r.hex(), "ended": by} for r, by in kept.receipts],
            lastHead=last.hex(),
            read=[entry.encode().hex() for entry in read or []],
            **values,
        )


def build() -> VectorFile:
    file = VectorFile(
        "statement", "Statements", ["What a business checks before it pays."], NOTES, [STATEMENT]
    )
    fields = {"key": KEY.hex(), "validFrom": DAY, "validTo": DAY + 100, "account": ACCOUNT.hex()}
    add = Adder(file.group(STATEMENT, **fields))
    honest(add)
    cheated(add)
    joined(add)
    outside(add)
    restored(add)
    restored_before(add)
    settled_before(add)
    read(add)
    return file


ENDED = [[0, 1], [2, 4], [3, 5]]


def honest(add: Adder) -> None:
    made = world()
    head = made.head()
    for opening in (0, 1):
        add("valid", f"from line {opening} on", "Normal", made.state(opening), made, head, ended=ENDED)
    add("valid", "without a last head", "Normal", made.state(), made, ended=ENDED)
    add("valid", "of an empty ledger", "Normal", World().state(0), World())
    for size in (0, 1, 3, 7):
        last = made.head(size=size)
        add("valid", f"the last head has {size} entries", "Normal", made.state(0), made, last, ended=ENDED)
    paid = made.copy()
    paid.other(SUBSCRIPTION, DAY + 33)
    paid.other(PAYMENT, DAY + 34)
    paid.other(CORRECTION, DAY + 34, amount=5_000_000)
    add("valid", "with a subscription, a payment and a correction of it", "Normal", paid.state(), paid, ended=ENDED)
    seen = made.copy()
    seen.receipts[0] = (seen.receipts[0][0], 1)
    add("valid", "an earlier statement showed the same line", "Normal", made.state(), seen, ended=ENDED)


def cheated(add: Adder) -> None:
    """Signed anew, but for what only the lines say."""
    made = world()

    def books(comment: str, flag: str, change) -> None:
        cheat = made.copy()
        change(cheat.entries)
        add("invalid", comment, flag, cheat.renumbered().state(), made, made.head())

    for at in range(1, 7):
        lines = made.entries[1:at] + made.entries[at + 1 :]
        add("invalid", f"without line {at}", "Omitted", made.state(lines=lines), made, made.head())
    for size in (6, 3):
        books(f"ends before line {size}", "Omitted", lambda e, size=size: e.__delitem__(slice(size, None)))
    add("invalid", "begins behind a receipt of the period", "Omitted", made.state(3), made, made.head())
    stranger = World()
    stranger.accept(DAY + 34, "9")
    accepted = stranger.entries[0]
    books("an accept without a receipt", "Added", lambda e: e.append(accepted))
    other = rand("statement submit none", 16)
    books("settles what was not accepted", "Added", lambda e: e.append(replace(e[1], ref=6, submit_id=other)))
    books("settles a settlement", "Added", lambda e: e.append(replace(e[4], ref=4)))
    books("in place of an accept", "Added", lambda e: e.__setitem__(6, accepted))
    books("a payment in place of an accept", "Altered", lambda e: e.__setitem__(6, payment()))
    for at, name in ((2, "accept"), (4, "settle"), (5, "release")):
        for field_name, value in (("amount", 90_000), ("category", 4), ("zone", b"US"), ("currency", b"CHF")):
            def change(e, at=at, changed={field_name: value}):
                e[at] = replace(e[at], **changed)

            books(f"{name} of another {field_name}", "Altered", change)
    misplaced = replace(made.entries[4], submit_id=made.entries[3].submit_id)
    books("settle of another message", "Altered", lambda e: e.__setitem__(4, misplaced))
    books("accept of another hour", "Altered", lambda e: e.__setitem__(2, replace(e[2], hour=DAY + 1)))
    books("settled twice", "Twice", lambda e: e.append(replace(e[4])))
    books("settled and released", "Twice", lambda e: e.append(replace(e[4], kind=RELEASE, reason=7)))
    twice = made.copy()
    again = replace(made.entries[2], sequence=7, ref=7)
    twice.entries.append(again)
    leaves = [ledger.leaf(entry.encode()) for entry in twice.entries]
    path = ledger.inclusion(leaves, 7)
    twice.receipts.append((again.encode() + u32(len(path)) + b"".join(path) + twice.head(), None))
    add("invalid", "one message accepted twice, with receipts", "Twice", twice.state(), twice, twice.head())
    seen, late = made.copy(), made.copy()
    seen.receipts[0] = (seen.receipts[0][0], 1)
    late.end(SETTLE, DAY + 24, 0, 4)
    add("invalid", "settled in an earlier statement", "Twice", late.state(2), seen, made.head())


def payment() -> Entry:
    return Entry(PAYMENT, 6, DAY + 32, bytes(16), 0, 0, bytes(2), b"EUR", 50_000, 8)


def joined(add: Adder) -> None:
    """Heads that lie before the lines, among them or behind."""
    made = world()
    other = made.copy()
    other.entries[5] = replace(other.entries[5], reason=6)
    data = other.state()
    add("invalid", "another ledger of the same size", "Books", data, made, made.head())
    before = made.head(size=1)
    # The receipts of the lines before it are of another period: those of two days later alone.
    far = made.copy()
    for hour in (48, 49, 50):
        far.accept(DAY + hour, f"far {hour}")
    period = (DAY + 48, DAY + 72)
    lines = far.entries[7:]
    totals = statement.encode_totals(statement.sums(lines, *period))

    def stated(link: list[bytes]) -> bytes:
        return statement.encode(*period, far.tree(7), lines, totals, far.head(), link)

    add("valid", "a last head before the lines, joined", "Normal", stated(far.link(1)), far, before)
    add("invalid", "a last head before the lines, not joined", "Books", stated([]), far, before)
    wrong = [flip(far.link(1)[0], 0), *far.link(1)[1:]]
    add("invalid", "a last head before the lines, joined wrongly", "Books", stated(wrong), far, before)
    after, data = far.head(), made.state()
    add("invalid", "a last head behind the lines, not joined", "Books", data, made, after)
    linked = made.state(link=far.link(7))
    add("invalid", "a last head behind the lines, joined by a proof alone", "Books", linked, made, after)
    later = far.entries[7:]
    for comment, read in (
        ("the entries between", later),
        ("the entries between, among all that were read", far.entries),
    ):
        comment = f"a last head behind the lines, joined by {comment}"
        add("valid", comment, "Normal", data, made, after, read, ended=ENDED)
    for comment, read in (("one", later[:-1]), ("the first", later[1:])):
        add("invalid", f"{comment} of the entries between is missing", "Books", linked, made, after, read)
    changed = [*later[:-1], replace(later[-1], hour=DAY + 51)]
    add("invalid", "one of the entries between is another", "Books", data, made, after, changed)


def outside(add: Adder) -> None:
    """Entries of the period, of which there is no receipt, before the lines and behind them."""
    made = world()
    for result, comment, kind, hour in (
        ("invalid", "a payment of the period's last hour", PAYMENT, DAY + 47),
        ("valid", "a payment of the hour after it", PAYMENT, DAY + 48),
        ("invalid", "a subscription of the period's first hour", SUBSCRIPTION, DAY),
        ("valid", "a subscription of an earlier day", SUBSCRIPTION, DAY - 24),
    ):
        more = made.copy()
        more.other(kind, hour)
        last, read = more.head(), more.entries[7:]
        ended = ENDED if result == "valid" else None
        add(result, f"{comment} was read after it", "Outside", made.state(), made, last, read, ended)
    late = made.copy()
    late.end(SETTLE, DAY + 24, 6, 4)
    late.other(PAYMENT, DAY + 60)
    data, last = made.state(), late.head()
    add("invalid", "a settlement was entered after it, and a payment", "Outside", data, made, last, late.entries)
    head, behind = made.head(), made.state(2)
    add("invalid", "begins behind a settlement that was read", "Outside", behind, made, head, made.entries)
    add("valid", "begins behind one that was not read", "Outside", behind, made, head, made.entries[:1], ENDED[1:])
    for comment, hour in (("in its last hour", 47), ("a day after it", 71), ("later than that", 72)):
        data = made.state(head=made.head(hour=DAY + hour))
        add("valid", f"stated {comment}", "Normal", data, made, ended=ENDED, provisional=hour < 72)


GENERATION = 29_700_000
"""The minute of a restore."""


def restored(add: Adder) -> None:
    made = world()
    back = made.copy()
    del back.entries[5:]
    generation = GENERATION
    short = back.state(head=back.head(generation))
    add("valid", "before anything was charged again", "Restore", short, made, made.head(), ended=ENDED[:2])
    comment = "what was read is lost with the lines"
    add("valid", comment, "Restore", short, made, made.head(), made.entries, ended=ENDED[:2])
    on = made.copy()
    on.other(RESTORED, DAY + 49, generation, 0)
    data, last = made.state(), on.head(generation)
    comment = "the relay went on from a backup since"
    add("valid", f"{comment}, as was read", "Restore", data, made, last, on.entries, ended=ENDED)
    add("invalid", f"{comment}, and nothing was read", "Restore", data, made, last)
    back.other(RESTORED, DAY + 40, generation, 0)
    signed = back.head(generation)
    data = back.state(head=signed)
    add("valid", "lines were lost", "Restore", data, made, made.head(), ended=ENDED[:2])
    anew = back.copy()
    anew.end(SETTLE, DAY + 24, 3, 4)
    data = anew.state(head=anew.head(generation))
    both = [*ENDED[:2], [3, 6]]
    add("valid", "what was lost is decided anew", "Restore", data, made, made.head(), ended=both)
    data = back.state()
    add("invalid", "a restore that the head does not know of", "Restore", data, made, made.head())
    stranger = back.copy()
    stranger.accept(DAY + 41, "after the restore")
    data = stranger.state(head=stranger.head(generation))
    add("invalid", "an accept without a receipt after it", "Restore", data, made, made.head())


def restored_before(add: Adder) -> None:
    """The restored entry, where there is one, lies before the lines."""
    old = World()
    old.accept(DAY - 40, "kept")
    old.end(SETTLE, DAY - 24, 0, 4)
    for at in range(2, 7):
        old.accept(DAY - 22 + at, f"lost {at}")
    back = old.copy()
    del back.entries[2:]
    back.other(RESTORED, DAY - 12, GENERATION, 0)
    for hour in (-10, 2, 3, 4):
        back.other(PAYMENT, DAY + hour)
    back.accept(DAY + 5, "after", GENERATION)
    back.end(SETTLE, DAY + 24, 7, 4)
    signed = back.head(GENERATION)
    data, comment = back.state(4, signed), "a restore before the lines"
    anew = [[7, 8]]
    add("valid", f"{comment}, as was read", "Restore", data, back, signed, back.entries, anew)
    add("valid", f"{comment}, read up to them", "Restore", data, back, signed, back.entries[:4], anew)
    add("invalid", f"{comment}, and nothing was read", "Restore", data, back, old.head())
    add("invalid", f"{comment}, which was not read", "Restore", data, back, old.head(), old.entries)
    later = [replace(e, ref=GENERATION + 1) if e.kind == RESTORED else e for e in back.entries[:4]]
    add("invalid", f"{comment}, later than their head", "Restore", data, back, b"", later)
    without = back.state(8, signed)
    add("invalid", f"{comment}, without an accept since", "Restore", without, back, b"", back.entries[:4])
    early, link = old.head(size=1), back.link(1)
    joined_data = back.state(4, signed, link=link)
    add("valid", f"{comment}, joined to an older head", "Restore", joined_data, back, early, back.entries[:4], anew)
    add("invalid", f"{comment}, not joined to an older head", "Restore", data, back, early, back.entries[:4])
    claimed = World()
    claimed.other(PAYMENT, DAY + 1)
    claimed.accept(DAY + 2, "claimed")
    comment = "a later generation is claimed, with no restored entry"
    data, last = claimed.state(1, claimed.head(GENERATION)), claimed.head()
    add("invalid", f"{comment}, and a payment left out", "Restore", data, claimed, last, claimed.entries)
    claimed.accept(DAY + 3, "claimed too")
    data = claimed.state(2, claimed.head(GENERATION))
    add("invalid", f"{comment}, and an accept left out", "Restore", data, claimed)


def settled_before(add: Adder) -> None:
    """What an earlier statement ended is ended again behind a restore."""
    old = World()
    old.accept(DAY - 40, "ended")
    old.end(SETTLE, DAY - 24, 0, 4)
    for result, comment, kind, line in (
        ("valid", "a settle that is lost with its line is entered anew", PAYMENT, 1),
        ("invalid", "a settle from after a restore is entered again", SETTLE, 2),
    ):
        back = old.copy()
        del back.entries[1:]
        back.other(RESTORED, DAY - 12, GENERATION, 0)
        if kind == SETTLE:
            back.end(SETTLE, DAY - 24, 0, 4)
        else:
            back.other(PAYMENT, DAY - 10)
        back.end(SETTLE, DAY, 0, 4)
        back.receipts[0] = (back.receipts[0][0], line)
        signed = back.head(GENERATION)
        data = back.state(3, signed)
        ended = [[0, 3]] if result == "valid" else None
        add(result, f"{comment}, as was read", "Restore", data, back, signed, back.entries, ended)
        add("invalid", f"{comment}, and was not read", "Restore", data, back, old.head(), old.entries)


def read(add: Adder) -> None:
    """Totals, the head, and the encoding."""
    made = world()
    good = made.state()

    def add_totals(comment: str, totals: bytes) -> None:
        add("invalid", comment, "Totals", made.state(totals=totals), made, made.head())

    honest_sums = statement.sums(made.entries[1:], *PERIOD)
    for at, (key, (total, count)) in enumerate(honest_sums.items()):
        for name, wrong in (("sum", (total - 1, count)), ("count", (total, count - 1))):
            less = statement.encode_totals({**honest_sums, key: wrong})
            add_totals(f"{name} {at} is one less", less)
        rest = {k: v for k, v in honest_sums.items() if k != key}
        add_totals(f"line {at} is missing", statement.encode_totals(rest))
    every = statement.encode_totals(statement.sums(made.entries, 0, 2**32))
    add_totals("all lines counted, not those of the period", every)
    rows = sorted(honest_sums.items(), reverse=True)
    falling = [key + u64(total) + u64(count) for key, (total, count) in rows]
    add_totals("totals fall", u32(len(falling)) + b"".join(falling))
    once = falling[-1]
    add_totals("a line twice", u32(2) + once + once)
    for comment, head in (
        ("signed by another", made.head(seed=OTHER)),
        ("of another account", made.head(account=KEY)),
        ("dated before the key's validity", made.head(hour=DAY - 1)),
        ("dated after the key's validity", made.head(hour=DAY + 100)),
        ("a bit of its root changed", flip(made.head(), 44)),
        ("a bit of its size changed", flip(made.head(), 43)),
    ):
        add("invalid", f"a head {comment}", "Signature", made.state(head=head), made, made.head())
    for version in (0, 2):
        add("invalid", f"version {version}", "Length", bytes([version]) + good[1:], made, made.head())
    add("invalid", "a trailing byte", "Length", good + b"\0", made, made.head())
    add("invalid", "a byte less", "Length", good[:-1], made, made.head())
    short = good[:9] + u64(3) + good[17:]
    add("invalid", "an opening of 3 entries with the roots of 1", "Length", short, made)
    add("invalid", "another opening", "Omitted", flip(good, 17), made, made.head())
    add("invalid", "a count of entries one more", "Length", good[:49] + u32(7) + good[53:], made, made.head())
