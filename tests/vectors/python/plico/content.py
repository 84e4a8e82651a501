"""SPEC §8.5 and protocol/endpoint/proto/content.proto: what a message says.

Written out, because the bounds are most of it; protobuf's own rules are those of its "Encoding" page.
"""

from dataclasses import dataclass
from typing import Any

from .primitives import Refused, need

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Field:
    """A field of content.proto: its name in the vectors, its type, whether it repeats."""

    name: str
    type: Any
    repeated: bool = False
    body: bool = False


REPLY = {1: Field("address", "bytes"), 2: Field("ticket", "bytes"), 3: Field("opening", "bytes")}
TEXT = {1: Field("text", "string")}
ENTRY = {1: Field("label", "string"), 2: Field("value", "string")}
NOTIFICATION = {
    1: Field("title", "string"),
    2: Field("body", "string"),
    3: Field("fields", ENTRY, repeated=True),
    4: Field("category", "int32"),
}
CHOICE = {1: Field("id", "string"), 2: Field("label", "string")}
CHOICES = {1: Field("question", "string"), 2: Field("choices", CHOICE, repeated=True)}
ANSWER = {1: Field("contentId", "bytes"), 2: Field("choiceId", "string")}
REACTION = {1: Field("contentId", "bytes"), 2: Field("emoji", "string")}
MARKS = {1: Field("delivered", "bytes", repeated=True), 2: Field("read", "bytes", repeated=True)}
PROFILE_NAME = {1: Field("name", "string")}
CONTENT = {
    1: Field("id", "bytes"),
    2: Field("composedMs", "uint64"),
    3: Field("expiresAfterSeconds", "uint32"),
    4: Field("reply", REPLY),
    5: Field("ref", "string"),
    6: Field("profileName", "string"),
    7: Field("restoredHour", "uint32"),
    8: Field("restoredMs", "uint64"),
    16: Field("text", TEXT, body=True),
    17: Field("notification", NOTIFICATION, body=True),
    18: Field("choices", CHOICES, body=True),
    19: Field("answer", ANSWER, body=True),
    20: Field("reaction", REACTION, body=True),
    21: Field("marks", MARKS, body=True),
    22: Field("newProfileName", PROFILE_NAME, body=True),
    23: Field("renewal", {}, body=True),
    24: Field("goodbye", {}, body=True),
}
BODIES = {field.name for field in CONTENT.values() if field.body}
DEFAULTS = {"bytes": "", "string": "", "int32": 0, "uint32": 0, "uint64": 0}


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def write(fields: dict[int, Field], value: dict[str, Any]) -> bytes:
    """Fields in the order of their numbers; those that are absent or, within a message, default are left out."""
    out = b""
    for number, field in sorted(fields.items()):
        present = value.get(field.name)
        for item in present if field.repeated and present else [present]:
            if item is not None and item != []:
                out += write_one(number, field.type, item)
    return out


def write_one(number: int, kind: Any, item: Any) -> bytes:
    if kind in ("int32", "uint32", "uint64"):
        return tag(number, VARINT) + varint(item)
    if isinstance(kind, dict):
        data = write(kind, item)
    else:
        data = item.encode() if kind == "string" else bytes.fromhex(item)
    return tag(number, BYTES) + varint(len(data)) + data


def encode(value: dict[str, Any]) -> bytes:
    return write(CONTENT, value)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        need(at < len(data) and shift < 70, "varint")
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def read(fields: dict[int, Field], data: bytes, found: dict[str, Any]) -> dict[str, Any]:
    """Reads into `found`, as protobuf merges a message that comes again. Unknown fields are ignored."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, wire = key >> 3, key & 7
        need(number > 0 and wire in (VARINT, FIXED64, BYTES, FIXED32), "tag")
        if wire == VARINT:
            item, at = read_varint(data, at)
        else:
            length = {FIXED64: 8, FIXED32: 4}.get(wire)
            if length is None:
                length, at = read_varint(data, at)
            need(at + length <= len(data), "length")
            item, at = data[at : at + length], at + length
        if number in fields:
            put(found, fields[number], item)
    return found


def put(found: dict[str, Any], field: Field, item: int | bytes) -> None:
    """One field that came; of a oneof the last counts."""
    is_number = field.type in ("int32", "uint32", "uint64")
    need(is_number == isinstance(item, int), "wire type")
    if field.body:
        for other in BODIES - {field.name}:
            found.pop(other, None)
    value: Any = item
    if isinstance(field.type, dict):
        value = read(field.type, item, {} if field.repeated else found.get(field.name, {}))
    elif field.type == "string":
        try:
            value = item.decode()
        except UnicodeDecodeError:
            raise Refused("not UTF-8") from None
    elif field.type == "bytes":
        value = item.hex()
    elif field.type != "uint64":
        value = item % 2**32
    if field.repeated:
        found.setdefault(field.name, []).append(value)
    else:
        found[field.name] = value


def complete(fields: dict[int, Field], found: dict[str, Any]) -> None:
    """Within a message a field that is absent has its default."""
    for field in fields.values():
        if field.repeated:
            found.setdefault(field.name, [])
            if isinstance(field.type, dict):
                for item in found[field.name]:
                    complete(field.type, item)
        else:
            found.setdefault(field.name, DEFAULTS[field.type])


def decode(data: bytes) -> dict[str, Any]:
    """Content by the names of the vectors; absent fields are absent."""
    found = read(CONTENT, data, {})
    found.setdefault("id", "")
    found.setdefault("composedMs", 0)
    for field in CONTENT.values():
        if isinstance(field.type, dict) and field.name in found:
            complete(field.type, found[field.name])
    if ("restoredHour" in found) != ("restoredMs" in found):
        found.pop("restoredHour", None)
        found.pop("restoredMs", None)
    check(found)
    return found


def size(text: str, least: int, most: int) -> None:
    need(least <= len(text.encode()) <= most, "length")


def check_id(value: str) -> None:
    need(len(value) == 32, "id")


def check(content: dict[str, Any]) -> None:
    """The table of §8.5."""
    check_id(content["id"])
    need(1 <= content.get("expiresAfterSeconds", 1) <= 34_560_000, "expires_after_seconds")
    size(content.get("ref", "x"), 1, 256)
    size(content.get("profileName", "x"), 1, 96)
    if "reply" in content:
        lengths = [len(content["reply"][name]) // 2 for name in ("address", "ticket", "opening")]
        need(lengths == [32, 128, 32], "reply")
    need("renewal" not in content or "reply" in content, "a renewal without reply")
    for name in BODIES & content.keys() & CHECKS.keys():
        CHECKS[name](content[name])


def check_notification(body: dict[str, Any]) -> None:
    size(body["title"], 1, 128)
    size(body["body"], 0, 8192)
    need(len(body["fields"]) <= 32, "fields")
    for entry in body["fields"]:
        size(entry["label"], 1, 64)
        size(entry["value"], 1, 256)
    if body["category"] not in (1, 2, 3, 4):
        body["category"] = 0


def check_choices(body: dict[str, Any]) -> None:
    size(body["question"], 1, 2048)
    ids = [choice["id"] for choice in body["choices"]]
    need(1 <= len(ids) <= 16 and len(set(ids)) == len(ids), "choices")
    for choice in body["choices"]:
        size(choice["id"], 1, 64)
        size(choice["label"], 1, 128)


def check_answer(body: dict[str, Any]) -> None:
    check_id(body["contentId"])
    size(body["choiceId"], 1, 64)


def check_reaction(body: dict[str, Any]) -> None:
    check_id(body["contentId"])
    size(body["emoji"], 0, 64)


def check_marks(body: dict[str, Any]) -> None:
    for ids in (body["delivered"], body["read"]):
        need(len(ids) <= 256, "marks")
        for one in ids:
            check_id(one)


CHECKS = {
    "text": lambda body: size(body["text"], 1, 32768),
    "notification": check_notification,
    "choices": check_choices,
    "answer": check_answer,
    "reaction": check_reaction,
    "marks": check_marks,
    "newProfileName": lambda body: size(body["name"], 1, 96),
}
