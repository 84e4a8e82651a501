"""ticket.json: tickets minted, and what a relay checks of one before it looks at a mailbox (SPEC §9)."""

from dataclasses import replace

from plico import ticket
from plico.primitives import Refused, ed25519_public, need
from plico.ticket import Terms

from .format import (
    Group,
    Kind,
    Note,
    VectorFile,
    array,
    boolean,
    flip,
    hexadecimal,
    integer,
    obj,
    rand,
    string,
)

NOW = 29_700_003
"""Minute at which the tickets of this file are minted (2026), not a multiple of five."""

K_TAG, OLD, NEW = rand("ticket k_tag"), rand("ticket k_ticket 3"), rand("ticket k_ticket 4")
KEYS = {3: OLD, 4: NEW}
ADDRESS = ed25519_public(rand("ticket mailbox"))
ACCOUNT = ed25519_public(rand("ticket account"))
OPENING = rand("ticket opening")

REFUSALS = [
    "ticket_forged",
    "ticket_other_mailbox",
    "ticket_other_business",
    "ticket_expired",
    "category_not_allowed",
]

SHARED = {
    "kTag": hexadecimal("k_tag", 32),
    "ticketKeys": array(
        "the relay's ticket keys",
        obj("one key", {"id": integer("key id"), "key": hexadecimal("k_ticket[key id]", 32)}),
    ),
}


def check_mint(group: dict, test: dict) -> None:
    keys = {k["id"]: bytes.fromhex(k["key"]) for k in group["ticketKeys"]}
    terms = Terms(
        test["categories"], test["messagesMax"], test["validUntil"], bytes.fromhex(test["commitment"])
    )
    tag = ticket.address_tag(bytes.fromhex(group["kTag"]), bytes.fromhex(test["address"]))
    made = ticket.mint(
        terms,
        test["window"],
        tag,
        test["zone"].encode(),
        test["epoch"],
        test["keyId"],
        bytes.fromhex(test["ticketId"]),
        test["now"],
    )
    assert made.encode(keys[test["keyId"]]).hex() == test["ticket"]


def check_ticket(group: dict, test: dict) -> None:
    keys = {k["id"]: bytes.fromhex(k["key"]) for k in group["ticketKeys"]}
    names = ("ticket", "opening", "address", "account")
    data, opening, address, account = (bytes.fromhex(test[name]) for name in names)
    try:
        ticket.check(
            data, opening, test["category"], address, account, bytes.fromhex(group["kTag"]), keys, test["now"]
        )
    except Refused as refused:
        assert str(refused) == test["refusal"], refused
        raise
    need(test["refusal"] == "", "refusal")


MINT = Kind(
    "Mint",
    "the ticket a relay mints for these terms; invalid: refused `bad_terms`",
    SHARED,
    {
        "now": integer("minute"),
        "address": hexadecimal("address of the mailbox", 32),
        "categories": integer("categories"),
        "messagesMax": integer("messages_max"),
        "validUntil": integer("valid_until, minute"),
        "commitment": hexadecimal("commitment", 32),
        "window": boolean("whether a window is asked for"),
        "zone": string("zone"),
        "epoch": integer("the mailbox's epoch"),
        "keyId": integer("key id"),
        "ticketId": hexadecimal("the random ticket id", 16),
        "ticket": hexadecimal("the ticket; empty if invalid"),
    },
    check_mint,
)

CHECK = Kind(
    "Check",
    "what the relay checks in the order of §9, up to and with the categories",
    SHARED,
    {
        "ticket": hexadecimal("the ticket", 128),
        "opening": hexadecimal("the opening", 32),
        "category": integer("category of the message"),
        "address": hexadecimal("address the message is submitted to", 32),
        "account": hexadecimal("account this connection proved", 32),
        "now": integer("minute"),
        "refusal": string("name of §12's refusal; empty if valid", ["", *REFUSALS]),
    },
    check_ticket,
)

NOTES = {
    "Normal": Note("BASIC", "An honest ticket."),
    "Rounding": Note("CONFORMANCE", "`opened_at` is rounded down to five minutes; the window is counted from ten minutes after it."),
    "Terms": Note("CONFORMANCE", "Terms at and past their bounds."),
    "Forged": Note("AUTH_BYPASS", "One bit of a ticket was changed; every byte has its test."),
    "Fields": Note("CONFORMANCE", "The relay's own MAC over what the table does not allow."),
    "OtherKey": Note("AUTH_BYPASS", "The MAC is of another key than the key id names."),
    "Stolen": Note("AUTH_BYPASS", "A ticket shown by another business, or for another mailbox."),
    "Time": Note("CONFORMANCE", "A minute before, at and after the end."),
    "Category": Note("CONFORMANCE", "A category the ticket allows, or not."),
    "Order": Note("CONFORMANCE", "Two things are wrong: the earlier check answers."),
}


def build() -> VectorFile:
    file = VectorFile(
        "ticket",
        "Tickets",
        ["Minted by the relay, checked by the relay; a client only carries them."],
        NOTES,
        [MINT, CHECK],
    )
    shared = {"kTag": K_TAG.hex(), "ticketKeys": [{"id": i, "key": k.hex()} for i, k in KEYS.items()]}
    minted(file.group(MINT, **shared))
    checked(file.group(CHECK, **shared))
    return file


def terms(valid_until: int, categories: int = 3, messages_max: int = 50) -> Terms:
    return Terms(categories, messages_max, valid_until, ticket.commitment(ACCOUNT, OPENING))


def made(now: int, asked: Terms, window: bool = True) -> ticket.Ticket:
    tag = ticket.address_tag(K_TAG, ADDRESS)
    return ticket.mint(asked, window, tag, b"ZZ", 0x01020304, 4, rand("ticket id", 16), now)


def minted(group: Group) -> None:
    def add(result: str, comment: str, flag: str, now: int, asked: Terms, window: bool) -> None:
        data = made(now, asked, window).encode(NEW).hex() if result == "valid" else ""
        group.add(
            result,
            comment,
            flag,
            now=now,
            address=ADDRESS.hex(),
            categories=asked.categories,
            messagesMax=asked.messages_max,
            validUntil=asked.valid_until,
            commitment=asked.commitment.hex(),
            window=window,
            zone="ZZ",
            epoch=0x01020304,
            keyId=4,
            ticketId=rand("ticket id", 16).hex(),
            ticket=data,
        )

    far = NOW + 100_000
    add("valid", "with a window", "Normal", NOW, terms(far), True)
    add("valid", "a standing consent", "Normal", NOW, terms(far), False)
    for minute in range(NOW - 3, NOW + 3):
        add(
            "valid",
            f"minted at a minute {minute % 5} past a multiple of five",
            "Rounding",
            minute,
            terms(far),
            True,
        )
    for categories in (1, 2, 4, 8, 15):
        add("valid", f"categories {categories}", "Terms", NOW, terms(far, categories), True)
    for count in (1, 65535):
        add("valid", f"messages_max {count}", "Terms", NOW, terms(far, 1, count), True)
    for until in (NOW + 1, NOW + 576_000):
        add("valid", f"valid for {until - NOW} minutes", "Terms", NOW, terms(until), True)
    for until in (NOW, NOW - 1, NOW + 576_001, 0, 2**32 - 1):
        add("invalid", f"valid for {until - NOW} minutes", "Terms", NOW, terms(until), True)
    add("invalid", "messages_max 0", "Terms", NOW, terms(far, 1, 0), True)


def checked(group: Group) -> None:
    until = NOW + 10_000
    base = made(NOW, terms(until))
    good = base.encode(NEW)

    def add(result: str, comment: str, flag: str, data: bytes = good, refusal: str = "", **change) -> None:
        values = {
            "opening": OPENING,
            "address": ADDRESS,
            "account": ACCOUNT,
            "category": 1,
            "now": NOW + 1,
            **change,
        }
        values = {k: v.hex() if isinstance(v, bytes) else v for k, v in values.items()}
        group.add(result, comment, flag, ticket=data.hex(), refusal=refusal, **values)

    add("valid", "a ticket", "Normal")
    add("valid", "under an earlier key", "Normal", replace(base, key_id=3).encode(OLD))
    standing = made(NOW, terms(until), False).encode(NEW)
    add("valid", "a standing consent", "Normal", standing)
    for offset in range(128):
        add("invalid", f"byte {offset}", "Forged", flip(good, offset, 1 << offset % 8), "ticket_forged")
    add("invalid", "key id 3, MAC of key 4", "OtherKey", replace(base, key_id=3).encode(NEW), "ticket_forged")
    add(
        "invalid",
        "a key id that is not there",
        "OtherKey",
        replace(base, key_id=5).encode(NEW),
        "ticket_forged",
    )
    add("invalid", "a MAC of zeros", "OtherKey", good[:96] + bytes(32), "ticket_forged")
    impossible = {
        "version": (0, 2),
        "categories": (0, 17),
        "zone": (b"zZ", b"Z1"),
        "zero": (bytes(7) + b"\1", b"\1" + bytes(7)),
    }
    for name, values in impossible.items():
        for value in values:
            shown = value.hex() if isinstance(value, bytes) else value
            data = replace(base, **{name: value}).encode(NEW)
            add("invalid", f"{name} {shown}", "Fields", data, "ticket_forged")
    other = ed25519_public(rand("ticket other"))
    add("invalid", "another mailbox", "Stolen", refusal="ticket_other_mailbox", address=other)
    add("invalid", "another business", "Stolen", refusal="ticket_other_business", account=other)
    add("invalid", "another opening", "Stolen", refusal="ticket_other_business", opening=flip(OPENING, 31))
    for minute in (NOW - 1440, until - 1):
        add("valid", f"{until - minute} minutes before its end", "Time", now=minute)
    for minute in (until, until + 1, 2**32 - 1):
        add(
            "invalid", f"{minute - until} minutes after its end", "Time", refusal="ticket_expired", now=minute
        )
    for category in (1, 2, 3, 4):
        for allowed in (1, 2, 4, 8):
            fits = allowed == 1 << category - 1
            data = made(NOW, terms(until, allowed)).encode(NEW)
            refusal = "" if fits else "category_not_allowed"
            add(
                "valid" if fits else "invalid",
                f"category {category}, allowed {allowed}",
                "Category",
                data,
                refusal,
                category=category,
            )
    late = {"now": until, "category": 4}
    add(
        "invalid",
        "forged and all the rest",
        "Order",
        flip(good, 127),
        "ticket_forged",
        address=other,
        account=other,
        **late,
    )
    add(
        "invalid",
        "another mailbox and business",
        "Order",
        refusal="ticket_other_mailbox",
        address=other,
        account=other,
        **late,
    )
    add(
        "invalid",
        "another business, too late",
        "Order",
        refusal="ticket_other_business",
        account=other,
        **late,
    )
    add("invalid", "too late, and another category", "Order", refusal="ticket_expired", **late)
