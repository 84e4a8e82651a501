"""pricing.json: rate cards, and what a message costs (SPEC §15)."""

from dataclasses import replace

from plico import pricing
from plico.pricing import Card, Inputs, Tariff
from plico.primitives import Refused, ed25519_public, ed25519_sign, need

from .format import Group, Kind, Note, VectorFile, boolean, flip, hexadecimal, integer, rand, string

NOW = 29_700_000
SEED = rand("pricing key")
KEY = ed25519_public(SEED)
HOURS = (NOW // 60 - 10, NOW // 60 + 100)
NEAR = Tariff(b"Near", (b"DE", b"FR"), (20_000, 50_000, 0, None))
FAR = Tariff(b"Far away", (b"JP", b"US"), (30_000, None, 40_000, None))
GOOD = Card(NOW - 60, NOW - 30, NOW + 100_000, tariffs=(NEAR, FAR))

REFUSALS = [
    "suspended",
    "ticket_expired",
    "category_not_allowed",
    "not_priced",
    "over_price_limit",
    "no_credit",
]


def made(card: Card, seed: bytes = SEED) -> bytes:
    return card.body() + ed25519_sign(seed, pricing.card_message(card.body()))


def check_card(group: dict, test: dict) -> None:
    data, key = bytes.fromhex(test["card"]), bytes.fromhex(group["key"])
    found = pricing.verify_card(data, key, (group["validFrom"], group["validTo"]))
    assert found.body() == data[:-64]


def check_price(group: dict, test: dict) -> None:
    card = pricing.verify_card(bytes.fromhex(group["card"]), KEY, HOURS)
    names = ("freeUntil", "validUntil", "category", "now", "suspended", "available", "limit")
    inputs = Inputs(test["categories"], test["zone"].encode(), *(test[name] for name in names))
    try:
        answer = pricing.price(card, inputs)
    except Refused as refused:
        assert test["refusal"] == str(refused), refused
        raise
    need(test["refusal"] == "", "refusal")
    assert answer == (test["answer"], test["amount"], test["until"])


RATE_CARD = Kind(
    "RateCard",
    "whether the card reads so and this ledger key signed it in its validity",
    {
        "key": hexadecimal("ledger key", 32),
        "validFrom": integer("first hour of the ledger key"),
        "validTo": integer("first hour after it"),
    },
    {"card": hexadecimal("rate card")},
    check_card,
)
PRICE = Kind(
    "Price",
    "§15.2: what the message costs under this card; invalid: refused",
    {"card": hexadecimal("rate card, signed by the ledger key of the other group")},
    {
        "categories": integer("the ticket's categories"),
        "zone": string("the ticket's zone"),
        "freeUntil": integer("the ticket's free_until, 0 for none"),
        "validUntil": integer("the ticket's valid_until"),
        "category": integer("the message's category"),
        "now": integer("minute"),
        "suspended": boolean("whether the account is suspended"),
        "available": integer("available amount, in millionths"),
        "limit": integer("the most the business wants to pay, in millionths"),
        "answer": string("`window` and `card`: free because of it", ["window", "card", "charge", ""]),
        "amount": integer("what is charged, in millionths"),
        "until": integer("until when it is free; 0 where it is not"),
        "refusal": string("name of §12's refusal; empty if valid", ["", *REFUSALS]),
    },
    check_price,
)

NOTES = {
    "Normal": Note("BASIC", "An honest card."),
    "Field": Note("CONFORMANCE", "A field that the table allows just so, or not."),
    "Signature": Note("AUTH_BYPASS", "Signed by another, over something else, or changed."),
    "Time": Note("CONFORMANCE", "A minute or hour before, at and after a bound."),
    "Length": Note("CONFORMANCE", "Bytes are missing or left, or more than a bound."),
    "Window": Note("CONFORMANCE", "Free because of the window, or no longer."),
    "Rate": Note("CONFORMANCE", "The rate of a zone and category."),
    "Order": Note("CONFORMANCE", "The first line that applies is the answer."),
}


def build() -> VectorFile:
    file = VectorFile(
        "pricing", "Rate cards and prices", ["Relay and business compute alike."], NOTES, [RATE_CARD, PRICE]
    )
    cards(file.group(RATE_CARD, key=KEY.hex(), validFrom=HOURS[0], validTo=HOURS[1]))
    prices(file)
    return file


def cards(group: Group) -> None:
    def add(result: str, comment: str, flag: str, card: Card | bytes) -> None:
        data = made(card) if isinstance(card, Card) else card
        group.add(result, comment, flag, card=data.hex())

    good = made(GOOD)
    add("valid", "a card", "Normal", good)
    full = replace(GOOD, subscription=(30_000_000, 30, 14), free_in_window=7, tiers=(1, 2, 3, 4, 5, 6, 7, 8))
    add("valid", "with everything", "Normal", full)
    bounds = {
        "window_hours": ((1, 72), (0, 73)),
        "window_days": ((1, 31), (0, 32)),
        "free_in_window": ((None, 1, 4, 7), (0, 8, 15, 16)),
        "inbox_free": ((1, 2**32 - 1), (0,)),
        "subscription": (((0, 1, 0), (2**64 - 1, 400, 400)), ((1, 0, 0), (1, 401, 0), (1, 1, 401))),
        "tiers": (((1,), (2**32 - 1,)), ((), (0, 1), (5, 5), (6, 5), tuple(range(1, 10)))),
        "currency": ((b"CHF",), (b"eur", b"EU1", b"E R")),
        "version": ((1,), (0, 2)),
    }
    for field, (taken, refused) in bounds.items():
        for value in taken:
            add("valid", f"{field} {value}", "Field", replace(GOOD, **{field: value}))
        for value in refused:
            add("invalid", f"{field} {value}", "Field", replace(GOOD, **{field: value}))
    for until, result in ((GOOD.valid_from + 1, "valid"), (GOOD.valid_from, "invalid"), (0, "invalid")):
        add(result, f"valid_until {until}", "Time", replace(GOOD, valid_until=until))
    for hour, result in (
        (HOURS[0], "valid"),
        (HOURS[0] - 1, "invalid"),
        (HOURS[1] - 1, "valid"),
        (HOURS[1], "invalid"),
    ):
        add(result, f"issued in hour {hour}", "Time", replace(GOOD, issued=hour * 60))
    tariffs(add)
    add("invalid", "signed by another", "Signature", made(GOOD, rand("pricing other")))
    add("invalid", "signed without the label", "Signature", GOOD.body() + ed25519_sign(SEED, GOOD.body()))
    for offset in range(0, len(good), 11):
        add("invalid", f"byte {offset} changed", "Signature", flip(good, offset))
    add("invalid", "a trailing byte", "Length", good + b"\0")
    add("invalid", "one byte less", "Length", good[:-1])


def tariffs(add) -> None:
    codes = [bytes([a, b]) for a in range(65, 91) for b in range(65, 91)]
    one = replace(NEAR, countries=(b"FR",))
    for comment, result, made_of in (
        ("a name of 32 characters", "valid", (replace(NEAR, name=b"n" * 32),)),
        ("a name of 33 characters", "invalid", (replace(NEAR, name=b"n" * 33),)),
        ("no name", "invalid", (replace(NEAR, name=b""),)),
        ("a name that begins with a space", "invalid", (replace(NEAR, name=b" Near"),)),
        ("a name that ends with a space", "invalid", (replace(NEAR, name=b"Near "),)),
        ("a name with a tab", "invalid", (replace(NEAR, name=b"Ne\tar"),)),
        ("a name that is not ASCII", "invalid", (replace(NEAR, name="Pr\u00e8s".encode()),)),
        ("no tariff", "invalid", ()),
        ("no country", "invalid", (replace(NEAR, countries=()),)),
        ("countries that fall", "invalid", (replace(NEAR, countries=(b"FR", b"DE")),)),
        ("a country twice", "invalid", (replace(NEAR, countries=(b"FR", b"FR")),)),
        ("a country in two tariffs", "invalid", (NEAR, replace(FAR, countries=(b"FR", b"US")))),
        ("ZZ", "invalid", (replace(NEAR, countries=(b"FR", b"ZZ")),)),
        ("a country in lower case", "invalid", (replace(NEAR, countries=(b"fr",)),)),
        ("every country but ZZ", "valid", (replace(NEAR, countries=tuple(codes[:-1])),)),
        ("the highest price", "valid", (replace(NEAR, prices=(1_000_000_000,) * 4),)),
        ("a price above it", "invalid", (replace(NEAR, prices=(1_000_000_001, None, None, None)),)),
        ("no price at all", "valid", (replace(NEAR, prices=(None,) * 4),)),
        ("32 tariffs", "valid", tuple(replace(one, countries=(code,)) for code in codes[:32])),
        ("33 tariffs", "invalid", tuple(replace(one, countries=(code,)) for code in codes[:33])),
    ):
        add(result, comment, "Field", replace(GOOD, tariffs=made_of))


def prices(file: VectorFile) -> None:
    card = replace(GOOD, free_in_window=3)
    group = file.group(PRICE, card=made(card).hex())
    base = Inputs(15, b"FR", 0, NOW + 1000, 1, NOW, False, 10**9, 10**9)

    def add(comment: str, flag: str, **change) -> None:
        inputs = replace(base, **change)
        try:
            answer, amount, until = pricing.price(card, inputs)
            refusal = ""
        except Refused as refused:
            answer, amount, until, refusal = "", 0, 0, str(refused)
        group.add(
            "invalid" if refusal else "valid",
            comment,
            flag,
            categories=inputs.categories,
            zone=inputs.zone.decode(),
            freeUntil=inputs.free_until,
            validUntil=inputs.valid_until,
            category=inputs.category,
            now=inputs.now,
            suspended=inputs.suspended,
            available=inputs.available,
            limit=inputs.limit,
            answer=answer,
            amount=amount,
            until=until,
            refusal=refusal,
        )

    for zone in (b"DE", b"FR", b"JP", b"US", b"IT", b"ZZ"):
        for category in (1, 2, 3, 4):
            add(f"category {category} to {zone.decode()}", "Rate", zone=zone, category=category)
    for minutes in (1, 0, -1):
        add(f"{minutes} minutes before the window's end", "Window", free_until=NOW + minutes)
    for category in (2, 3, 4):
        add(f"category {category} in the window", "Window", free_until=NOW + 10, category=category)
    add("a window that outlasts the ticket", "Window", free_until=NOW + 2000)
    add(
        "a window and a ticket that outlast the card",
        "Window",
        free_until=NOW + 300_000,
        valid_until=NOW + 400_000,
    )
    add(
        "a rate of nothing, and a ticket that outlasts the card",
        "Rate",
        category=3,
        valid_until=NOW + 400_000,
    )
    for minutes in (1, 0, -1):
        add(f"{minutes} minutes before the ticket's end", "Time", valid_until=NOW + minutes)
    for at in (card.valid_from - 1, card.valid_from, card.valid_until - 1, card.valid_until):
        add(f"minute {at}", "Time", now=at, valid_until=at + 10)
    for limit in (19_999, 20_000, 0):
        add(f"a limit of {limit}", "Rate", limit=limit)
    for available in (19_999, 20_000, 0):
        add(f"{available} available", "Rate", available=available)
    add("free under no limit and without money", "Rate", category=3, limit=0, available=0)
    for categories, category in ((1, 2), (14, 1), (8, 4)):
        add(f"category {category} of {categories}", "Order", categories=categories, category=category)
    orders(add, card)


def orders(add, card: Card) -> None:
    """Each line of the table with all that come after it."""
    late = {"now": card.valid_until, "limit": 0, "available": 0}
    expired = {**late, "valid_until": card.valid_until}
    add("suspended and all the rest", "Order", suspended=True, **expired, categories=8)
    add("suspended in the window", "Order", suspended=True, free_until=NOW + 10)
    add("expired and all the rest", "Order", **expired, categories=8)
    add("expired in the window", "Order", valid_until=NOW, free_until=NOW + 10)
    add(
        "a category not allowed, and no card", "Order", **late, valid_until=card.valid_until + 1, categories=8
    )
    add(
        "no card, in the window",
        "Order",
        **late,
        valid_until=card.valid_until + 1,
        free_until=card.valid_until + 1,
    )
    add("no price, over the limit", "Order", category=4, limit=0, available=0)
    add("over the limit and without credit", "Order", limit=0, available=0)
