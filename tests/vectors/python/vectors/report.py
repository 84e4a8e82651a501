"""report.json: stamps, and reports that prove themselves (SPEC §11)."""

from dataclasses import replace

from plico import message, report, ticket
from plico.primitives import ed25519_public
from plico.report import Origin

from .format import Kind, Note, VectorFile, array, boolean, flip, hexadecimal, integer, obj, rand

DAY = 20_650
K_TAG = rand("report k_tag")
KEYS = {DAY: rand("report k_stamp"), DAY + 1: rand("report k_stamp next")}
ADDRESS, ACCOUNT = ed25519_public(rand("report mailbox")), ed25519_public(rand("report account"))
K_F = rand("report k_f")
PADDED = message.pad(b"buy now", 2048 - 128)
C2 = message.commitment(K_F, 1, PADDED)
ORIGIN = Origin(ACCOUNT, ticket.address_tag(K_TAG, ADDRESS), rand("report ticket", 16), DAY * 24 + 7, 4, 3)


def check_stamp(_group: dict, test: dict) -> None:
    names = ("account", "tag", "ticketId")
    named = (bytes.fromhex(test[name]) for name in names)
    origin = Origin(*named, test["hour"], test["category"], test["reason"])
    assert origin.encode().hex() == test["origin"]
    key, c2 = bytes.fromhex(test["kStamp"]), bytes.fromhex(test["c2"])
    assert report.stamp(key, c2, origin, test["sizeClass"]).hex() == test["stamp"]


def check_report(group: dict, test: dict) -> None:
    keys = {k["day"]: bytes.fromhex(k["key"]) for k in group["stampKeys"]}
    address, c2, stamped = (bytes.fromhex(test[n]) for n in ("address", "c2", "stampedOrigin"))
    opening = (bytes.fromhex(test["padded"]), bytes.fromhex(test["kF"])) if test["disclosed"] else None
    report.check(keys, bytes.fromhex(group["kTag"]), address, c2, test["sizeClass"], stamped, opening)


STAMP = Kind(
    "Stamp",
    "an origin and its stamp",
    {},
    {
        "kStamp": hexadecimal("k_stamp of the day", 32),
        "c2": hexadecimal("C2", 32),
        "sizeClass": integer("size class"),
        "account": hexadecimal("account", 32),
        "tag": hexadecimal("the ticket's address tag", 16),
        "ticketId": hexadecimal("ticket id", 16),
        "hour": integer("hour of acceptance"),
        "category": integer("category"),
        "reason": integer("reason"),
        "origin": hexadecimal("origin", 70),
        "stamp": hexadecimal("stamp", 32),
    },
    check_stamp,
)
REPORT = Kind(
    "Report",
    "whether a relay takes a report on a connection that proved `address`; invalid: `bad_report`",
    {
        "kTag": hexadecimal("k_tag", 32),
        "stampKeys": array(
            "the stamp keys the relay has",
            obj("one key", {"day": integer("UTC day"), "key": hexadecimal("k_stamp[day]", 32)}),
        ),
    },
    {
        "address": hexadecimal("address", 32),
        "c2": hexadecimal("C2", 32),
        "sizeClass": integer("size class"),
        "stampedOrigin": hexadecimal("origin and stamp"),
        "disclosed": boolean("whether the content is disclosed"),
        "padded": hexadecimal("padded; empty if not disclosed"),
        "kF": hexadecimal("k_f; empty if not disclosed"),
    },
    check_report,
)

NOTES = {
    "Normal": Note("BASIC", "An honest stamp or report."),
    "Forged": Note("AUTH_BYPASS", "A stamp of another message, size class or origin, or changed."),
    "Day": Note("CONFORMANCE", "A stamp is of the key of its origin's UTC day."),
    "Mailbox": Note("AUTH_BYPASS", "A stamp of another mailbox than the one proven."),
    "Content": Note("COMMITMENT", "What is disclosed is not what was committed to."),
}


def build() -> VectorFile:
    file = VectorFile(
        "report",
        "Stamps and reports",
        ["Made and checked by the relay alone; devices keep them."],
        NOTES,
        [STAMP, REPORT],
    )
    group = file.group(STAMP)
    for category in (1, 2, 3, 4):
        for reason in (2, 3):
            origin = replace(ORIGIN, category=category, reason=reason)
            group.valid(f"category {category}, reason {reason}", "Normal", **stamped(origin, category))
    reports(file)
    return file


def stamped(origin: Origin, size_class: int) -> dict:
    return {
        "kStamp": KEYS[DAY].hex(),
        "c2": C2.hex(),
        "sizeClass": size_class,
        "account": origin.account.hex(),
        "tag": origin.tag.hex(),
        "ticketId": origin.ticket_id.hex(),
        "hour": origin.hour,
        "category": origin.category,
        "reason": origin.reason,
        "origin": origin.encode().hex(),
        "stamp": report.stamp(KEYS[DAY], C2, origin, size_class).hex(),
    }


def reports(file: VectorFile) -> None:
    keys = [{"day": day, "key": key.hex()} for day, key in KEYS.items()]
    group = file.group(REPORT, kTag=K_TAG.hex(), stampKeys=keys)

    def proof(origin: Origin = ORIGIN, c2: bytes = C2, size_class: int = 1, day: int = DAY) -> bytes:
        return origin.encode() + report.stamp(KEYS[day], c2, origin, size_class)

    def add(result: str, comment: str, flag: str, **change) -> None:
        values = {
            "address": ADDRESS,
            "c2": C2,
            "sizeClass": 1,
            "stampedOrigin": proof(),
            "padded": PADDED,
            "kF": K_F,
        }
        values = {k: v.hex() if isinstance(v, bytes) else v for k, v in {**values, **change}.items()}
        group.add(result, comment, flag, disclosed=values["kF"] != "", **values)

    bare = {"padded": b"", "kF": b""}
    add("valid", "with content", "Normal")
    add("valid", "without content", "Normal", **bare)
    for reason in (1, 2):
        add("valid", f"reason {reason}", "Normal", stampedOrigin=proof(replace(ORIGIN, reason=reason)))
    whole = proof()
    for offset in (0, 31, 32, 47, 48, 63, 67, 68, 69, 70, 101):
        add("invalid", f"byte {offset} changed", "Forged", stampedOrigin=flip(whole, offset), **bare)
    add("invalid", "another C2", "Forged", c2=flip(C2, 0), **bare)
    add("invalid", "another size class", "Forged", sizeClass=2, **bare)
    first, last = replace(ORIGIN, hour=DAY * 24), replace(ORIGIN, hour=DAY * 24 + 23)
    add("valid", "the day's first hour", "Day", stampedOrigin=proof(first), **bare)
    add("valid", "the day's last hour", "Day", stampedOrigin=proof(last), **bare)
    after = replace(ORIGIN, hour=DAY * 24 + 24)
    add("invalid", "the key of the day before", "Day", stampedOrigin=proof(after), **bare)
    add("valid", "the key of that day", "Day", stampedOrigin=proof(after, day=DAY + 1), **bare)
    for hour in (DAY * 24 - 1, (DAY + 2) * 24):
        add("invalid", "a day without a key", "Day", stampedOrigin=proof(replace(ORIGIN, hour=hour)), **bare)
    other = ed25519_public(rand("report other"))
    add("invalid", "another mailbox", "Mailbox", address=other, **bare)
    contents(add, proof)


def contents(add, proof) -> None:
    add("invalid", "another byte of content", "Content", padded=flip(PADDED, 0))
    add("invalid", "another byte of padding", "Content", padded=flip(PADDED, len(PADDED) - 1))
    add("invalid", "another k_f", "Content", kF=flip(K_F, 31))
    add("invalid", "no content where it is disclosed", "Content", padded=b"")
    for length in (len(PADDED) - 1, len(PADDED) + 1):
        padded = message.pad(b"buy now", length)
        c2 = message.commitment(K_F, 1, padded)
        what = {"padded": padded, "c2": c2, "stampedOrigin": proof(c2=c2)}
        add("invalid", f"{length} bytes, and C2 over them", "Content", **what)
    for size_class in (2, 3):
        padded = message.pad(b"buy now", message.SIZES[size_class] - 128)
        c2 = message.commitment(K_F, size_class, padded)
        what = {"padded": padded, "c2": c2, "sizeClass": size_class}
        add(
            "valid",
            f"size class {size_class}",
            "Normal",
            **what,
            stampedOrigin=proof(c2=c2, size_class=size_class),
        )
