"""What a message costs, written from protocol/SPEC.md §4, §9 and §15 alone.

    pricing.py < cases     prices each case; the first line has cards and tickets as they travel, in
                           hexadecimal, each further line one case that names two of them
    pricing.py --table C   the table of README.md, from a card's body in hexadecimal

Python 3.11, standard library.
"""

import json
import sys

CATEGORIES = ("service", "utility", "authentication", "marketing")
SUSPENDED, EXPIRED, NOT_ALLOWED, NOT_PRICED, OVER_LIMIT, NO_CREDIT = 40, 18, 19, 37, 38, 39


class Fields:
    """Takes fields from the front of bytes."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        part = self.data[self.at : self.at + count]
        if len(part) != count:
            raise ValueError("the bytes end inside a field")
        self.at += count
        return part

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def optional(self, read):
        flag = self.number(1)
        if flag > 1:
            raise ValueError("a flag is 0 or 1")
        return read() if flag else None

    def list(self, most, read):
        count = self.number(4)
        if count > most:
            raise ValueError("too many elements")
        return [read() for _ in range(count)]

    def end(self):
        if self.at != len(self.data):
            raise ValueError("bytes after the last field")


class Card:
    """A rate card's body (§15.1)."""

    def __init__(self, data):
        fields = Fields(data)
        if fields.number(1) != 1:
            raise ValueError("another version")
        self.issued = fields.number(4)
        self.valid_from = fields.number(4)
        self.valid_until = fields.number(4)
        self.currency = fields.take(3).decode()
        self.window_hours = fields.number(1)
        self.window_days_per_month = fields.number(1)
        self.free_in_window = fields.optional(lambda: fields.number(2)) or 0
        self.subscription = fields.optional(lambda: (fields.number(8), fields.number(2), fields.number(2)))
        self.inbox_free_per_day = fields.number(4)
        self.tiers = fields.list(8, lambda: fields.number(4))
        self.tariffs = fields.list(32, lambda: self.tariff(fields))
        fields.end()

    @staticmethod
    def tariff(fields):
        name = fields.take(fields.number(4)).decode()
        countries = fields.list(676, lambda: fields.take(2).decode())
        prices = [fields.optional(lambda: fields.number(8)) for _ in CATEGORIES]
        return name, countries, prices

    def rate(self, zone, category):
        for _, countries, prices in self.tariffs:
            if zone in countries:
                return prices[category - 1]
        priced = [prices[category - 1] for _, _, prices in self.tariffs]
        return max((price for price in priced if price is not None), default=None)


class Ticket:
    """What of a ticket (§9) enters a price."""

    def __init__(self, data):
        if len(data) != 128 or data[0] != 1:
            raise ValueError("not a ticket")
        self.categories = int.from_bytes(data[2:4], "big")
        self.zone = data[4:6].decode()
        self.free_until = int.from_bytes(data[12:16], "big")
        self.valid_until = int.from_bytes(data[16:20], "big")


def price(ticket, category, now, card, suspended, available, limit):
    """The table of §15.2, line by line."""
    bit = 1 << (category - 1)
    if suspended:
        return f"refused {SUSPENDED}"
    if ticket.valid_until <= now:
        return f"refused {EXPIRED}"
    if not ticket.categories & bit:
        return f"refused {NOT_ALLOWED}"
    if now < card.valid_from or card.valid_until <= now:
        return f"refused {NOT_PRICED}"
    if now < ticket.free_until and card.free_in_window & bit:
        return f"free window {min(ticket.free_until, ticket.valid_until, card.valid_until)}"
    rate = card.rate(ticket.zone, category)
    if rate is None:
        return f"refused {NOT_PRICED}"
    if rate == 0:
        return f"free card {min(ticket.valid_until, card.valid_until)}"
    if limit < rate:
        return f"refused {OVER_LIMIT}"
    if available < rate:
        return f"refused {NO_CREDIT}"
    return f"charge {rate} {card.currency} {ticket.zone} {category}"


def price_cases(lines):
    head = json.loads(next(lines))
    cards = [Card(bytes.fromhex(card)) for card in head["cards"]]
    tickets = [Ticket(bytes.fromhex(ticket)) for ticket in head["tickets"]]
    for line in lines:
        card, ticket, category, now, suspended, available, limit = json.loads(line)
        yield price(tickets[ticket], category, now, cards[card], suspended, available, limit)


def in_cents(amount):
    return f"{amount / 10_000:g}"


def cell(card, category, in_window):
    """What a category costs, from the cheapest zone to the dearest, with everything allowed."""
    now = card.valid_from
    prices = set()
    for zone in [countries[0] for _, countries, _ in card.tariffs] + ["ZZ"]:
        ticket = Ticket(bytes([1]) + bytes(127))
        ticket.categories, ticket.zone, ticket.valid_until = 0b1111, zone, now + 2
        ticket.free_until = now + 1 if in_window else 0
        prices.add(price(ticket, category, now, card, False, 2**64 - 1, 2**64 - 1))
    if any(each.startswith("charge") for each in prices):
        rates = sorted(int(each.split()[1]) for each in prices if each.startswith("charge"))
        some = "" if len(rates) == len(prices) else ", in some zones"
        return f"{in_cents(rates[0])} to {in_cents(rates[-1])} cents{some}"
    return "free" if prices.pop().startswith("free") else "not taken"


def table(card):
    yield "| a business sends | in the window | after it, or without one |"
    yield "|---|---|---|"
    for number, name in enumerate(CATEGORIES, 1):
        yield f"| {name} | {cell(card, number, True)} | {cell(card, number, False)} |"


def main(arguments):
    if arguments[:1] == ["--table"]:
        lines = table(Card(bytes.fromhex(arguments[1])))
    else:
        lines = price_cases(iter(sys.stdin))
    sys.stdout.writelines(line + "\n" for line in lines)


if __name__ == "__main__":
    main(sys.argv[1:])
