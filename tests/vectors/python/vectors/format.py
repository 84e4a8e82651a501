"""The shape of a vector file: groups of tests in the style of Wycheproof, and its JSON Schema.

A `Kind` of group owns the names and meanings of its fields; the schema is made from it, so a field
that is not declared cannot be written. Its `check` reads nothing but those fields: it is what a
client in another language does, and every test goes through it before it is written.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from plico.primitives import Refused
from plico.ratchet import Duplicate

GENERATOR_VERSION = "1"
Schema = dict[str, Any]


def rand(name: str, count: int = 32) -> bytes:
    """What a vector calls random: SHAKE-256 of a name. Every such value is also given in the vector."""
    return hashlib.shake_256(b"plico vectors " + name.encode()).digest(count)


def hexadecimal(description: str, count: int | None = None) -> Schema:
    pattern = "^([0-9a-f]{2})*$" if count is None else f"^[0-9a-f]{{{2 * count}}}$"
    return {"type": "string", "pattern": pattern, "description": description}


def integer(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def string(description: str, values: list[str] | None = None) -> Schema:
    schema: Schema = {"type": "string", "description": description}
    return schema if values is None else {**schema, "enum": values}


def boolean(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def array(description: str, items: Schema) -> Schema:
    return {"type": "array", "description": description, "items": items}


def obj(description: str, properties: dict[str, Schema], absent: tuple[str, ...] = ()) -> Schema:
    """An object without other properties; those in `absent` may be missing."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in absent],
        "additionalProperties": False,
    }


@dataclass(frozen=True)
class Kind:
    """A type of group: what its tests ask of an implementation."""

    type: str
    description: str
    shared: dict[str, Schema]
    each: dict[str, Schema]
    check: Callable[[dict[str, Any], dict[str, Any]], None]
    """Raises `Refused` or `Duplicate` for an invalid test, `AssertionError` for a wrong vector."""
    absent: tuple[str, ...] = ()
    """Fields of `each` that a test may leave out."""


@dataclass(frozen=True)
class Note:
    """What a flag means."""

    bug_type: str
    description: str


def outcome(kind: Kind, shared: dict[str, Any], test: dict[str, Any]) -> str:
    """`valid` or `invalid`, as this implementation sees it."""
    try:
        kind.check(shared, test)
    except (Refused, Duplicate):
        return "invalid"
    return "valid"


@dataclass
class VectorFile:
    name: str
    algorithm: str
    header: list[str]
    notes: dict[str, Note]
    kinds: list[Kind]
    groups: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def group(self, kind: Kind, **shared: Any) -> "Group":
        made = {"type": kind.type, **shared, "tests": []}
        self.groups.append(made)
        return Group(self, kind, made)

    def document(self) -> dict[str, Any]:
        flags = {f for g in self.groups for t in g["tests"] for f in t["flags"]}
        assert flags == set(self.notes), f"{self.name}: {flags ^ set(self.notes)}"
        return {
            "algorithm": self.algorithm,
            "generatorVersion": GENERATOR_VERSION,
            "numberOfTests": self.count,
            "header": self.header,
            "notes": {
                flag: {"bugType": note.bug_type, "description": note.description}
                for flag, note in sorted(self.notes.items())
            },
            "schema": f"{self.name}_schema.json",
            "testGroups": self.groups,
        }

    def schema(self) -> Schema:
        note = obj("what a flag means", {"bugType": string("kind of mistake"), "description": string("")})
        top = obj(
            self.algorithm,
            {
                "algorithm": string("what is tested"),
                "generatorVersion": string("version of the generator"),
                "numberOfTests": integer("tests in all groups"),
                "header": array("what the file is for", {"type": "string"}),
                "notes": {"type": "object", "additionalProperties": note},
                "schema": {"const": f"{self.name}_schema.json"},
                "testGroups": {"type": "array", "items": {"oneOf": [group_schema(k) for k in self.kinds]}},
            },
        )
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top}


def group_schema(kind: Kind) -> Schema:
    test = obj(
        "one test",
        {
            "tcId": integer("number of the test in this file"),
            "comment": string("what is particular here"),
            "flags": array("names of notes", {"type": "string"}),
            **kind.each,
            "result": string("whether an implementation must accept", ["valid", "invalid"]),
        },
        kind.absent,
    )
    tests = {"type": "array", "items": test}
    return obj(kind.description, {"type": {"const": kind.type}, **kind.shared, "tests": tests})


@dataclass
class Group:
    file: VectorFile
    kind: Kind
    values: dict[str, Any]

    def add(self, result: str, comment: str, *flags: str, **values: Any) -> None:
        """Adds a test once this implementation agrees that it is what it says."""
        self.file.count += 1
        head = {"tcId": self.file.count, "comment": comment, "flags": list(flags)}
        test = {**head, **values, "result": result}
        found = outcome(self.kind, self.values, test)
        assert found == result, f"{self.file.name} {test['tcId']} ({comment}) is {found}"
        self.values["tests"].append(test)

    def valid(self, comment: str, *flags: str, **values: Any) -> None:
        self.add("valid", comment, *flags, **values)

    def invalid(self, comment: str, *flags: str, **values: Any) -> None:
        self.add("invalid", comment, *flags, **values)


def dump(value: Any) -> str:
    """The bytes of a committed file, but for their encoding in ASCII."""
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def flip(data: bytes, offset: int, mask: int = 1) -> bytes:
    """`data` with bits of one byte changed."""
    changed = bytearray(data)
    changed[offset] ^= mask
    return bytes(changed)
