"""frame.json: frames, canonical and refused (SPEC §4, §5.1, §5.2)."""

from collections.abc import Callable
from typing import Any

from plico import frames, signed
from plico.frames import FRAMES
from plico.primitives import ed25519_public, ed25519_sign
from plico.wire import u8, u32

from . import certificate, ledger, prekey, pricing, profile, report, ticket
from .format import Group, Kind, Note, VectorFile, array, hexadecimal, integer, obj, rand, string

NOTES = {
    "Normal": Note("BASIC", "A frame as it must be written."),
    "Length": Note("CONFORMANCE", "Bytes missing or left, or a length past a bound."),
    "Flag": Note("CONFORMANCE", "A flag or option byte other than 0 and 1."),
    "Enumeration": Note("CONFORMANCE", "An enumeration value that is not listed."),
    "Text": Note("CONFORMANCE", "Text that is not UTF-8."),
    "Order": Note("CONFORMANCE", "`unreadable` does not rise strictly, or passes `up_to`."),
    "Unknown": Note("CONFORMANCE", "A type that is not listed: skipped, and answered `unknown_frame`."),
}

JSON: dict[str, dict] = {
    "categories": integer("categories"),
    "messagesMax": integer("messages_max"),
    "validUntil": integer("valid_until"),
    "window": {"type": "boolean", "description": "window flag"},
    "unreadable": {"type": "array", "items": integer("sequence"), "description": "unreadable"},
    "profile": {"type": ["string", "null"], "pattern": "^([0-9a-f]{2})*$", "description": "profile, or none"},
    "sizeClass": integer("size class"),
    "sequence": integer("sequence"),
    "outcome": integer("outcome"),
    "since": integer("since"),
    "from": integer("from"),
    "at": integer("at"),
    "freeUntil": integer("free_until, 0 for none"),
    "receipt": {"type": ["string", "null"], "pattern": "^([0-9a-f]{2})*$", "description": "receipt, or none"},
    "entries": array("entries", hexadecimal("entry", 52)),
    "consent": {
        "oneOf": [
            {"type": "null"},
            obj(
                "ticket and what goes with it",
                {
                    "ticket": hexadecimal("ticket", 128),
                    "opening": hexadecimal("opening", 32),
                    "category": integer("category"),
                    "priceMax": integer("price_max"),
                },
            ),
        ]
    },
    "disclosed": {
        "oneOf": [
            {"type": "null"},
            obj("content", {"padded": hexadecimal("padded"), "kF": hexadecimal("k_f", 32)}),
        ]
    },
    "stampedOrigin": {
        "type": ["string", "null"],
        "pattern": "^([0-9a-f]{2})*$",
        "description": "origin and stamp; null for none in Deliver",
    },
    "handle": string("handle"),
    "text": string("text"),
    "suspended": {"type": "boolean", "description": "suspended flag"},
    "due": {"type": ["integer", "null"], "minimum": 0, "description": "due; null for none"},
    "unpaid": {
        "oneOf": [
            {"type": "null"},
            obj("unpaid and stops", {"since": integer("unpaid"), "stops": integer("stops")}),
        ]
    },
}
NUMBERS = {"role", "channel", "upTo", "state", "signedId", "kemId", "oneTimeLeft", "oneTimeHighest"}
NUMBERS |= {"reason", "kind", "value", "code", "retryAfterMs", "tier", "reports", "deliveries"}


def field_schema(name: str) -> dict:
    return JSON.get(name) or (integer(name) if name in NUMBERS else hexadecimal(name))


def kind_of(number: int) -> Kind:
    name, fields = FRAMES[number]

    def check(_group: dict, test: dict) -> None:
        data = bytes.fromhex(test["frame"])
        found, values = frames.decode(data)
        assert found == number and values == test["fields"]
        assert frames.encode(number, values) == data

    schema = {n: field_schema(n) for n in fields}
    section = "§5.1" if number < 0x41 else "§5.2"
    return Kind(
        f"Frame{name}",
        f"{section}, type 0x{number:02x}: valid frames read as `fields` and are written again as they were",
        {},
        {
            "frame": hexadecimal("header and body"),
            "fields": obj("what a valid frame says, in the order of its body", schema),
        },
        check,
        ("fields",),
    )


def check_unknown(_group: dict, test: dict) -> None:
    frames.decode(bytes.fromhex(test["frame"]))


UNKNOWN = Kind(
    "FrameUnknown",
    "bytes that are no frame of a listed type",
    {},
    {"frame": hexadecimal("bytes")},
    check_unknown,
)


def examples() -> dict[int, list[dict[str, Any]]]:
    """One or more values for each type."""
    address, account = rand("frame address").hex(), rand("frame account").hex()
    terms = {
        "categories": 3,
        "messagesMax": 50,
        "validUntil": 29_800_000,
        "commitment": rand("frame commitment").hex(),
    }
    one = prekey.prekey(3)
    parts = [prekey.prekey(1), prekey.prekey(2)]
    seed = rand("frame key")
    key = ed25519_public(seed)
    proof = ed25519_sign(seed, signed.proof_message(2, rand("frame exporter"), key))
    issued, said = certificate.issued(certificate.GOOD).hex(), profile.made(profile.GOOD.body()).hex()
    authority = certificate.AUTHORITY.hex()
    bare_ticket = ticket.made(ticket.NOW, ticket.terms(ticket.NOW + 9)).encode(ticket.NEW).hex()
    envelope = rand("frame envelope", 2048).hex()
    submitted = {"submitId": rand("frame submit", 16).hex(), "to": address, "envelope": envelope}
    shown = {"ticket": bare_ticket, "opening": rand("frame opening").hex(), "category": 2, "priceMax": 50_000}
    accepted = {"submitId": rand("frame submit", 16).hex()}
    receipt, certified = ledger.receipt(), ledger.certified(ledger.key_body())
    origin = (report.ORIGIN.encode() + rand("frame stamp")).hex()
    reported = {"address": address, "c2": report.C2.hex(), "sizeClass": 1, "stampedOrigin": origin}
    arrived = {"channel": 3, "sequence": 2**40, "envelope": envelope}
    return {
        0x01: [{"role": role, "key": key.hex(), "signature": proof.hex()} for role in (1, 2, 3)],
        0x02: [{"handle": h} for h in ("abc", "banque-exemple", "a" * 32)],
        0x03: [{"account": account}],
        0x04: [{**submitted, "consent": consent} for consent in (None, shown)],
        0x05: [{"submitId": rand("frame submit", 16).hex()}],
        0x06: [{"address": address}],
        0x07: [{"address": address}],
        0x08: [{"address": address, **terms, "window": window} for window in (False, True)],
        0x09: [{"address": address}],
        0x0A: [{"address": address, **terms}],
        0x0B: [
            {"publication": signed.encode_publication(*parts, 0, []).hex()},
            {"publication": signed.encode_publication(*parts, 4, [one]).hex()},
        ],
        0x0C: [{}],
        0x0D: [{"profile": said}],
        0x0E: [{"since": 0}, {"since": 2**40}],
        0x0F: [{"from": 0}, {"from": 2**40}],
        0x10: [{"address": address}],
        0x11: [
            {"channel": 1, "upTo": 0, "unreadable": []},
            {"channel": 65535, "upTo": 2**53 - 1, "unreadable": [1, 2, 2**53 - 1]},
            {"channel": 7, "upTo": 300, "unreadable": list(range(1, 257))},
        ],
        0x18: [
            {**reported, "disclosed": None},
            {**reported, "disclosed": {"padded": report.PADDED.hex(), "kF": report.K_F.hex()}},
        ],
        0x19: [{}],
        0x1A: [{"at": at} for at in (0, 29_700_000, 2**32 - 1)],
        0x41: [{}],
        0x42: [{"authority": authority, "certificate": issued, "profile": p} for p in (None, said)],
        0x43: [{"bundle": signed.encode_bundle(prekey.ACCOUNT, *parts, p).hex()} for p in (None, one)],
        0x44: [
            {**accepted, "reason": reason, "freeUntil": free, "receipt": told}
            for reason, free, told in ((1, 0, None), (2, 29_701_445, None), (3, 0, receipt.hex()))
        ],
        0x45: [{"state": state} for state in range(1, 6)],
        0x46: [{}],
        0x47: [{}],
        0x48: [{"ticket": bare_ticket}],
        0x49: [{}],
        0x4B: [
            {"signedId": 1, "kemId": 2, "oneTimeLeft": 3, "oneTimeHighest": 4},
            {"signedId": 0, "kemId": 0, "oneTimeLeft": 0, "oneTimeHighest": 0},
        ],
        0x4D: [{}],
        0x4E: [
            {"ledgerKey": certified.hex(), "head": receipt[-144:].hex(), "proof": proof.hex()}
            for proof in (u32(0), u32(2) + rand("frame node", 64))
        ],
        0x4F: [
            {"entries": []},
            {
                "entries": [
                    ledger.entry(kind, 9, 4 if kind in (2, 3) else None).encode().hex()
                    for kind in range(1, 7)
                ]
            },
        ],
        0x50: [{"channel": 258}],
        0x51: [{"channel": 258, "upTo": 2**40}],
        0x52: [{**arrived, "stampedOrigin": stamped} for stamped in (None, origin)],
        0x53: [{"channel": 258}],
        0x54: [{"channel": 258, "reason": reason} for reason in (1, 2)],
        0x55: [{"kind": kind, "value": 0x0307} for kind in (1, 2, 3, 4, 255)],
        0x58: [{"outcome": outcome} for outcome in (1, 2, 3)],
        0x59: [
            {
                "suspended": suspended,
                "tier": tier,
                "since": 20_600,
                "reports": reports,
                "deliveries": 1_000,
                "due": due,
                "unpaid": unpaid,
            }
            for suspended, tier, reports, due, unpaid in (
                (False, 0, 0, None, None),
                (False, 1, 0, 20_630, None),
                (True, 7, 51, 20_600, {"since": 20_601, "stops": 20_615}),
            )
        ],
        0x5A: [
            {"ledgerKey": certified.hex(), "card": card.hex()}
            for card in (b"", rand("frame rate card", 4096), pricing.made(pricing.GOOD))
        ],
        0x5F: [
            {"code": 20, "retryAfterMs": 0, "text": ""},
            {"code": 36, "retryAfterMs": 2**32 - 1, "text": "trop t\u00f4t"},
            {"code": 33, "retryAfterMs": 1000, "text": "a" * 256},
        ],
    }


def frame(number: int, body: bytes) -> bytes:
    return u8(number) + len(body).to_bytes(3, "big") + body


def build() -> VectorFile:
    kinds = {number: kind_of(number) for number in FRAMES}
    file = VectorFile(
        "frame",
        "Frames",
        ["Each type of SPEC §5.1 and §5.2."],
        NOTES,
        [*kinds.values(), UNKNOWN],
    )
    refused = special()
    for number, values in examples().items():
        group = file.group(kinds[number])
        for i, fields in enumerate(values):
            group.valid(f"example {i}", "Normal", frame=frames.encode(number, fields).hex(), fields=fields)
        lengths(group, number, frames.encode(number, values[-1]))
        for comment, flag, body in refused.get(number, []):
            group.invalid(comment, flag, frame=frame(number, body).hex())
    unknown(file.group(UNKNOWN))
    return file


def lengths(group: Group, number: int, whole: bytes) -> None:
    """What is wrong with the length of any frame."""
    body = whole[4:]
    group.invalid("a byte after the last field", "Length", frame=frame(number, body + b"\0").hex())
    group.invalid("a byte after the frame", "Length", frame=(whole + b"\0").hex())
    group.invalid(
        "a header that says one more",
        "Length",
        frame=(whole[:1] + (len(body) + 1).to_bytes(3, "big") + body).hex(),
    )
    if body:
        group.invalid("the last byte left out", "Length", frame=frame(number, body[:-1]).hex())
        group.invalid("no body", "Length", frame=frame(number, b"").hex())
        group.invalid("cut off", "Length", frame=whole[:-1].hex())
    too_long = frames.bound(number) + 1
    group.invalid(
        "a header past the type's bound", "Length", frame=(whole[:1] + too_long.to_bytes(3, "big")).hex()
    )


def special() -> dict[int, list[tuple[str, str, bytes]]]:
    """(comment, flag, body) of what only some types can get wrong."""
    values = {number: made[-1] for number, made in examples().items()}

    def body(number: int, **changed: Any) -> bytes:
        return frames.encode(number, {**values[number], **changed})[4:]

    def enumerated(number: int, name: str, bad: tuple[int, ...], write: Callable[[int], bytes]) -> list:
        return [(f"{name} {value}", "Enumeration", write(value)) for value in bad]

    def spoiled(number: int, offset: int, value: int) -> bytes:
        whole = body(number)
        return whole[:offset] + u8(value) + whole[offset + 1 :]

    none = body(0x42, profile=None)
    window, acknowledge = body(0x08), body(0x11, upTo=9, unreadable=[1, 2])
    long_list = body(0x11, upTo=2**63, unreadable=list(range(1, 258)))
    bundle, publication = bytes.fromhex(values[0x43]["bundle"]), bytes.fromhex(values[0x0B]["publication"])
    return {
        0x01: enumerated(0x01, "role", (0, 4, 255), lambda v: u8(v) + body(0x01)[1:]),
        0x02: [
            ("a handle of 33 bytes", "Length", u32(33) + b"a" * 33),
            ("a length of 2^32 - 1", "Length", u32(2**32 - 1) + b"abc"),
            ("a handle that is not UTF-8", "Text", u32(4) + b"ab\xffc"),
        ],
        0x04: [
            ("option byte 2", "Flag", spoiled(0x04, 48, 2)),
            ("category 0", "Enumeration", spoiled(0x04, 49 + 160, 0)),
            ("category 5", "Enumeration", spoiled(0x04, 49 + 160, 5)),
        ],
        0x44: [
            ("reason 0", "Enumeration", spoiled(0x44, 16, 0)),
            ("reason 4", "Enumeration", spoiled(0x44, 16, 4)),
            ("option byte 2", "Flag", spoiled(0x44, 21, 2)),
        ],
        0x4E: [
            ("a proof of 66 nodes", "Length", body(0x4E, proof=(u32(66) + bytes(66 * 32)).hex())),
            ("version 2 of the ledger key", "Enumeration", spoiled(0x4E, 0, 2)),
        ],
        0x4F: [
            ("a count of one more", "Length", u32(7) + body(0x4F)[4:]),
            ("1,001 entries", "Length", u32(1001) + 1001 * ledger.entry(1, 9).encode()),
            ("an entry of kind 7", "Enumeration", spoiled(0x4F, 4, 7)),
        ],
        0x08: [(f"window {v}", "Flag", window[:-1] + u8(v)) for v in (2, 255)],
        0x0B: [
            ("a count of one more", "Length", publication[:-108] + u32(2) + publication[-104:]),
            ("a count of 2^32 - 1", "Length", publication[:-108] + u32(2**32 - 1) + publication[-104:]),
        ],
        0x0D: [("a length of one more", "Length", u32(len(body(0x0D)) - 3) + body(0x0D)[4:])],
        0x11: [
            ("unreadable twice", "Order", body(0x11, upTo=9, unreadable=[1, 1])),
            ("unreadable falls", "Order", body(0x11, upTo=9, unreadable=[2, 1])),
            ("unreadable past up_to", "Order", body(0x11, upTo=9, unreadable=[1, 10])),
            ("a count of one more", "Length", acknowledge[:10] + u32(3) + acknowledge[14:]),
            ("257 unreadable", "Length", long_list),
        ],
        0x42: [
            ("option byte 2", "Flag", none[:-1] + b"\2"),
            ("option byte 1 and no profile", "Flag", none[:-1] + b"\1"),
            ("a certificate of 1,025 bytes", "Length", body(0x42, certificate="00" * 1025, profile=None)),
            ("a profile of 8,193 bytes", "Length", body(0x42, profile="00" * 8193)),
        ],
        0x43: [("option byte 2", "Flag", bundle[:-105] + b"\2" + bundle[-104:])],
        0x18: [
            ("size class 0", "Enumeration", spoiled(0x18, 64, 0)),
            ("size class 5", "Enumeration", spoiled(0x18, 64, 5)),
            ("category 0", "Enumeration", spoiled(0x18, 65 + 68, 0)),
            ("category 5", "Enumeration", spoiled(0x18, 65 + 68, 5)),
            ("reason 0", "Enumeration", spoiled(0x18, 65 + 69, 0)),
            ("reason 4", "Enumeration", spoiled(0x18, 65 + 69, 4)),
            ("option byte 2", "Flag", spoiled(0x18, 65 + 102, 2)),
            (
                "padded of 65,409 bytes",
                "Length",
                body(0x18, disclosed={"padded": "00" * 65409, "kF": "00" * 32}),
            ),
        ],
        0x52: [
            ("option byte 2", "Flag", spoiled(0x52, 10, 2)),
            ("category 5", "Enumeration", spoiled(0x52, 11 + 68, 5)),
            ("reason 4", "Enumeration", spoiled(0x52, 11 + 69, 4)),
        ],
        0x5A: [
            ("a card of 4,097 bytes", "Length", body(0x5A, card="00" * 4097)),
            ("version 2 of the ledger key", "Enumeration", spoiled(0x5A, 0, 2)),
        ],
        0x58: enumerated(0x58, "outcome", (0, 4, 255), u8),
        0x59: [(f"suspended {v}", "Flag", u8(v) + body(0x59)[1:]) for v in (2, 255)],
        0x45: enumerated(0x45, "state", (0, 6, 255), u8),
        0x54: enumerated(0x54, "reason", (0, 3, 255), lambda v: body(0x54)[:-1] + u8(v)),
        0x5F: [
            ("a text of 257 bytes", "Length", body(0x5F, text="a" * 257)),
            ("a text that is not UTF-8", "Text", body(0x5F, text="")[:-4] + u32(1) + b"\xff"),
        ],
    }


def unknown(group: Group) -> None:
    for number in (0x00, 0x12, 0x17, 0x40, 0x4A, 0x4C, 0x56, 0x60, 0xFF):
        group.invalid(f"type 0x{number:02x}", "Unknown", frame=frame(number, b"").hex())
        group.invalid(
            f"type 0x{number:02x} with a body", "Unknown", frame=frame(number, rand("frame body", 8)).hex()
        )
    for data in (b"", b"\1", b"\1\0\0", b"\x0c\0\0"):
        group.invalid(f"{len(data)} bytes", "Length", frame=data.hex())
