"""content.json: what messages say, and what is refused (SPEC §8.5)."""

from typing import Any

from plico import content
from plico.content import BYTES, FIXED32, FIXED64, VARINT, tag, varint

from .format import Group, Kind, Note, VectorFile, array, hexadecimal, integer, obj, rand, string


def check(_group: dict, test: dict) -> None:
    assert content.decode(bytes.fromhex(test["bytes"])) == test["content"]


def fields_of(fields: dict[int, content.Field], absent: bool) -> dict:
    """The schema of a message of content.proto."""
    properties = {field.name: schema_of(field) for field in fields.values()}
    return obj("as in content.proto", properties, tuple(properties) if absent else ())


def schema_of(field: content.Field) -> dict:
    simple = {"bytes": hexadecimal, "string": string}
    one = (
        fields_of(field.type, False)
        if isinstance(field.type, dict)
        else simple.get(field.type, integer)(field.name)
    )
    return array(field.name, one) if field.repeated else one


SCHEMA = fields_of(content.CONTENT, True)
SCHEMA["required"] = ["id", "composedMs"]
SCHEMA["description"] = (
    "what valid bytes say: absent fields are absent, within a body they have their default"
)

KIND = Kind(
    "Content",
    "whether a reader takes the bytes, and what it reads",
    {},
    {"bytes": hexadecimal("content, before padding"), "content": SCHEMA},
    check,
    ("content",),
)

NOTES = {
    "Normal": Note("BASIC", "Content of each kind."),
    "Bound": Note("CONFORMANCE", "A field at its bound, and past it."),
    "Unknown": Note("CONFORMANCE", "Fields of a later version: ignored. A body of one: shown as such."),
    "Protobuf": Note("CONFORMANCE", "What protobuf's own rules ask for."),
    "Absent": Note("CONFORMANCE", "A field that must be there is not."),
}

ID, OTHER = rand("content id", 16).hex(), rand("content other", 16).hex()
REPLY = {
    name: rand(f"content {name}", n).hex() for name, n in (("address", 32), ("ticket", 128), ("opening", 32))
}
HEAD: dict[str, Any] = {"id": ID, "composedMs": 1_782_000_000_000}
TEXT = {**HEAD, "text": {"text": "Bonjour"}}
NOTE = {"title": "Boarding", "body": "", "fields": [], "category": 0}
CHOICE = [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}]


def build() -> VectorFile:
    file = VectorFile(
        "content", "Content", ["The protobuf message plico.v1.Content, and its bounds."], NOTES, [KIND]
    )
    group = file.group(KIND)
    for comment, value in normal().items():
        good(group, comment, "Normal", value)
    for comment, result, value in bounds():
        if result:
            good(group, comment, "Bound", value)
        else:
            group.invalid(comment, "Bound", bytes=content.encode(value).hex())
    later(group)
    absent(group)
    protobuf(group)
    return file


def good(group: Group, comment: str, flag: str, value: dict, data: bytes | None = None) -> None:
    group.valid(comment, flag, bytes=(content.encode(value) if data is None else data).hex(), content=value)


def normal() -> dict[str, dict]:
    full = {
        "title": "Boarding",
        "body": "Gate 5",
        "fields": [{"label": "Seat", "value": "12A"}, {"label": "Gate", "value": "5"}],
        "category": 2,
    }
    return {
        "a text": TEXT,
        "a first message": {
            **HEAD,
            "reply": REPLY,
            "ref": "ORDER-77",
            "profileName": "Ana",
            "text": {"text": "?"},
        },
        "a text that expires": {**HEAD, "expiresAfterSeconds": 3600, "text": {"text": "?"}},
        "after a restore": {
            **HEAD,
            "restoredHour": 495_000,
            "restoredMs": 1_782_000_000_000,
            "text": {"text": "?"},
        },
        "a notification": {**HEAD, "notification": full},
        "a notification without anything": {**HEAD, "notification": NOTE},
        "choices": {**HEAD, "choices": {"question": "Which?", "choices": CHOICE}},
        "an answer": {**HEAD, "answer": {"contentId": OTHER, "choiceId": "a"}},
        "a reaction": {**HEAD, "reaction": {"contentId": OTHER, "emoji": "\U0001f44d"}},
        "a reaction taken back": {**HEAD, "reaction": {"contentId": OTHER, "emoji": ""}},
        "marks": {**HEAD, "marks": {"delivered": [ID, OTHER], "read": [OTHER]}},
        "no marks": {**HEAD, "marks": {"delivered": [], "read": []}},
        "a new profile name": {**HEAD, "newProfileName": {"name": "Ana"}},
        "a renewal": {**HEAD, "reply": REPLY, "renewal": {}},
        "a goodbye": {**HEAD, "goodbye": {}},
        "composed at the epoch": {"id": ID, "composedMs": 0, "goodbye": {}},
    }


def bounds() -> list[tuple[str, bool, dict]]:
    """(comment, whether it is taken, content)."""
    found: list[tuple[str, bool, dict]] = []

    def lengths(name: str, least: int, most: int, make) -> None:
        sizes = {least: True, most: True, most + 1: False}
        if least:
            sizes[least - 1] = False
        for size, taken in sizes.items():
            found.append((f"{name}: {size}", taken, {**HEAD, **make(size)}))

    def text(size: int) -> str:
        return "\u00e9" * (size // 2) + "x" * (size % 2)

    text_body = {"text": {"text": "?"}}
    lengths("ref", 1, 256, lambda n: {"ref": text(n), **text_body})
    lengths("profile_name", 1, 96, lambda n: {"profileName": text(n), **text_body})
    lengths("text", 1, 32768, lambda n: {"text": {"text": text(n)}})
    lengths("title", 1, 128, lambda n: {"notification": {**NOTE, "title": text(n)}})
    lengths("body", 0, 8192, lambda n: {"notification": {**NOTE, "body": text(n)}})
    entry = {"label": "Gate", "value": "5"}
    lengths("fields", 0, 32, lambda n: {"notification": {**NOTE, "fields": [entry] * n}})
    lengths("label", 1, 64, lambda n: {"notification": {**NOTE, "fields": [{**entry, "label": text(n)}]}})
    lengths("value", 1, 256, lambda n: {"notification": {**NOTE, "fields": [{**entry, "value": text(n)}]}})
    lengths("question", 1, 2048, lambda n: {"choices": {"question": text(n), "choices": CHOICE}})
    many = [{"id": str(i), "label": "x"} for i in range(17)]
    lengths("choices", 1, 16, lambda n: {"choices": {"question": "?", "choices": many[:n]}})
    for part, most in (("id", 64), ("label", 128)):
        lengths(
            f"choice {part}",
            1,
            most,
            lambda n, part=part: {"choices": {"question": "?", "choices": [{**CHOICE[0], part: text(n)}]}},
        )
    lengths("choice_id", 1, 64, lambda n: {"answer": {"contentId": OTHER, "choiceId": text(n)}})
    lengths("emoji", 0, 64, lambda n: {"reaction": {"contentId": OTHER, "emoji": text(n)}})
    lengths("delivered", 0, 256, lambda n: {"marks": {"delivered": [ID] * n, "read": []}})
    lengths("read", 0, 256, lambda n: {"marks": {"delivered": [], "read": [ID] * n}})
    lengths("name", 1, 96, lambda n: {"newProfileName": {"name": text(n)}})
    for seconds, taken in ((0, False), (1, True), (34_560_000, True), (34_560_001, False)):
        found.append((f"expires after {seconds}", taken, {**TEXT, "expiresAfterSeconds": seconds}))
    twice = {"question": "?", "choices": [CHOICE[0], CHOICE[0]]}
    found.append(("a choice id twice", False, {**HEAD, "choices": twice}))
    return found + ids()


def ids() -> list[tuple[str, bool, dict]]:
    found = []
    for size in (0, 15, 17):
        bad = "ab" * size
        for name, value in {
            "id": {**TEXT, "id": bad},
            "content_id of an answer": {**HEAD, "answer": {"contentId": bad, "choiceId": "a"}},
            "content_id of a reaction": {**HEAD, "reaction": {"contentId": bad, "emoji": ""}},
            "delivered id": {**HEAD, "marks": {"delivered": [bad], "read": []}},
            "read id": {**HEAD, "marks": {"delivered": [], "read": [bad]}},
        }.items():
            found.append((f"{name} of {size} bytes", False, value))
    for name, size in (("address", 32), ("ticket", 128), ("opening", 32)):
        for wrong in (0, size - 1, size + 1):
            found.append(
                (f"{name} of {wrong} bytes", False, {**TEXT, "reply": {**REPLY, name: "ab" * wrong}})
            )
    return found


def later(group: Group) -> None:
    """Unknown fields, of each wire type."""
    whole = content.encode(TEXT)
    unknown = {
        "a number": tag(99, VARINT) + varint(2**64 - 1),
        "eight bytes": tag(99, FIXED64) + bytes(8),
        "bytes": tag(99, BYTES) + varint(3) + b"abc",
        "four bytes": tag(99, FIXED32) + bytes(4),
        "a field of the highest number": tag(2**29 - 1, VARINT) + b"\1",
    }
    for comment, extra in unknown.items():
        good(group, f"an unknown field: {comment}", "Unknown", TEXT, whole + extra)
        good(group, f"an unknown field first: {comment}", "Unknown", TEXT, extra + whole)
    inner = content.write(content.TEXT, {"text": "Bonjour"}) + unknown["bytes"]
    data = content.encode(HEAD) + tag(16, BYTES) + varint(len(inner)) + inner
    good(group, "an unknown field in a body", "Unknown", TEXT, data)
    body = content.encode(HEAD) + tag(25, BYTES) + varint(3) + b"new"
    good(group, "a body of a later version", "Unknown", HEAD, body)
    for number in (5, 100):
        data = {**HEAD, "notification": {**NOTE, "category": number}}
        shown = {**HEAD, "notification": NOTE}
        good(group, f"category {number}", "Unknown", shown, content.encode(data))
    for name, value in (("restoredHour", 495_000), ("restoredMs", 1_782_000_000_000)):
        good(group, f"{name} alone", "Unknown", TEXT, content.encode({**TEXT, name: value}))


def absent(group: Group) -> None:
    good(group, "no body", "Absent", HEAD)
    group.invalid("nothing", "Absent", bytes="")
    group.invalid("no id", "Absent", bytes=content.encode({"composedMs": 1, "text": {"text": "?"}}).hex())
    group.invalid("a renewal without reply", "Absent", bytes=content.encode({**HEAD, "renewal": {}}).hex())
    for number, name in (
        (16, "text"),
        (17, "notification"),
        (18, "choices"),
        (19, "answer"),
        (20, "reaction"),
    ):
        data = content.encode(HEAD) + tag(number, BYTES) + b"\0"
        group.invalid(f"an empty {name}", "Absent", bytes=data.hex())
    for part in REPLY:
        reply = {name: value for name, value in REPLY.items() if name != part}
        group.invalid(
            f"a reply without {part}", "Absent", bytes=content.encode({**TEXT, "reply": reply}).hex()
        )


def protobuf(group: Group) -> None:
    whole = content.encode(TEXT)
    other = content.write(content.CONTENT, {"text": {"text": "Salut"}})
    again = {**HEAD, "text": {"text": "Salut"}}
    good(group, "a text twice: the last counts", "Protobuf", again, whole + other)
    goodbye = content.write(content.CONTENT, {"goodbye": {}})
    good(group, "two bodies: the last counts", "Protobuf", {**HEAD, "goodbye": {}}, whole + goodbye)
    good(group, "fields in another order", "Protobuf", TEXT, other.replace(b"Salut", b"Salut") + whole)
    long_form = tag(2, VARINT) + b"\x85\x80\x00"
    good(
        group,
        "a number in more bytes than it needs",
        "Protobuf",
        {**TEXT, "composedMs": 5},
        whole + long_form,
    )
    for cut in (1, len(whole) // 2):
        group.invalid(f"cut off {cut} bytes from its end", "Protobuf", bytes=whole[:-cut].hex())
    text = whole.index(b"Bonjour")
    group.invalid(
        "text that is not UTF-8", "Protobuf", bytes=(whole[:text] + b"\xff" + whole[text + 1 :]).hex()
    )
    group.invalid("field number 0", "Protobuf", bytes=(whole + b"\0\0").hex())
    group.invalid(
        "a number of eleven bytes", "Protobuf", bytes=(whole + tag(99, VARINT) + b"\x80" * 10 + b"\0").hex()
    )
    group.invalid("wire type 7", "Protobuf", bytes=(whole + bytes([99 << 3 & 0x78 | 7]) + b"\0").hex())
