"""SPEC §8.3: the three layouts of an envelope, made and opened."""

from dataclasses import dataclass

from . import hpke, message, ratchet
from .handshake import Bundle, Handshake, Keys, Secrets, initiate, respond
from .message import FIRST, OVERHEAD, SIZES, TO_INBOX, TO_MAILBOX
from .primitives import Refused, mlkem_public, need
from .ratchet import Session
from .wire import u8

KIND_SESSION, KIND_FIRST = 1, 2


class Draws:
    """The random bytes of a vector, drawn in the order of §8.4."""

    def __init__(self, data: bytes):
        self.data = data
        self.used = 0

    def __call__(self, count: int) -> bytes:
        taken = self.data[self.used : self.used + count]
        assert len(taken) == count, "a vector gives too few random bytes"
        self.used += count
        return taken


@dataclass(frozen=True)
class Parts:
    """The last three parts of every layout."""

    c2: bytes
    header: bytes
    sealed: bytes
    size_class: int


@dataclass(frozen=True)
class Opened:
    """What a recipient keeps of a message it opened."""

    content: bytes
    k_f: bytes
    padded: bytes
    c2: bytes


def seal_content(mk: bytes, ad: bytes, header: bytes, content: bytes, layout: str) -> Parts:
    """§8.4 for content that takes the smallest size class."""
    size_class = message.size_class_for(len(content), layout)
    padded = message.pad(content, SIZES[size_class] - OVERHEAD[layout])
    keys = message.message_keys(mk, header[:24])
    c2 = message.commitment(keys.k_f, size_class, padded)
    return Parts(c2, header, message.seal_padded(keys, ad, header, c2, padded), size_class)


def hint(account: bytes) -> bytes:
    """The `info` of §8.3."""
    return b"plico/1 hint\0" + account


def to_mailbox(parts: Parts) -> bytes:
    return parts.c2 + parts.header + parts.sealed


def to_inbox(
    parts: Parts, account: bytes, hint_key: bytes, box0: bytes, box1: bytes | None, ikm: bytes
) -> bytes:
    """`box0` and `box1` are plaintexts."""
    enc, context = hpke.setup_sender(hint_key, hint(account), ikm)
    boxes = context.seal(parts.c2, box0)
    if box1 is not None:
        boxes += context.seal(parts.c2, box1)
    return parts.c2 + enc + boxes + parts.header + parts.sealed


def send_first(
    ika_private: bytes, bundle: Bundle, hint_key: bytes, content: bytes, draw: Draws
) -> tuple[Session, bytes, Handshake, Keys]:
    """A first message, with the draws in the order of §8.4."""
    handshake, keys = initiate(ika_private, bundle, draw(32), draw(32))
    session = ratchet.begin_initiator(keys, bundle.account, bundle.spk, draw(32))
    session, mk, header = ratchet.next_to_send(session, draw)
    parts = seal_content(mk, keys.ad, header, content, FIRST)
    box0 = u8(KIND_FIRST) + bytes(32)
    envelope = to_inbox(parts, bundle.account, hint_key, box0, handshake.encode(), draw(32))
    return session, envelope, handshake, keys


def send_to_inbox(session: Session, hint_key: bytes, content: bytes, draw: Draws) -> tuple[Session, bytes]:
    """A person's later message."""
    after, mk, header = ratchet.next_to_send(session, draw)
    parts = seal_content(mk, session.ad, header, content, TO_INBOX)
    box0 = u8(KIND_SESSION) + session.sid
    return after, to_inbox(parts, session.account, hint_key, box0, None, draw(32))


def send_to_mailbox(session: Session, content: bytes, draw: Draws) -> tuple[Session, bytes]:
    """A business's message."""
    after, mk, header = ratchet.next_to_send(session, draw)
    return after, to_mailbox(seal_content(mk, session.ad, header, content, TO_MAILBOX))


def size_class_of(envelope: bytes) -> int:
    """§3: exactly one of four sizes."""
    for number, size in SIZES.items():
        if len(envelope) == size:
            return number
    raise Refused("not an envelope's size")


@dataclass(frozen=True)
class Letter:
    """An inbox envelope behind its routing hint."""

    parts: Parts
    sid: bytes | None
    handshake: Handshake | None


def open_hint(envelope: bytes, account: bytes, hint_private: bytes) -> Letter:
    """§8.3, the boxes of an envelope to an inbox."""
    size_class = size_class_of(envelope)
    c2, enc, box0 = envelope[:32], envelope[32:64], envelope[64:113]
    context = hpke.setup_recipient(enc, hint_private, hint(account))
    opened = context.open(c2, box0)
    kind, name = opened[0], opened[1:]
    need(kind in (KIND_SESSION, KIND_FIRST), "kind")
    if kind == KIND_SESSION:
        return Letter(Parts(c2, envelope[113:193], envelope[193:], size_class), name, None)
    need(name == bytes(32), "a first message names no session")
    handshake = Handshake.decode(context.open(c2, envelope[113:1296]))
    return Letter(Parts(c2, envelope[1296:1376], envelope[1376:], size_class), None, handshake)


def open_parts(mk: bytes, ad: bytes, parts: Parts) -> Opened:
    content, k_f, padded = message.open_message(
        mk, ad, parts.header, parts.c2, parts.size_class, parts.sealed
    )
    return Opened(content, k_f, padded, parts.c2)


def receive(session: Session, parts: Parts) -> tuple[Session, Opened]:
    """§8.2 and §8.4: the state is only put in place once everything was verified."""
    after, mk = ratchet.received(session, parts.header)
    return after, open_parts(mk, session.ad, parts)


def receive_at_mailbox(session: Session, envelope: bytes) -> tuple[Session, Opened]:
    size_class = size_class_of(envelope)
    return receive(session, Parts(envelope[:32], envelope[32:112], envelope[112:], size_class))


def receive_at_inbox(session: Session, envelope: bytes, hint_private: bytes) -> tuple[Session, Opened]:
    """A message of a session, at the business that has only this one."""
    letter = open_hint(envelope, session.account, hint_private)
    need(letter.sid == session.sid, "another session")
    return receive(session, letter.parts)


def receive_first(
    envelope: bytes, secrets: Secrets, hint_private: bytes
) -> tuple[Session, Opened, Handshake, Keys]:
    """§8.1 and §8.4 at the business: a session exists only if this returns."""
    letter = open_hint(envelope, secrets.account, hint_private)
    if letter.handshake is None:
        raise Refused("not a first message")
    publics = {number: mlkem_public(seed) for number, seed in secrets.pq.items()}
    keys = respond(letter.handshake, secrets, publics)
    spk = secrets.spk[letter.handshake.spk_id]
    session, mk = ratchet.accept_first(keys, secrets.account, spk, letter.parts.header)
    return session, open_parts(mk, keys.ad, letter.parts), letter.handshake, keys
