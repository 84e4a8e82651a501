"""SPEC §9: tickets, minted and checked."""

from dataclasses import dataclass

from .primitives import Refused, hmac, need, sha256
from .wire import u8, u16, u32

WINDOW_MINUTES = 1440
ROUNDING_MINUTES = 5
TICKET_MINUTES_MAX = 576000


def address_tag(k_tag: bytes, address: bytes) -> bytes:
    return hmac(k_tag, b"plico/1 address\0" + address)[:16]


def commitment(account: bytes, opening: bytes) -> bytes:
    return sha256(b"plico/1 commitment\0" + account + opening)


def mac(k_ticket: bytes, body: bytes) -> bytes:
    return hmac(k_ticket, b"plico/1 ticket\0" + body)


@dataclass(frozen=True)
class Terms:
    categories: int
    messages_max: int
    valid_until: int
    commitment: bytes


@dataclass(frozen=True)
class Ticket:
    key_id: int
    categories: int
    zone: bytes
    messages_max: int
    opened_at: int
    free_until: int
    valid_until: int
    epoch: int
    tag: bytes
    commitment: bytes
    id: bytes
    version: int = 1
    zero: bytes = bytes(8)

    def body(self) -> bytes:
        """Bytes 0 to 96 of the table."""
        return (
            u8(self.version)
            + u8(self.key_id)
            + u16(self.categories)
            + self.zone
            + u16(self.messages_max)
            + u32(self.opened_at)
            + u32(self.free_until)
            + u32(self.valid_until)
            + u32(self.epoch)
            + self.tag
            + self.commitment
            + self.id
            + self.zero
        )

    def encode(self, k_ticket: bytes) -> bytes:
        return self.body() + mac(k_ticket, self.body())


def mint(
    terms: Terms, window: bool, tag: bytes, zone: bytes, epoch: int, key_id: int, ticket_id: bytes, now: int
) -> Ticket:
    """`Mint`; `bad_terms` where the terms are not possible."""
    categories_ok = terms.categories != 0 and terms.categories < 16
    in_time = now < terms.valid_until <= now + TICKET_MINUTES_MAX
    need(categories_ok and in_time and terms.messages_max >= 1, "bad_terms")
    opened_at = now // ROUNDING_MINUTES * ROUNDING_MINUTES
    return Ticket(
        key_id,
        terms.categories,
        zone,
        terms.messages_max,
        opened_at,
        opened_at + 2 * ROUNDING_MINUTES + WINDOW_MINUTES if window else 0,
        terms.valid_until,
        epoch,
        tag,
        terms.commitment,
        ticket_id,
    )


def number(ticket: bytes, offset: int, count: int) -> int:
    return int.from_bytes(ticket[offset : offset + count], "big")


def check(
    ticket: bytes,
    opening: bytes,
    category: int,
    address: bytes,
    account: bytes,
    k_tag: bytes,
    k_tickets: dict[int, bytes],
    now: int,
) -> None:
    """What the relay checks of a ticket before it looks at a mailbox, in the order of §9."""
    need(len(ticket) == 128, "malformed")
    k_ticket = k_tickets.get(ticket[1])
    if k_ticket is None:
        raise Refused("ticket_forged")
    need(mac(k_ticket, ticket[:96]) == ticket[96:], "ticket_forged")
    need(is_possible(ticket), "ticket_forged")
    need(ticket[24:40] == address_tag(k_tag, address), "ticket_other_mailbox")
    need(ticket[40:72] == commitment(account, opening), "ticket_other_business")
    need(now < number(ticket, 16, 4), "ticket_expired")
    need(number(ticket, 2, 2) >> (category - 1) & 1 == 1, "category_not_allowed")


def is_possible(ticket: bytes) -> bool:
    """Whether the fields are what the table of §9 allows."""
    letters = all(ord("A") <= letter <= ord("Z") for letter in ticket[4:6])
    return ticket[0] == 1 and 0 < number(ticket, 2, 2) < 16 and letters and ticket[88:96] == bytes(8)


def in_window(ticket: bytes, now: int) -> bool:
    """§9: the window ends at `free_until`; 0 is none."""
    return now < number(ticket, 12, 4)
