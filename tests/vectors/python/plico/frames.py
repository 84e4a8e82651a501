"""SPEC §5.1 and §5.2: every frame, as a table of fields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .ledger import PROOF_MAX, read_entry, read_key
from .primitives import Refused, need
from .report import read_origin
from .signed import decode_bundle, read_prekey
from .wire import Reader, listed, optional, sized, text, u8, u16, u32, u64


@dataclass(frozen=True)
class Field:
    """How one field is written and read; in JSON, bytes are hex."""

    write: Callable[[Any], bytes]
    read: Callable[[Reader], Any]


def integer(write: Callable[[int], bytes], count: int) -> Field:
    return Field(write, lambda r: r.number(count))


def fixed(count: int) -> Field:
    return Field(bytes.fromhex, lambda r: r.take(count).hex())


def blob(bound: int) -> Field:
    return Field(lambda v: sized(bytes.fromhex(v)), lambda r: r.sized(bound).hex())


def words(bound: int) -> Field:
    return Field(text, lambda r: r.text(bound))


def one_of(numbers: range) -> Field:
    return Field(u8, lambda r: r.one_of(numbers))


def maybe(field: Field) -> Field:
    return Field(
        lambda v: optional(None if v is None else field.write(v)),
        lambda r: r.optional(lambda: field.read(r)),
    )


def many(bound: int, field: Field) -> Field:
    return Field(
        lambda values: listed([field.write(v) for v in values]),
        lambda r: r.listed(bound, lambda: field.read(r)),
    )


def _whole(read: Callable[[Reader], None]) -> Field:
    """A value of another section, as its bytes."""

    def take(reader: Reader) -> str:
        before = reader.rest
        read(reader)
        return before[: len(before) - len(reader.rest)].hex()

    return Field(bytes.fromhex, take)


def _publication(reader: Reader) -> None:
    for kind in (1, 2):
        read_prekey(reader, kind)
    reader.u32()
    reader.listed(100, lambda: read_prekey(reader, 3))


def _stamped(reader: Reader) -> None:
    read_origin(reader)
    reader.take(32)


def _proof(reader: Reader) -> None:
    reader.listed(PROOF_MAX, lambda: reader.take(32))


def _receipt(reader: Reader) -> None:
    """§14.4: entry, proof and head."""
    read_entry(reader)
    _proof(reader)
    reader.take(HEAD_BYTES)


def _ledger_key(reader: Reader) -> None:
    """§14.1, unverified."""
    read_key(reader)
    reader.take(64)


def _bundle(reader: Reader) -> None:
    decode_bundle(reader.rest)
    reader.take(len(reader.rest))


U8, U16, U32, U64 = integer(u8, 1), integer(u16, 2), integer(u32, 4), integer(u64, 8)
FLAG = Field(lambda v: u8(int(v)), lambda r: r.flag())
KEY = fixed(32)
TERMS = {"categories": U16, "messagesMax": U16, "validUntil": U32, "commitment": KEY}

UNPAID = Field(
    lambda v: u32(v["since"]) + u32(v["stops"]),
    lambda r: {"since": r.u32(), "stops": r.u32()},
)
OPENING = Field(
    lambda v: sized(bytes.fromhex(v["padded"])) + bytes.fromhex(v["kF"]),
    lambda r: {"padded": r.sized(65408).hex(), "kF": r.take(32).hex()},
)

HEAD_BYTES = 144
CONSENT = {"ticket": fixed(128), "opening": KEY, "category": one_of(range(1, 5)), "priceMax": U64}


def group(fields: dict[str, Field]) -> Field:
    """Several fields that come together or not at all."""
    return Field(
        lambda v: b"".join(field.write(v[name]) for name, field in fields.items()),
        lambda r: {name: field.read(r) for name, field in fields.items()},
    )


FRAMES: dict[int, tuple[str, dict[str, Field]]] = {
    0x01: ("Prove", {"role": one_of(range(1, 4)), "key": KEY, "signature": fixed(64)}),
    0x02: ("LookUp", {"handle": words(32)}),
    0x03: ("FetchBundle", {"account": KEY}),
    0x04: (
        "Submit",
        {"submitId": fixed(16), "to": KEY, "consent": maybe(group(CONSENT)), "envelope": blob(65536)},
    ),
    0x05: ("Status", {"submitId": fixed(16)}),
    0x06: ("Open", {"address": KEY}),
    0x07: ("Close", {"address": KEY}),
    0x08: ("Mint", {"address": KEY, **TERMS, "window": FLAG}),
    0x09: ("Revoke", {"address": KEY}),
    0x0A: ("ChangeTerms", {"address": KEY, **TERMS}),
    0x0B: ("PublishPrekeys", {"publication": _whole(_publication)}),
    0x0C: ("PrekeyStatus", {}),
    0x0D: ("PublishProfile", {"profile": blob(8192)}),
    0x0E: ("Head", {"since": U64}),
    0x0F: ("ReadLedger", {"from": U64}),
    0x10: ("Subscribe", {"address": KEY}),
    0x11: ("Acknowledge", {"channel": U16, "upTo": U64, "unreadable": many(256, U64)}),
    0x18: (
        "Report",
        {
            "address": KEY,
            "c2": KEY,
            "sizeClass": one_of(range(1, 5)),
            "stampedOrigin": _whole(_stamped),
            "disclosed": maybe(OPENING),
        },
    ),
    0x19: ("AskStanding", {}),
    0x1A: ("FetchRateCard", {"at": U32}),
    0x41: ("Proved", {}),
    0x42: ("Certified", {"authority": KEY, "certificate": blob(1024), "profile": maybe(blob(8192))}),
    0x43: ("Prekeys", {"bundle": _whole(_bundle)}),
    0x44: (
        "Accepted",
        {
            "submitId": fixed(16),
            "reason": one_of(range(1, 4)),
            "freeUntil": U32,
            "receipt": maybe(_whole(_receipt)),
        },
    ),
    0x45: ("State", {"state": one_of(range(1, 6))}),
    0x46: ("Opened", {}),
    0x47: ("Closed", {}),
    0x48: ("Minted", {"ticket": fixed(128)}),
    0x49: ("Revoked", {}),
    0x4B: ("Stock", {"signedId": U32, "kemId": U32, "oneTimeLeft": U32, "oneTimeHighest": U32}),
    0x4D: ("ProfilePublished", {}),
    0x4E: (
        "Headed",
        {"ledgerKey": _whole(_ledger_key), "head": fixed(HEAD_BYTES), "proof": _whole(_proof)},
    ),
    0x4F: ("Entries", {"entries": many(1000, _whole(read_entry))}),
    0x50: ("Subscribed", {"channel": U16}),
    0x51: ("Acknowledged", {"channel": U16, "upTo": U64}),
    0x52: (
        "Deliver",
        {"channel": U16, "sequence": U64, "stampedOrigin": maybe(_whole(_stamped)), "envelope": blob(65536)},
    ),
    0x53: ("Drained", {"channel": U16}),
    0x54: ("Ended", {"channel": U16, "reason": one_of(range(1, 3))}),
    0x55: ("Notice", {"kind": U8, "value": U32}),
    0x58: ("Reported", {"outcome": one_of(range(1, 4))}),
    0x59: (
        "Standing",
        {
            "suspended": FLAG,
            "tier": U8,
            "since": U32,
            "reports": U32,
            "deliveries": U32,
            "due": maybe(U32),
            "unpaid": maybe(UNPAID),
        },
    ),
    0x5A: ("RateCard", {"ledgerKey": _whole(_ledger_key), "card": blob(4096)}),
    0x5F: ("Refused", {"code": U16, "retryAfterMs": U32, "text": words(256)}),
}

REQUESTS = range(0x01, 0x41)


def bound(kind: int) -> int:
    """The paragraphs on lengths at the end of §5.1."""
    named = {0x04: 65758, 0x0B: 11768, 0x0D: 8196, 0x11: 2062, 0x18: 65612}
    if kind in named:
        return named[kind]
    return 128 if kind in FRAMES and kind in REQUESTS else 69632


def encode(kind: int, values: dict[str, Any]) -> bytes:
    _, fields = FRAMES[kind]
    body = b"".join(field.write(values[name]) for name, field in fields.items())
    return u8(kind) + len(body).to_bytes(3, "big") + body


def decode(data: bytes) -> tuple[int, dict[str, Any]]:
    """One whole frame, and nothing after it."""
    reader = Reader(data)
    kind, length = reader.u8(), reader.number(3)
    need(length <= bound(kind), "frame_too_large")
    body = Reader(reader.take(length))
    reader.end()
    if kind not in FRAMES:
        raise Refused("unknown_frame")
    values = {name: field.read(body) for name, field in FRAMES[kind][1].items()}
    body.end()
    if kind == 0x11:
        check_unreadable(values)
    return kind, values


def check_unreadable(values: dict[str, Any]) -> None:
    """§5.1: `unreadable` rises strictly and does not pass `up_to`."""
    numbers = values["unreadable"]
    need(all(a < b for a, b in zip(numbers, numbers[1:])), "unreadable does not rise")
    need(not numbers or numbers[-1] <= values["upTo"], "unreadable passes up_to")
