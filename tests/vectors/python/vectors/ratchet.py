"""ratchet.json: conversations with losses, repeats, other orders and forgeries (SPEC §8.2)."""

from copy import deepcopy

from plico import envelope, ratchet
from plico.envelope import Draws
from plico.primitives import Refused, need, sha256
from plico.ratchet import Deferred, Duplicate, Session

from .format import Kind, Note, VectorFile, array, flip, hexadecimal, integer, obj, rand, string
from .world import Pair

PERSON, BUSINESS = "person", "business"
OPENED, DUPLICATE, UNREADABLE = "opened", "duplicate", "unreadable"


def digest(session: Session) -> str:
    return sha256(ratchet.encode_state(session)).hex()


class Table:
    """Both ends, and what lies between them."""

    def __init__(self, states: dict[str, Session], hint: bytes, hint_key: bytes):
        self.states = states
        self.hint, self.hint_key = hint, hint_key
        self.messages: dict[str, bytes] = {}

    def send(self, by: str, message: str, content: bytes, random: bytes) -> None:
        draw = Draws(random)
        if by == PERSON:
            made = envelope.send_to_inbox(self.states[by], self.hint_key, content, draw)
        else:
            made = envelope.send_to_mailbox(self.states[by], content, draw)
        need(draw.used == len(random), "random bytes left")
        self.states[by], self.messages[message] = made

    def receive(self, by: str, message: str) -> tuple[str, str, str]:
        """(outcome, content, k_f)."""
        sent, state = self.messages[message], self.states[by]
        try:
            if by == PERSON:
                after, opened = envelope.receive_at_mailbox(state, sent)
            else:
                after, opened = envelope.receive_at_inbox(state, sent, self.hint)
        except Duplicate:
            return DUPLICATE, "", ""
        except Refused:
            return UNREADABLE, "", ""
        self.states[by] = after
        return OPENED, opened.content.hex(), opened.k_f.hex()


def check(group: dict, test: dict) -> None:
    """Plays a script; what differs is a wrong vector."""
    states = {by: ratchet.decode_state(bytes.fromhex(test[f"{by}State"])) for by in (PERSON, BUSINESS)}
    table = Table(states, bytes.fromhex(group["hintPrivate"]), bytes.fromhex(group["hintKey"]))
    for step in test["steps"]:
        play(table, step)
    for by in (PERSON, BUSINESS):
        assert ratchet.encode_state(table.states[by]).hex() == test[f"{by}StateAfter"]


def play(table: Table, step: dict) -> None:
    op, by = step["op"], step.get("by")
    if op == "send":
        random = bytes.fromhex(step["random"])
        table.send(by, step["message"], bytes.fromhex(step["content"]), random)
        assert table.messages[step["message"]].hex() == step["envelope"]
    elif op == "refuse":
        try:
            table.send(by, "none", b"", bytes.fromhex(step["random"]))
            raise AssertionError("sent")
        except Refused:
            pass
    elif op == "receive":
        found = table.receive(by, step["message"])
        assert found == (step["outcome"], step["content"], step["kF"]), (found, step)
    elif op == "load":
        table.states[by] = ratchet.decode_state(bytes.fromhex(step["state"]))
    else:
        table.messages[step["message"]] = flip(table.messages[step["of"]], step["offset"], step["mask"])
        return
    assert digest(table.states[by]) == step["stateSha256"]


BY = string("who acts", [PERSON, BUSINESS])
NAME = string("name of a message in this script")
STATE = hexadecimal("SHA-256 of the state of `by` after the step, encoded as in §8.6", 32)

STEPS = [
    obj(
        "`by` makes a message; whether it travels, the later steps say",
        {
            "op": {"const": "send"},
            "by": BY,
            "message": NAME,
            "content": hexadecimal("content"),
            "random": hexadecimal("what is drawn, in the order of §8.4"),
            "envelope": hexadecimal("the bytes on the wire"),
            "stateSha256": STATE,
        },
    ),
    obj(
        "`by` must not send: its chain is full",
        {
            "op": {"const": "refuse"},
            "by": BY,
            "random": hexadecimal("what would be drawn"),
            "stateSha256": STATE,
        },
    ),
    obj(
        "`by` receives a message that was sent or forged before, perhaps again",
        {
            "op": {"const": "receive"},
            "by": BY,
            "message": NAME,
            "outcome": string("§8.2", [OPENED, DUPLICATE, UNREADABLE]),
            "content": hexadecimal("what it releases; empty unless opened"),
            "kF": hexadecimal("k_f; empty unless opened"),
            "stateSha256": STATE,
        },
    ),
    obj(
        "`by` goes on from this state: of a sender whose messages were lost, or an older copy",
        {
            "op": {"const": "load"},
            "by": BY,
            "state": hexadecimal("state, §8.6"),
            "stateSha256": STATE,
        },
    ),
    obj(
        "someone changes bits of one byte of a message",
        {
            "op": {"const": "forge"},
            "message": NAME,
            "of": NAME,
            "offset": integer("which byte"),
            "mask": integer("exclusive-or with it"),
        },
    ),
]

KIND = Kind(
    "RatchetScript",
    "a conversation, step by step: every envelope, outcome and state. All are valid: they are played "
    "as written, refusals included",
    {
        "hintPrivate": hexadecimal("private half of the hint key", 32),
        "hintKey": hexadecimal("hint key of the inbox", 32),
    },
    {
        "personState": hexadecimal("the person's state before, §8.6"),
        "businessState": hexadecimal("the business's state before, §8.6"),
        "steps": array("what happens, in this order", {"oneOf": STEPS}),
        "personStateAfter": hexadecimal("the person's state at the end"),
        "businessStateAfter": hexadecimal("the business's state at the end"),
    },
    check,
)

NOTES = {
    "Order": Note("BASIC", "Everything arrives, as sent."),
    "Loss": Note("BASIC", "Messages are lost or come in another order, also across a ratchet step."),
    "Duplicate": Note("REPLAY", "Messages come again; nothing changes."),
    "Forged": Note(
        "AUTH_BYPASS", "Changed messages come first; nothing changes, and the real ones still open."
    ),
    "Bound": Note("CONFORMANCE", "A bound of §8.2's table is met."),
}


class Script:
    """Plays what it writes down."""

    def __init__(self, name: str, pair: Pair):
        self.name = name
        self.before = {PERSON: deepcopy(pair.person), BUSINESS: deepcopy(pair.shop_session)}
        self.table = Table(dict(self.before), pair.shop.hint, pair.shop.hint_key)
        self.steps: list[dict] = []

    def send(self, by: str, *messages: str) -> None:
        for message in messages:
            random = rand(f"ratchet {self.name} {message}", self.randoms(by))
            content = f"{message} of {self.name}".encode()
            self.table.send(by, message, content, random)
            sent = self.table.messages[message].hex()
            self.note("send", by, message=message, content=content.hex(), random=random.hex(), envelope=sent)

    def randoms(self, by: str) -> int:
        fresh = 32 if isinstance(self.table.states[by].sending, Deferred) else 0
        return fresh + 24 + (32 if by == PERSON else 0)

    def refuse(self, by: str) -> None:
        self.note("refuse", by, random=rand(f"ratchet {self.name} refused", self.randoms(by)).hex())

    def receive(self, by: str, *messages: str, outcome: str = OPENED) -> None:
        for message in messages:
            found, content, k_f = self.table.receive(by, message)
            assert found == outcome, f"{self.name}: {message} is {found}"
            self.note("receive", by, message=message, outcome=found, content=content, kF=k_f)

    def lose(self, by: str, count: int) -> None:
        """`by` made `count` messages that nobody receives."""
        state = deepcopy(self.table.states[by])
        for _ in range(count):
            state.sending.ck, _ = ratchet.kdf_ck(state.sending.ck)
            state.sending.ns += 1
        self.load(by, state)

    def load(self, by: str, state: Session) -> None:
        self.table.states[by] = state
        self.note("load", by, state=ratchet.encode_state(state).hex())

    def forge(self, message: str, of: str, offset: int, mask: int = 1) -> None:
        self.table.messages[message] = flip(self.table.messages[of], offset, mask)
        self.steps.append({"op": "forge", "message": message, "of": of, "offset": offset, "mask": mask})

    def note(self, op: str, by: str, **fields) -> None:
        self.steps.append({"op": op, "by": by, **fields, "stateSha256": digest(self.table.states[by])})

    def fields(self) -> dict:
        def states(of: dict[str, Session], suffix: str) -> dict[str, str]:
            return {f"{by}State{suffix}": ratchet.encode_state(s).hex() for by, s in of.items()}

        return {**states(self.before, ""), "steps": self.steps, **states(self.table.states, "After")}


def build() -> VectorFile:
    file = VectorFile(
        "ratchet", "Double Ratchet with header encryption", ["Scripts of both ends."], NOTES, [KIND]
    )
    begun, answered = Pair.begun("ratchet"), Pair.answered("ratchet")
    group = file.group(KIND, hintPrivate=begun.shop.hint.hex(), hintKey=begun.shop.hint_key.hex())

    def add(comment: str, flag: str, script: Script) -> None:
        group.valid(comment, flag, **script.fields())

    add("turn by turn, from the first answer on", "Order", turns(begun))
    add("several messages a turn, both ways at once", "Order", bursts(answered))
    add("another order within a chain, and repeats", "Duplicate", reordered(answered))
    add("keys skipped across ratchet steps", "Loss", across(answered))
    add("a whole chain is lost", "Loss", lost_chain(answered))
    add("forgeries before the real message", "Forged", forged(answered))
    add("repeats from earlier chains, until the header key is gone", "Bound", forgotten(answered))
    add("101 messages awaited: the oldest key is gone", "Bound", evicted(answered))
    add("awaited keys of two chains, the older chain's go first", "Bound", evicted_across(answered))
    add("a chain's 1,000 messages", "Bound", full(answered))
    add("999 skipped across a ratchet step", "Bound", full_across(answered))
    add("an older copy of a state", "Loss", older_copy(answered))
    add("a chain that ended goes on", "Loss", past_its_end(answered))
    return file


def turns(pair: Pair) -> Script:
    s = Script("turns", pair)
    for i in range(3):
        for by, other in ((BUSINESS, PERSON), (PERSON, BUSINESS)):
            s.send(by, f"{by} {i}")
            s.receive(other, f"{by} {i}")
    return s


def bursts(pair: Pair) -> Script:
    s = Script("bursts", pair)
    s.send(PERSON, "p0", "p1")
    s.send(BUSINESS, "b0", "b1")
    s.receive(PERSON, "b0", "b1")
    s.send(PERSON, "p2")
    s.receive(BUSINESS, "p0", "p1", "p2")
    s.send(BUSINESS, "b2", "b3")
    s.send(PERSON, "p3")
    s.receive(PERSON, "b2", "b3")
    s.receive(BUSINESS, "p3")
    return s


def reordered(pair: Pair) -> Script:
    s = Script("reordered", pair)
    names = [f"b{i}" for i in range(5)]
    s.send(BUSINESS, *names)
    order = ["b4", "b1", "b3", "b0", "b2"]
    s.receive(PERSON, "b4", "b1")
    s.receive(PERSON, "b4", "b1", outcome=DUPLICATE)
    s.receive(PERSON, *order[2:])
    s.receive(PERSON, *order, outcome=DUPLICATE)
    s.send(BUSINESS, "b5")
    s.receive(PERSON, "b5")
    return s


def across(pair: Pair) -> Script:
    s = Script("across", pair)
    s.send(PERSON, "p0", "p1", "p2")
    s.receive(BUSINESS, "p0")
    s.send(BUSINESS, "b0", "b1")
    s.receive(PERSON, "b1")
    s.send(PERSON, "p3", "p4")
    s.receive(BUSINESS, "p4")
    s.receive(BUSINESS, "p2", "p1")
    s.receive(BUSINESS, "p1", "p2", "p0", outcome=DUPLICATE)
    s.send(BUSINESS, "b2")
    s.receive(PERSON, "b2", "b0")
    s.receive(BUSINESS, "p3")
    s.receive(PERSON, "b0", "b1", outcome=DUPLICATE)
    return s


def lost_chain(pair: Pair) -> Script:
    """Nothing of the person's second chain arrives; its third comes only after an answer."""
    s = Script("lost chain", pair)
    s.send(PERSON, "p0")
    s.receive(BUSINESS, "p0")
    s.send(BUSINESS, "b0")
    s.receive(PERSON, "b0")
    s.send(PERSON, "p1", "p2")
    s.send(BUSINESS, "b1")
    s.receive(PERSON, "b1")
    s.send(PERSON, "p3")
    s.receive(BUSINESS, "p3")
    s.send(BUSINESS, "b2")
    s.receive(PERSON, "b2")
    s.receive(BUSINESS, "p2", "p1")
    return s


def forged(pair: Pair) -> Script:
    s = Script("forged", pair)
    s.send(BUSINESS, "b0")
    for offset in (0, 40, 60, 111, 112, 2047):
        s.forge(f"b0 changed at {offset}", "b0", offset)
        s.receive(PERSON, f"b0 changed at {offset}", outcome=UNREADABLE)
    s.receive(PERSON, "b0")
    s.forge("b0 again, changed", "b0", 2047)
    s.receive(PERSON, "b0 again, changed", outcome=DUPLICATE)
    s.send(PERSON, "p0", "p1")
    s.receive(BUSINESS, "p1")
    for offset in (0, 70, 120, 193, 2047):
        s.forge(f"p0 changed at {offset}", "p0", offset, 0x80)
        s.receive(BUSINESS, f"p0 changed at {offset}", outcome=UNREADABLE)
    s.receive(BUSINESS, "p0")
    s.send(BUSINESS, "b1")
    s.forge("b1 changed", "b1", 1000)
    s.receive(PERSON, "b1 changed", outcome=UNREADABLE)
    s.receive(PERSON, "b1")
    return s


def forgotten(pair: Pair) -> Script:
    s = Script("forgotten", pair)
    s.send(PERSON, "p0", "awaited")
    s.receive(BUSINESS, "p0")
    for i in range(1, 6):
        s.send(BUSINESS, f"b{i}")
        s.receive(PERSON, f"b{i}")
        s.send(PERSON, f"p{i}")
        s.receive(BUSINESS, f"p{i}")
        s.receive(BUSINESS, "p0", outcome=DUPLICATE)
    s.send(BUSINESS, "b6")
    s.receive(PERSON, "b6")
    s.send(PERSON, "p6")
    s.receive(BUSINESS, "p6")
    s.receive(BUSINESS, "p0", "awaited", outcome=UNREADABLE)
    s.receive(BUSINESS, "p1", outcome=DUPLICATE)
    return s


def evicted(pair: Pair) -> Script:
    """The person has read number 0; it awaits 1 to 101 when 102 comes."""
    s = Script("evicted", pair)
    s.send(BUSINESS, "b1", "b2", "b3")
    s.lose(BUSINESS, 98)
    s.send(BUSINESS, "b102")
    s.receive(PERSON, "b102")
    s.receive(PERSON, "b1", outcome=DUPLICATE)
    s.receive(PERSON, "b2", "b3")
    return s


def evicted_across(pair: Pair) -> Script:
    """60 keys are awaited of one chain, then 60 of the next: 20 of the first are gone."""
    s = Script("evicted across", pair)
    s.lose(BUSINESS, 19)
    s.send(BUSINESS, "b20", "b21")
    s.lose(BUSINESS, 39)
    s.send(BUSINESS, "b61")
    s.receive(PERSON, "b61")
    s.send(PERSON, "p0")
    s.receive(BUSINESS, "p0")
    s.send(BUSINESS, "c0")
    s.lose(BUSINESS, 59)
    s.send(BUSINESS, "c60")
    s.receive(PERSON, "c60")
    s.receive(PERSON, "b20", outcome=DUPLICATE)
    s.receive(PERSON, "b21", "c0")
    return s


def full(pair: Pair) -> Script:
    """The last number of a chain, then none, then number 0 of the next, which says that 1,000 went before."""
    s = Script("full", pair)
    s.send(BUSINESS, "b1")
    s.lose(BUSINESS, 997)
    s.send(BUSINESS, "b999")
    s.refuse(BUSINESS)
    s.receive(PERSON, "b999")
    s.receive(PERSON, "b1", outcome=DUPLICATE)
    s.refuse(BUSINESS)
    s.send(PERSON, "p0")
    s.receive(BUSINESS, "p0")
    s.send(BUSINESS, "c0")
    s.receive(PERSON, "c0")
    return s


def full_across(pair: Pair) -> Script:
    """The new chain's first message tells of 999 that are missing; the latest hundred are awaited."""
    s = Script("full across", pair)
    s.lose(BUSINESS, 898)
    s.send(BUSINESS, "b899", "b900")
    s.lose(BUSINESS, 98)
    s.send(BUSINESS, "b999")
    s.send(PERSON, "p0")
    s.receive(BUSINESS, "p0")
    s.send(BUSINESS, "c0")
    s.receive(PERSON, "c0")
    s.receive(PERSON, "b899", outcome=DUPLICATE)
    s.receive(PERSON, "b900", "b999")
    return s


def older_copy(pair: Pair) -> Script:
    """A business goes on from a copy of its state: what came of later chains does not open."""
    s = Script("older copy", pair)
    copy = s.table.states[BUSINESS]
    s.send(PERSON, "p0")
    s.receive(BUSINESS, "p0")
    s.send(BUSINESS, "b0")
    s.receive(PERSON, "b0")
    s.send(PERSON, "p1")
    s.load(BUSINESS, copy)
    s.receive(BUSINESS, "p1", outcome=UNREADABLE)
    s.receive(BUSINESS, "p0")
    return s


def past_its_end(pair: Pair) -> Script:
    """A business's older copy goes on with a chain of which its later chain told how long it was."""
    s = Script("past its end", pair)
    s.send(BUSINESS, "b0")
    s.receive(PERSON, "b0")
    copy = s.table.states[BUSINESS]
    s.send(PERSON, "p0")
    s.receive(BUSINESS, "p0")
    s.send(BUSINESS, "c0")
    s.receive(PERSON, "c0")
    s.load(BUSINESS, copy)
    s.send(BUSINESS, "b1", "b2")
    s.receive(PERSON, "b1", "b2", outcome=UNREADABLE)
    s.receive(PERSON, "b0", outcome=DUPLICATE)
    return s
