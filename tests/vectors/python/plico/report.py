"""SPEC §11: origins, stamps and reports."""

from dataclasses import dataclass

from . import message, ticket
from .primitives import hmac, need
from .wire import Reader, u8, u32


@dataclass(frozen=True)
class Origin:
    account: bytes
    tag: bytes
    ticket_id: bytes
    hour: int
    category: int
    reason: int

    def encode(self) -> bytes:
        """70 bytes."""
        named = self.account + self.tag + self.ticket_id
        return named + u32(self.hour) + u8(self.category) + u8(self.reason)


def read_origin(reader: Reader) -> Origin:
    named = reader.take(32), reader.take(16), reader.take(16)
    return Origin(*named, reader.u32(), reader.one_of(range(1, 5)), reader.one_of(range(1, 4)))


def stamp(k_stamp: bytes, c2: bytes, origin: Origin, size_class: int) -> bytes:
    return hmac(k_stamp, b"plico/1 stamp\0" + c2 + origin.encode() + u8(size_class))


def check(
    keys: dict[int, bytes],
    k_tag: bytes,
    address: bytes,
    c2: bytes,
    size_class: int,
    stamped: bytes,
    opening: tuple[bytes, bytes] | None,
) -> None:
    """What a relay checks of a report, in the order of §11; `opening` is `padded` and `k_f`."""
    reader = Reader(stamped)
    origin, shown = read_origin(reader), reader.take(32)
    reader.end()
    key = keys.get(origin.hour // 24)
    need(key is not None, "no key of that day")
    need(stamp(key or b"", c2, origin, size_class) == shown, "stamp")
    need(ticket.address_tag(k_tag, address) == origin.tag, "another mailbox")
    if opening is not None:
        padded, k_f = opening
        need(len(padded) == message.SIZES[size_class] - message.OVERHEAD[message.TO_MAILBOX], "length")
        need(message.commitment(k_f, size_class, padded) == c2, "commitment")
