"""state.json: which bytes are a session's state (SPEC §8.6)."""

from copy import deepcopy
from dataclasses import replace

from plico import ratchet
from plico.primitives import x25519_public
from plico.ratchet import Chain, Session
from plico.wire import u32

from .format import Group, Kind, Note, VectorFile, hexadecimal, rand
from .world import Pair


def check(_group: dict, test: dict) -> None:
    data = bytes.fromhex(test["state"])
    assert ratchet.encode_state(ratchet.decode_state(data)) == data


KIND = Kind(
    "State",
    "the bytes are read and written again as they were, or refused",
    {},
    {"state": hexadecimal("state of §8.6, or not")},
    check,
)

NOTES = {
    "Normal": Note("BASIC", "A state as a conversation leaves it."),
    "Largest": Note("BASIC", "Every bound is met."),
    "Field": Note("CONFORMANCE", "A field has a value that the table does not allow."),
    "Length": Note("CONFORMANCE", "Bytes are missing or left."),
}

SENDING = 130
"""Offset of the byte that says how this end sends."""


def build() -> VectorFile:
    file = VectorFile(
        "state", "Session state", ["For moving sessions between implementations."], NOTES, [KIND]
    )
    group = file.group(KIND)
    begun, answered = Pair.begun("state"), Pair.answered("state")
    for name, session in (
        ("a person's after the first message", begun.person),
        ("a business's after it", begun.shop_session),
        ("a business's once it answered", answered.shop_session),
        ("a person's after the answer", answered.person),
    ):
        group.valid(name, "Normal", state=ratchet.encode_state(session).hex())
    largest(group, answered.shop_session)
    fields(group, begun, answered)
    lengths(group, begun.person, answered.shop_session)
    return file


def chain(name: str, length: int, keys: range) -> Chain:
    return Chain(rand(f"state {name}"), length, {n: rand(f"state {name} {n}") for n in keys})


def with_chains(session: Session, current: Chain, earlier: list[Chain]) -> bytes:
    made = deepcopy(session)
    made.current, made.earlier = current, earlier
    return ratchet.encode_state(made)


def largest(group: Group, session: Session) -> None:
    earlier = [chain(f"earlier {i}", 16, range(16)) for i in range(5)]
    full = with_chains(session, chain("current", 20, range(20)), earlier)
    group.valid("five chains, a hundred keys, 4,176 bytes", "Largest", state=full.hex())
    assert len(full) == 4176
    many = with_chains(session, chain("current", 21, range(21)), earlier)
    group.invalid("a hundred and one keys", "Field", state=many.hex())
    two = with_chains(session, chain("current", 60, range(60)), [chain("earlier", 41, range(41))])
    group.invalid("a hundred and one keys of two chains", "Field", state=two.hex())
    six = with_chains(
        session,
        chain("current", 20, range(20)),
        [*earlier[:-1], chain("e", 1, range(0)), chain("f", 1, range(0))],
    )
    group.invalid("six earlier chains", "Field", state=six.hex())
    for value in (1000, 1001):
        s = deepcopy(session)
        s.sending.ns = value
        t = deepcopy(session)
        t.sending.pn = value
        for name, made in (("Ns", s), ("PN", t)):
            result = "valid" if value == 1000 else "invalid"
            flag = "Largest" if value == 1000 else "Field"
            group.add(result, f"{name} = {value}", flag, state=ratchet.encode_state(made).hex())


def fields(group: Group, begun: Pair, answered: Pair) -> None:
    person, business = ratchet.encode_state(begun.person), ratchet.encode_state(answered.shop_session)
    deferred = ratchet.encode_state(begun.shop_session)

    def changed(name: str, data: bytes, offset: int, value: bytes) -> None:
        group.invalid(name, "Field", state=(data[:offset] + value + data[offset + len(value) :]).hex())

    for version in (0, 2):
        changed(f"version {version}", person, 0, bytes([version]))
    for role in (0, 3):
        changed(f"role {role}", person, 1, bytes([role]))
    for kind in (0, 3):
        changed(f"sending {kind}", business, SENDING, bytes([kind]))
    changed("has current 2", business, SENDING + 1 + 136 + 32, b"\2")
    changed("a business without a current chain", person, 1, b"\2")
    alone = deferred[: SENDING + 1 + 68 + 32] + b"\0" + bytes(4)
    for role in (1, 2):
        changed(f"deferred without a current chain, role {role}", alone, 1, bytes([role]))
    changed(
        "earlier chains without a current one", person[:-4] + u32(1) + rand("state lone") + bytes(8), 0, b"\1"
    )
    changed("DHr of zeros", deferred, SENDING + 1, bytes(32))
    high = bytearray(x25519_public(rand("state peer")))
    high[31] |= 0x80
    changed("DHr with the top bit set", deferred, SENDING + 1, bytes(high))
    changed("PN = 1001 of a chain yet to begin", deferred, SENDING + 1 + 64, u32(1001))
    session = answered.shop_session
    keys = chain("keys", 5, range(2, 4))
    group.valid("two awaited keys", "Normal", state=with_chains(session, keys, []).hex())
    early = replace(keys, length=3)
    group.invalid("a key at the chain's length", "Field", state=with_chains(session, early, []).hex())
    data = with_chains(session, keys, [])
    entry = 4 + 36 * 2
    first, second = data[-entry : -4 - 36], data[-4 - 36 : -4]
    group.invalid("numbers that fall", "Field", state=(data[:-entry] + second + first + data[-4:]).hex())
    group.invalid("a number twice", "Field", state=(data[:-entry] + first + first + data[-4:]).hex())


def lengths(group: Group, person: Session, business: Session) -> None:
    for name, session in (("person", person), ("business", business)):
        data = ratchet.encode_state(session)
        group.invalid(f"a {name}'s and one byte", "Length", state=(data + b"\0").hex())
        group.invalid(f"a {name}'s less one byte", "Length", state=data[:-1].hex())
        group.invalid(f"the beginning of a {name}'s", "Length", state=data[: len(data) // 2].hex())
    group.invalid("nothing", "Length", state="")
    huge = ratchet.encode_state(business)[:-4] + b"\xff" * 4
    group.invalid("2^32 - 1 earlier chains", "Length", state=huge.hex())
