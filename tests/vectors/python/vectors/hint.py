"""hint.json: the boxes before a message to an inbox, without the message (SPEC §8.3)."""

from plico import envelope, hpke
from plico.handshake import Handshake
from plico.primitives import x25519_public, x25519_raw
from plico.wire import u8

from .format import Kind, Note, VectorFile, flip, hexadecimal, integer, rand


def check(group: dict, test: dict) -> None:
    """`SetupBaseR`, box0 and, of a first message, box1."""
    account, private = bytes.fromhex(group["account"]), bytes.fromhex(group["hintPrivate"])
    letter = envelope.open_hint(bytes.fromhex(test["envelope"]), account, private)
    if test["kind"] == envelope.KIND_SESSION:
        assert letter.sid.hex() == test["plaintext"]
    else:
        assert letter.handshake.encode().hex() == test["plaintext"]


KIND = Kind(
    "Hint",
    "a business looks at an envelope: which session, or which handshake. The message behind it is noise",
    {
        "account": hexadecimal("account key: part of the HPKE info", 32),
        "hintPrivate": hexadecimal("private half of the hint key", 32),
        "hintKey": hexadecimal("hint key", 32),
    },
    {
        "ikm": hexadecimal("ikm of HPKE's DeriveKeyPair", 32),
        "hpkeKey": hexadecimal("`key` of RFC 9180 §5.1", 32),
        "hpkeBaseNonce": hexadecimal("`base_nonce` of RFC 9180 §5.1", 12),
        "kind": integer("kind in box0"),
        "plaintext": hexadecimal("SID of kind 1, the handshake of kind 2"),
        "envelope": hexadecimal("the envelope"),
    },
    check,
)

NOTES = {
    "Normal": Note("BASIC", "An honest hint."),
    "Content": Note("CONFORMANCE", "Sealed properly, with a plaintext that must be refused."),
    "Modified": Note("AUTH_BYPASS", "One bit was changed; C2 is authenticated with each box."),
    "OtherKey": Note("AUTH_BYPASS", "Sealed for another account or hint key."),
    "Zero": Note("KEY_CHECK", "enc is a point of small order: RFC 9180 §7.1.4."),
    "Sequence": Note("CONFORMANCE", "box1 sealed under another sequence number than 1."),
}

SHAKE = Handshake(
    x25519_public(rand("hint ika")), x25519_public(rand("hint eka")), 1, 2, 3, rand("hint ct", 1088)
)


def seal(
    account: bytes, key: bytes, name: str, kind: int, head: bytes, box1: bytes | None, gap: int = 0
) -> dict:
    """The fields of a test; `gap` sequence numbers are left out before box1."""
    ikm, c2 = rand(f"hint {name} ikm"), rand(f"hint {name} c2")
    enc, context = hpke.setup_sender(key, envelope.hint(account), ikm)
    sent = c2 + enc + context.seal(c2, u8(kind) + head)
    if box1 is not None:
        context.sequence += gap
        sent += context.seal(c2, box1)
    sent += rand(f"hint {name} noise", 2048 - len(sent))
    return {
        "ikm": ikm.hex(),
        "hpkeKey": context.key.hex(),
        "hpkeBaseNonce": context.base_nonce.hex(),
        "kind": kind,
        "plaintext": (head if box1 is None else box1).hex(),
        "envelope": sent.hex(),
    }


def build() -> VectorFile:
    file = VectorFile("hint", "Routing hint", ["HPKE to the hint key: box0 and box1."], NOTES, [KIND])
    account, private = rand("hint account"), rand("hint private")
    key, sid, shake = x25519_public(private), rand("hint sid"), SHAKE.encode()
    group = file.group(KIND, account=account.hex(), hintPrivate=private.hex(), hintKey=key.hex())
    session = seal(account, key, "session", 1, sid, None)
    first = seal(account, key, "first", 2, bytes(32), shake)
    group.valid("a session's", "Normal", **session)
    group.valid("a first message's", "Normal", **first)
    no_opk = Handshake(SHAKE.ika, SHAKE.eka, 1, 0, 3, SHAKE.ct).encode()
    group.valid("without a one-time key", "Normal", **seal(account, key, "no opk", 2, bytes(32), no_opk))
    group.valid("a session named zero", "Normal", **seal(account, key, "zero", 1, bytes(32), None))
    contents(group, account, key, sid, shake)
    for offset in (0, 31, 32, 62, 64, 65, 96, 97, 112):
        group.invalid(f"a session's, byte {offset}", "Modified", **changed(session, offset))
    for offset in (0, 31, 32, 63, 64, 112, 113, 114, 1279, 1280, 1295):
        group.invalid(f"a first message's, byte {offset}", "Modified", **changed(first, offset))
    group.invalid("the top bit of enc", "Modified", **changed(first, 63, 0x80))
    group.invalid("another account", "OtherKey", **seal(rand("hint other"), key, "other", 1, sid, None))
    other_key = x25519_public(rand("hint other key"))
    group.invalid("another hint key", "OtherKey", **seal(account, other_key, "key", 1, sid, None))
    for gap in (1, 2):
        name = f"sequence number {1 + gap} for box1"
        group.invalid(name, "Sequence", **seal(account, key, name, 2, bytes(32), shake, gap))
    group.invalid("enc of zeros, sealed with the zero secret", "Zero", **zero(account, key, sid))
    return file


def changed(fields: dict, offset: int, mask: int = 1) -> dict:
    return {**fields, "envelope": flip(bytes.fromhex(fields["envelope"]), offset, mask).hex()}


def contents(group, account: bytes, key: bytes, sid: bytes, shake: bytes) -> None:
    def refuse(comment: str, kind: int, head: bytes, box1: bytes | None = None) -> None:
        group.invalid(comment, "Content", **seal(account, key, comment, kind, head, box1))

    for kind in (0, 3, 255):
        refuse(f"kind {kind}", kind, sid)
    refuse("kind 2 with a session's name", 2, sid, shake)
    refuse("kind 2 with a last byte that is not zero", 2, bytes(31) + b"\1", shake)
    refuse("kind 2 without box1", 2, bytes(32))
    for name, offset, value in (
        ("suite 0", 0, "0000"),
        ("suite 2", 0, "0002"),
        ("suite 256", 0, "0100"),
        ("has_opk 2", 2, "02"),
        ("has_opk 0 with an id", 2, "00"),
        ("has_opk 1 without an id", 71, "00000000"),
    ):
        data = bytes.fromhex(value)
        refuse(name, 2, bytes(32), shake[:offset] + data + shake[offset + len(data) :])


def zero(account: bytes, key: bytes, sid: bytes) -> dict:
    """What a sender makes who has no private key at all: everyone knows the zero secret."""
    enc = bytes(32)
    assert x25519_raw(rand("hint private"), enc) == bytes(32)
    prk = hpke.labeled_extract(hpke.KEM, b"", b"eae_prk", bytes(32))
    secret = hpke.labeled_expand(hpke.KEM, prk, b"shared_secret", enc + key, 32)
    context = hpke.Context(secret, envelope.hint(account))
    c2 = rand("hint zero c2")
    sent = c2 + enc + context.seal(c2, u8(1) + sid)
    sent += rand("hint zero noise", 2048 - len(sent))
    return {
        "ikm": bytes(32).hex(),
        "hpkeKey": context.key.hex(),
        "hpkeBaseNonce": context.base_nonce.hex(),
        "kind": 1,
        "plaintext": sid.hex(),
        "envelope": sent.hex(),
    }
