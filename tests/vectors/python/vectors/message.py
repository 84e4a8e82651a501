"""message.json: messages of a running session, one step at a time (SPEC §8.2 to §8.4)."""

from copy import deepcopy

from plico import envelope, message, ratchet

from .format import Group, Note, VectorFile, flip, rand
from .world import OPEN, SEAL, Pair, draws, opened, sealed, unopened

NOTES = {
    "Normal": Note("BASIC", "An honest message."),
    "SizeClass": Note("BASIC", "An honest message of size class 1 or 2; padding.json has all."),
    "Modified": Note("AUTH_BYPASS", "One bit of an honest envelope was changed."),
    "Layout": Note("CONFORMANCE", "A length that no envelope has, or a part taken from another message."),
    "ChainFull": Note("CONFORMANCE", "A chain has 1,000 messages; the sender waits for the peer's next key."),
}


def build() -> VectorFile:
    file = VectorFile(
        "message",
        "Messages of a session",
        ["A state of SPEC §8.6, one step, and the state after it."],
        NOTES,
        [SEAL, OPEN],
    )
    pair = Pair.answered("message")
    shop, key = pair.shop, pair.shop.hint_key
    seals, opens = [], []
    for i, length in enumerate((5, 2048 - 209)):
        content = rand(f"message to inbox {i}", length)
        after, fields = sealed(pair.person, content, rand(f"message inbox {i}", 32 + 24 + 32), key)
        seals.append((f"person to inbox, size class {i + 1}", fields))
        _, fields = opened(pair.shop_session, bytes.fromhex(fields["envelope"]), shop.hint)
        opens.append((f"at the inbox, size class {i + 1}", fields))
    for i, length in enumerate((0, 2048 - 128)):
        content = rand(f"message to mailbox {i}", length) if length else b""
        _, fields = sealed(pair.shop_session, content, rand(f"message mailbox {i}", 24))
        seals.append((f"business to mailbox, size class {i + 1}", fields))
        _, fields = opened(pair.person, bytes.fromhex(fields["envelope"]))
        opens.append((f"at the mailbox, size class {i + 1}", fields))
    add_seals(file, pair, seals)
    group = file.group(OPEN)
    for comment, fields in opens:
        group.valid(comment, "SizeClass", **fields)
    roomy(group, pair)
    modified(group, pair)
    return file


def roomy(group: Group, pair: Pair) -> None:
    """A sender takes the smallest size class; a recipient takes what comes."""
    draw = draws("message roomy")
    _, mk, header = ratchet.next_to_send(pair.shop_session, draw)
    keys = message.message_keys(mk, header[:24])
    padded = message.pad(b"small", message.SIZES[2] - message.OVERHEAD[message.TO_MAILBOX])
    c2 = message.commitment(keys.k_f, 2, padded)
    sent = c2 + header + message.seal_padded(keys, pair.person.ad, header, c2, padded)
    group.valid("a larger size class than needed", "SizeClass", **opened(pair.person, sent)[1])


def add_seals(file: VectorFile, pair: Pair, seals: list[tuple[str, dict]]) -> None:
    group = file.group(SEAL)
    for comment, fields in seals:
        group.valid(comment, "SizeClass", **fields)
    shop = pair.shop_session
    after, fields = sealed(shop, b"second of its chain", rand("message second", 24))
    group.valid("the next number of a chain", "Normal", **fields)
    last = deepcopy(after)
    last.sending.ns = 999
    _, fields = sealed(last, b"", rand("message last", 24))
    group.valid("number 999", "ChainFull", **fields)
    last.sending.ns = 1000
    group.invalid(
        "number 1,000",
        "ChainFull",
        state=ratchet.encode_state(last).hex(),
        content="",
        random=rand("message full", 24).hex(),
        envelope="",
        stateAfter="",
    )


def modified(group: Group, pair: Pair) -> None:
    shop, person = pair.shop_session, pair.person
    shop_after, sent = envelope.send_to_mailbox(shop, b"to be changed", draws("message changed"))
    group.valid("the message that is changed next", "Normal", **opened(person, sent)[1])
    for offset in (0, 31, 32, 55, 56, 95, 96, 111, 112, 124, 2031, 2032, 2047):
        group.invalid(f"to the mailbox, byte {offset}", "Modified", **unopened(person, flip(sent, offset)))
    person_after, up = envelope.send_to_inbox(person, pair.shop.hint_key, b"up", draws("message up"))
    hint = pair.shop.hint
    group.valid("the message that is changed next", "Normal", **opened(shop, up, hint)[1])
    for offset in (0, 31, 32, 63, 64, 65, 96, 97, 112, 113, 137, 192, 193, 194, 2047):
        group.invalid(f"to the inbox, byte {offset}", "Modified", **unopened(shop, flip(up, offset), hint))
    _, next_sent = envelope.send_to_mailbox(shop_after, b"to be changed", draws("message next"))
    _, next_up = envelope.send_to_inbox(person_after, pair.shop.hint_key, b"up", draws("message next up"))
    spliced = {
        "C2": next_sent[:32] + sent[32:],
        "header": sent[:32] + next_sent[32:112] + sent[112:],
        "sealed": sent[:112] + next_sent[112:],
        "C2 and sealed": next_sent[:32] + sent[32:112] + next_sent[112:],
    }
    for name, mixed in spliced.items():
        group.invalid(f"{name} of the next message", "Layout", **unopened(person, mixed))
    mixed = next_up[:113] + up[113:]
    group.invalid("C2, enc and box0 of the next message", "Layout", **unopened(shop, mixed, hint))
    for bad in (b"", sent[:111], sent[:-1], sent + b"\0", sent.ljust(4096, b"\0"), sent.ljust(8192, b"\0")):
        group.invalid(f"{len(bad)} bytes", "Layout", **unopened(person, bad))
        if bad:
            group.invalid(
                f"{len(bad)} bytes at the inbox",
                "Layout",
                **unopened(shop, up.ljust(len(bad), b"\0")[: len(bad)], hint),
            )
    group.invalid("a mailbox's envelope at the inbox", "Layout", **unopened(shop, sent, hint))
    group.invalid("an inbox's envelope at the mailbox", "Layout", **unopened(person, up))
    foreign = Pair.answered("message other").shop_session
    group.invalid("of another session", "Layout", **unopened(foreign, up, hint))
