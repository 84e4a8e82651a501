"""SPEC §15: rate cards and the price of a message."""

from dataclasses import dataclass

from .ledger import letters
from .primitives import Refused, need
from .signed import need_signature
from .wire import Reader, listed, optional, sized, u8, u16, u32, u64

PRICE_MAX = 1_000_000_000
MARKETING = 0b1000


@dataclass(frozen=True)
class Tariff:
    name: bytes
    countries: tuple[bytes, ...]
    prices: tuple[int | None, ...]
    """Of service, utility, authentication and marketing."""

    def encode(self) -> bytes:
        prices = b"".join(optional(None if p is None else u64(p)) for p in self.prices)
        return sized(self.name) + listed(list(self.countries)) + prices


@dataclass(frozen=True)
class Card:
    issued: int
    valid_from: int
    valid_until: int
    currency: bytes = b"EUR"
    window_hours: int = 24
    window_days: int = 31
    free_in_window: int | None = 1
    subscription: tuple[int, int, int] | None = None
    inbox_free: int = 1000
    tiers: tuple[int, ...] = (250, 4294967295)
    tariffs: tuple[Tariff, ...] = ()
    version: int = 1

    def body(self) -> bytes:
        """The table of §15.1."""
        subscription = None
        if self.subscription is not None:
            amount, period, grace = self.subscription
            subscription = u64(amount) + u16(period) + u16(grace)
        return (
            u8(self.version)
            + u32(self.issued)
            + u32(self.valid_from)
            + u32(self.valid_until)
            + self.currency
            + u8(self.window_hours)
            + u8(self.window_days)
            + optional(None if self.free_in_window is None else u16(self.free_in_window))
            + optional(subscription)
            + u32(self.inbox_free)
            + listed([u32(tier) for tier in self.tiers])
            + listed([tariff.encode() for tariff in self.tariffs])
        )


def card_message(body: bytes) -> bytes:
    return b"plico/1 rate card\0" + body


def rising(values: list) -> bool:
    return all(a < b for a, b in zip(values, values[1:], strict=False))


def read_tariff(reader: Reader) -> Tariff:
    name = reader.text(32).encode()
    visible = all(32 <= byte < 127 for byte in name)
    need(visible and name != b"" and name.strip(b" ") == name, "name of a tariff")
    countries = reader.listed(676, lambda: reader.take(2))
    need(bool(countries) and rising(countries), "countries")
    need(all(letters(code) and code != b"ZZ" for code in countries), "country")
    prices = [reader.optional(reader.u64) for _ in range(4)]
    need(all(price is None or price <= PRICE_MAX for price in prices), "price")
    return Tariff(name, tuple(countries), tuple(prices))


def read_card(reader: Reader) -> Card:
    need(reader.u8() == 1, "version")
    issued, start, end = reader.u32(), reader.u32(), reader.u32()
    need(start < end, "validity")
    currency, hours, days = reader.take(3), reader.u8(), reader.u8()
    need(letters(currency), "currency")
    need(1 <= hours <= 72 and 1 <= days <= 31, "window")
    free = reader.optional(reader.u16)
    need(free is None or (0 < free < MARKETING), "free_in_window")
    subscription = reader.optional(lambda: (reader.u64(), reader.u16(), reader.u16()))
    if subscription is not None:
        _, period, grace = subscription
        need(1 <= period <= 400 and grace <= 400, "subscription")
    inbox_free = reader.u32()
    need(inbox_free >= 1, "inbox_free_per_day")
    tiers = reader.listed(8, reader.u32)
    need(bool(tiers) and tiers[0] >= 1 and rising(tiers), "tiers")
    tariffs = reader.listed(32, lambda: read_tariff(reader))
    codes = [code for tariff in tariffs for code in tariff.countries]
    need(bool(tariffs) and len(set(codes)) == len(codes), "tariffs")
    rest = (currency, hours, days, free, subscription, inbox_free, tuple(tiers), tuple(tariffs))
    return Card(issued, start, end, *rest)


def verify_card(data: bytes, key: bytes, hours: tuple[int, int]) -> Card:
    """A card that this ledger key signed in its validity, `hours`."""
    need(len(data) <= 4096, "rate card length")
    reader = Reader(data)
    card = read_card(reader)
    signature = reader.take(64)
    reader.end()
    need_signature(key, card_message(data[:-64]), signature)
    need(hours[0] <= card.issued // 60 < hours[1], "issued outside the ledger key's validity")
    return card


@dataclass(frozen=True)
class Inputs:
    categories: int
    zone: bytes
    free_until: int
    valid_until: int
    category: int
    now: int
    suspended: bool
    available: int
    limit: int


def rate(card: Card, zone: bytes, category: int) -> int | None:
    """The paragraph under §15.2's table."""
    for tariff in card.tariffs:
        if zone in tariff.countries:
            return tariff.prices[category - 1]
    prices = [p for tariff in card.tariffs if (p := tariff.prices[category - 1]) is not None]
    return max(prices, default=None)


def price(card: Card, i: Inputs) -> tuple[str, int, int]:
    """The table of §15.2: ("window" or "card", 0, until), ("charge", amount, 0), or refused by name."""
    bit = 1 << i.category - 1
    need(not i.suspended, "suspended")
    need(i.now < i.valid_until, "ticket_expired")
    need(i.categories & bit != 0, "category_not_allowed")
    need(card.valid_from <= i.now < card.valid_until, "not_priced")
    if i.now < i.free_until and (card.free_in_window or 0) & bit:
        return "window", 0, min(i.free_until, i.valid_until, card.valid_until)
    found = rate(card, i.zone, i.category)
    if found is None:
        raise Refused("not_priced")
    if found == 0:
        return "card", 0, min(i.valid_until, card.valid_until)
    need(found <= i.limit, "over_price_limit")
    need(found <= i.available, "no_credit")
    return "charge", found, 0
