"""handshake.json: a first message from both sides, and every way in which one must be refused."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from plico import curve, envelope, message, ratchet
from plico.envelope import Parts
from plico.handshake import Bundle, Handshake, derive, transcript
from plico.primitives import mlkem_encapsulate, x25519_public, x25519_raw
from plico.wire import u8

from .format import Kind, Note, VectorFile, flip, hexadecimal, integer, rand
from .world import BUSINESS_SCHEMA, ENVELOPE_RANDOM, OPK_ID, Business, Draws, business

SIZE = message.SIZES[1]
PADDED = SIZE - message.OVERHEAD[message.FIRST]


def check_both(group: dict, test: dict) -> None:
    """Both roles of a valid handshake."""
    shop = Business.from_json(group["business"])
    bundle = shop.bundle(test["opkId"] != 0)
    draw = Draws(bytes.fromhex(test["random"]))
    ika = bytes.fromhex(test["identityPrivate"])
    content = bytes.fromhex(test["content"])
    person, sent, handshake, keys = envelope.send_first(ika, bundle, shop.hint_key, content, draw)
    for name, value in steps(handshake, keys).items():
        assert test[name] == value, name
    assert sent.hex() == test["envelope"]
    assert ratchet.encode_state(person).hex() == test["personState"]
    session, opened, _, theirs = envelope.receive_first(sent, shop.secrets(), shop.hint)
    assert theirs == keys and opened.content == content
    assert ratchet.encode_state(session).hex() == test["businessState"]


def steps(handshake: Handshake, keys) -> dict[str, str]:
    """The values on the way, by their names in §8.1."""
    return {
        "handshake": handshake.encode().hex(),
        "replayId": handshake.replay_id().hex(),
        "th": keys.th.hex(),
        "ikm": keys.ikm.hex(),
        "sk": keys.sk.hex(),
        "hka": keys.hka.hex(),
        "nhkb": keys.nhkb.hex(),
        "sid": keys.sid.hex(),
        "ad": keys.ad.hex(),
    }


def check_first(group: dict, test: dict) -> None:
    """The business opens a first message."""
    shop = Business.from_json(group["business"])
    sent = bytes.fromhex(test["envelope"])
    session, opened, _, _ = envelope.receive_first(sent, shop.secrets(), shop.hint)
    assert opened.content.hex() == test["content"]
    assert ratchet.encode_state(session).hex() == test["stateAfter"]


BOTH = Kind(
    "Handshake",
    "§8.1 from both ends, with the first message",
    {"business": BUSINESS_SCHEMA},
    {
        "opkId": integer("id of the one-time key used, 0 for none"),
        "identityPrivate": hexadecimal("private half of IKA", 32),
        "random": hexadecimal("EKA, m, ratchet key, header nonce, ikm: §8.4", ENVELOPE_RANDOM),
        "content": hexadecimal("content"),
        "handshake": hexadecimal("plaintext of box1", 1167),
        "replayId": hexadecimal("replay id", 32),
        "th": hexadecimal("transcript hash", 32),
        "ikm": hexadecimal("IKM"),
        "sk": hexadecimal("SK", 32),
        "hka": hexadecimal("HKA", 32),
        "nhkb": hexadecimal("NHKB", 32),
        "sid": hexadecimal("SID", 32),
        "ad": hexadecimal("AD", 32),
        "envelope": hexadecimal("the envelope, §8.3"),
        "personState": hexadecimal("the person's state once it was made, §8.6"),
        "businessState": hexadecimal("the business's state once it was opened, §8.6"),
    },
    check_both,
)

FIRST = Kind(
    "FirstMessage",
    "the business opens a first message: valid, or refused without a trace",
    {"business": BUSINESS_SCHEMA},
    {
        "envelope": hexadecimal("what came to the inbox"),
        "content": hexadecimal("what it releases; empty if invalid"),
        "stateAfter": hexadecimal("state of the session it begins, §8.6; empty if invalid"),
    },
    check_first,
)

NOTES = {
    "Normal": Note("BASIC", "An honest handshake."),
    "Resealed": Note(
        "AUTH_BYPASS",
        "Someone who saw nothing but the hint key put another handshake around a message. box0 and box1 "
        "verify; the handshake gives other keys.",
    ),
    "KeyCheck": Note(
        "KEY_CHECK",
        "A sender who computed everything with a key that must be refused. Only the check of the key "
        "stops it.",
    ),
    "Numbers": Note("CONFORMANCE", "A sender who is consistent but does not begin at number 0."),
    "Layout": Note("CONFORMANCE", "A hint, a kind or a length that the layout does not have."),
    "Modified": Note("AUTH_BYPASS", "One bit of an honest envelope was changed."),
    "Padding": Note("PADDING", "A sender who is consistent but pads otherwise."),
    "Commitment": Note("COMMITMENT", "The AEAD verifies and C2 does not open the content."),
}


@dataclass(frozen=True)
class Sender:
    """Makes first messages, honest ones or ones that break exactly one rule."""

    shop: Business
    ika: bytes
    eka: bytes
    random: Callable[[str, int], bytes]
    one_time: bool = True
    ika_public: bytes | None = None
    eka_public: bytes | None = None
    ratchet_public: bytes | None = None
    suite: int = 1
    pn: int = 0
    n: int = 0
    kind: int = envelope.KIND_FIRST
    name: bytes = bytes(32)
    edit: Callable[[Handshake], Handshake] = lambda h: h
    pad: Callable[[bytes], bytes] = lambda content: message.pad(content, PADDED)
    commit: Callable[[bytes, bytes], bytes] = lambda k_f, padded: message.commitment(k_f, 1, padded)
    hint_account: bytes | None = None
    hint_key: bytes | None = None

    def envelope(self, content: bytes = b"hello") -> bytes:
        bundle: Bundle = self.shop.bundle(self.one_time)
        ss, ct = mlkem_encapsulate(bundle.pq, self.random("m", 32))
        ids = (bundle.spk_id, bundle.opk_id, bundle.pq_id)
        handshake = Handshake(
            self.ika_public or x25519_public(self.ika),
            self.eka_public or x25519_public(self.eka),
            *ids,
            ct,
            self.suite,
        )
        pairs = [(self.ika, bundle.spk), (self.eka, bundle.identity), (self.eka, bundle.spk)]
        pairs += [(self.eka, bundle.opk)] if bundle.opk else []
        # A small-order key gives zero at the other end, whatever this end's private key is.
        zero = {self.ika: self.ika_public == bytes(32), self.eka: self.eka_public == bytes(32)}
        dhs = [bytes(32) if zero[own] else x25519_raw(own, peer) for own, peer in pairs]
        return self.finish(handshake, derive(transcript(handshake, bundle), dhs, ss), content)

    def finish(self, handshake: Handshake, keys, content: bytes) -> bytes:
        private = self.random("ratchet", 32)
        public = self.ratchet_public or x25519_public(private)
        spk = x25519_public(self.shop.spk)
        shared = bytes(32) if public == bytes(32) else x25519_raw(private, spk)
        _, ck, _ = ratchet.kdf_rk_he(keys.sk, shared)
        for _ in range(self.n + 1):
            ck, mk = ratchet.kdf_ck(ck)
        header = ratchet.Header(public, self.pn, self.n).encode()
        header = ratchet.seal_header(keys.hka, self.random("nonce", 24), keys.ad, header)
        padded, own = self.pad(content), message.message_keys(mk, header[:24])
        c2 = self.commit(own.k_f, padded)
        sealed = message.seal_padded(own, keys.ad, header, c2, padded)
        return envelope.to_inbox(
            Parts(c2, header, sealed, 1),
            self.hint_account or self.shop.account,
            self.hint_key or self.shop.hint_key,
            u8(self.kind) + self.name,
            self.edit(handshake).encode(),
            self.random("ikm", 32),
        )


def build() -> VectorFile:
    file = VectorFile(
        "handshake",
        "PQXDH of Plico",
        [
            "Groups of type Handshake give every step of both roles.",
            "Groups of type FirstMessage give what a business takes and refuses.",
        ],
        NOTES,
        [BOTH, FIRST],
    )
    shop = business("handshake business")
    honest(file, shop)
    first = file.group(FIRST, business=shop.json())
    sender = Sender(
        shop, rand("handshake ika"), rand("handshake eka"), lambda n, c: rand(f"handshake {n}", c)
    )
    accepted = Adding(first, shop)
    for name, one_time in (("with a one-time key", True), ("without a one-time key", False)):
        accepted.valid(name, "Normal", replace(sender, one_time=one_time).envelope())
    accepted.valid("empty content", "Normal", sender.envelope(b""))
    resealed(accepted, sender)
    key_checks(accepted, sender)
    layouts(accepted, sender)
    modified(accepted, sender.envelope())
    contents(accepted, sender)
    return file


def honest(file: VectorFile, shop: Business) -> None:
    group = file.group(BOTH, business=shop.json())
    for i, one_time in enumerate((True, False, True)):
        ika, random = rand(f"handshake {i} ika"), rand(f"handshake {i} random", ENVELOPE_RANDOM)
        content = (b"", b"Bonjour", rand("handshake content", 656))[i]
        person, sent, handshake, keys = envelope.send_first(
            ika, shop.bundle(one_time), shop.hint_key, content, Draws(random)
        )
        session, _, _, _ = envelope.receive_first(sent, shop.secrets(), shop.hint)
        group.valid(
            ("with a one-time key", "without a one-time key", "the next size class")[i],
            "Normal",
            opkId=OPK_ID if one_time else 0,
            identityPrivate=ika.hex(),
            random=random.hex(),
            content=content.hex(),
            **steps(handshake, keys),
            envelope=sent.hex(),
            personState=ratchet.encode_state(person).hex(),
            businessState=ratchet.encode_state(session).hex(),
        )


@dataclass(frozen=True)
class Adding:
    """Adds tests of `FIRST`."""

    group: object
    shop: Business

    def valid(self, comment: str, flag: str, sent: bytes) -> None:
        session, opened, _, _ = envelope.receive_first(sent, self.shop.secrets(), self.shop.hint)
        state = ratchet.encode_state(session).hex()
        self.group.valid(comment, flag, envelope=sent.hex(), content=opened.content.hex(), stateAfter=state)

    def invalid(self, comment: str, flag: str, sent: bytes) -> None:
        self.group.invalid(comment, flag, envelope=sent.hex(), content="", stateAfter="")


def resealed(add: Adding, sender: Sender) -> None:
    other = x25519_public(rand("handshake other key"))
    edits = {
        "another IKA": lambda h: replace(h, ika=other),
        "another EKA": lambda h: replace(h, eka=other),
        "IKA and EKA exchanged": lambda h: replace(h, ika=h.eka, eka=h.ika),
        "an unknown signed prekey": lambda h: replace(h, spk_id=h.spk_id + 1),
        "an unknown ML-KEM prekey": lambda h: replace(h, pq_id=h.pq_id + 1),
        "an unknown one-time key": lambda h: replace(h, opk_id=h.opk_id + 1),
        "the one-time key left out": lambda h: replace(h, opk_id=0),
        "has_opk 0 with an id": lambda h: replace(h, has_opk=0),
        "has_opk 1 without an id": lambda h: replace(h, opk_id=0, has_opk=1),
        "has_opk 2": lambda h: replace(h, has_opk=2),
        "suite 0": lambda h: replace(h, suite=0),
        "suite 2": lambda h: replace(h, suite=2),
        "the first bit of ct changed": lambda h: replace(h, ct=flip(h.ct, 0)),
        "the last bit of ct changed": lambda h: replace(h, ct=flip(h.ct, 1087, 0x80)),
    }
    for name, edit in edits.items():
        add.invalid(name, "Resealed", replace(sender, edit=edit).envelope())
    unused = replace(sender, one_time=False, edit=lambda h: replace(h, opk_id=OPK_ID))
    add.invalid("a one-time key that the sender did not use", "Resealed", unused.envelope())
    add.invalid("suite 2, and a transcript that says so", "KeyCheck", replace(sender, suite=2).envelope())


def key_checks(add: Adding, sender: Sender) -> None:
    """Aliases give the honest key's DH, so these messages verify unless keys are checked."""
    fields = {
        "IKA": ("ika_public", x25519_public(sender.ika)),
        "EKA": ("eka_public", x25519_public(sender.eka)),
        "the ratchet key": ("ratchet_public", x25519_public(sender.random("ratchet", 32))),
    }
    for name, (field, key) in fields.items():
        high = (int.from_bytes(key, "little") | 1 << 255).to_bytes(32, "little")
        aliases = {"with the top bit set": high, "of small order": bytes(32)}
        for t, order in ((4, 2), (2, 4), (1, 8)):
            alias = curve.add(curve.from_montgomery(key), curve.TORSION[t])
            aliases[f"plus a point of order {order}"] = curve.to_montgomery(alias)
        for what, alias in aliases.items():
            add.invalid(f"{name} {what}", "KeyCheck", replace(sender, **{field: alias}).envelope())
    for n, pn in ((1, 0), (0, 1), (1000, 0)):
        add.invalid(f"n = {n}, pn = {pn}", "Numbers", replace(sender, n=n, pn=pn).envelope())


def layouts(add: Adding, sender: Sender) -> None:
    changes = {
        "kind 0": {"kind": 0},
        "kind 3": {"kind": 3},
        "kind 1 with no session's name": {"kind": 1},
        "kind 2 with a name": {"name": bytes(31) + b"\1"},
        "a hint for another account": {"hint_account": business("handshake other").account},
        "a hint for another hint key": {"hint_key": business("handshake other").hint_key},
    }
    for name, change in changes.items():
        add.invalid(name, "Layout", replace(sender, **change).envelope())
    sent = sender.envelope()
    for length in (0, 31, 1391, SIZE - 1):
        add.invalid(f"{length} bytes", "Layout", sent[:length])
    add.invalid("one byte more", "Layout", sent + b"\0")
    add.invalid("as long as the next size class", "Layout", sent.ljust(message.SIZES[2], b"\0"))


def modified(add: Adding, sent: bytes) -> None:
    parts = {
        "C2": (0, 31),
        "enc": (32, 63),
        "box0": (64, 96, 97, 112),
        "box1": (113, 1279, 1280, 1295),
        "the encrypted header": (1296, 1319, 1320, 1359, 1360, 1375),
        "sealed": (1376, SIZE - 17, SIZE - 16, SIZE - 1),
    }
    for name, offsets in parts.items():
        for offset in offsets:
            # Not the top bit of enc: X25519 ignores it, but the key schedule covers it.
            add.invalid(f"{name}, byte {offset}", "Modified", flip(sent, offset))
    add.invalid("the top bit of enc", "Modified", flip(sent, 63, 0x80))


def contents(add: Adding, sender: Sender) -> None:
    full = b"x" * (PADDED - 1)
    add.valid("content that leaves one byte of padding", "Padding", sender.envelope(full))
    add.valid("content that ends like padding", "Padding", sender.envelope(b"x\x80\0\0"))
    pads = {
        "no 0x80: content to the last byte": lambda c: b"x" * PADDED,
        "no 0x80: zeros alone": lambda c: bytes(PADDED),
        "0x81 in place of 0x80": lambda c: (c + b"\x81").ljust(PADDED, b"\0"),
        "a byte after the zeros": lambda c: message.pad(c, PADDED - 1) + b"\1",
        "0x80 everywhere but at the end": lambda c: b"\x80" * (PADDED - 1) + b"\x01",
    }
    for name, pad in pads.items():
        add.invalid(name, "Padding", replace(sender, pad=pad).envelope())
    commits = {
        "C2 under another key": lambda k, p: message.commitment(flip(k, 0), 1, p),
        "C2 of another size class": lambda k, p: message.commitment(k, 2, p),
        "C2 of other content": lambda k, p: message.commitment(k, 1, flip(p, 0)),
        "C2 of the content without padding": lambda k, p: message.commitment(k, 1, message.unpad(p)),
        "C2 with its last byte changed": lambda k, p: flip(message.commitment(k, 1, p), 31),
        "C2 of zeros": lambda k, p: bytes(32),
    }
    for name, commit in commits.items():
        add.invalid(name, "Commitment", replace(sender, commit=commit).envelope())
