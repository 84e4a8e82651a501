"""A business and a person for the vectors of §8, and the kinds of group that several files share."""

from dataclasses import dataclass

from plico import envelope, ratchet
from plico.envelope import Draws
from plico.handshake import Bundle, Secrets
from plico.primitives import ed25519_public, mlkem_public, x25519_public
from plico.ratchet import Session
from plico.signed import KEM, ONE_TIME, SIGNED, encode_bundle, sign_prekey

from .format import Kind, hexadecimal, integer, obj, rand

SPK_ID, PQ_ID, OPK_ID = 7, 9, 21
NOT_AFTER = 500_000
"""Hour at which the prekeys of these vectors end (2027)."""

ENVELOPE_RANDOM = 32 + 32 + 32 + 24 + 32


@dataclass(frozen=True)
class Business:
    account_seed: bytes
    identity: bytes
    hint: bytes
    spk: bytes
    pq: bytes
    opk: bytes

    @property
    def account(self) -> bytes:
        return ed25519_public(self.account_seed)

    @property
    def hint_key(self) -> bytes:
        return x25519_public(self.hint)

    def bundle(self, one_time: bool) -> Bundle:
        return Bundle(
            self.account,
            x25519_public(self.identity),
            SPK_ID,
            x25519_public(self.spk),
            PQ_ID,
            mlkem_public(self.pq),
            OPK_ID if one_time else 0,
            x25519_public(self.opk) if one_time else None,
        )

    def secrets(self) -> Secrets:
        return Secrets(self.account, self.identity, {SPK_ID: self.spk}, {PQ_ID: self.pq}, {OPK_ID: self.opk})

    def signed_bundle(self, one_time: bool) -> bytes:
        """As it travels, §7."""
        b = self.bundle(True)
        signed = sign_prekey(self.account_seed, SIGNED, b.spk_id, NOT_AFTER, b.spk)
        kem = sign_prekey(self.account_seed, KEM, b.pq_id, NOT_AFTER, b.pq)
        single = sign_prekey(self.account_seed, ONE_TIME, b.opk_id, NOT_AFTER, b.opk)
        return encode_bundle(self.account, signed, kem, single if one_time else None)

    def json(self) -> dict:
        return {
            "accountSeed": self.account_seed.hex(),
            "account": self.account.hex(),
            "identityPrivate": self.identity.hex(),
            "hintPrivate": self.hint.hex(),
            "spkId": SPK_ID,
            "spkPrivate": self.spk.hex(),
            "pqId": PQ_ID,
            "pqSeed": self.pq.hex(),
            "opkId": OPK_ID,
            "opkPrivate": self.opk.hex(),
            "notAfter": NOT_AFTER,
            "bundle": self.signed_bundle(True).hex(),
            "bundleWithoutOneTime": self.signed_bundle(False).hex(),
        }

    @staticmethod
    def from_json(values: dict) -> "Business":
        names = ("accountSeed", "identityPrivate", "hintPrivate", "spkPrivate", "pqSeed", "opkPrivate")
        return Business(*(bytes.fromhex(values[n]) for n in names))


BUSINESS_SCHEMA = obj(
    "a business: the private halves of its keys",
    {
        "accountSeed": hexadecimal("Ed25519 seed (RFC 8032 §5.1.5) of the account key", 32),
        "account": hexadecimal("account key", 32),
        "identityPrivate": hexadecimal("private half of IKB", 32),
        "hintPrivate": hexadecimal("private half of the hint key", 32),
        "spkId": integer("id of SPKB"),
        "spkPrivate": hexadecimal("private half of SPKB", 32),
        "pqId": integer("id of PQPKB"),
        "pqSeed": hexadecimal("d || z of PQPKB (FIPS 203 §7.1)", 64),
        "opkId": integer("id of OPKB"),
        "opkPrivate": hexadecimal("private half of OPKB", 32),
        "notAfter": integer("hour at which the prekeys end"),
        "bundle": hexadecimal("bundle of §7, signed"),
        "bundleWithoutOneTime": hexadecimal("the same without a one-time key"),
    },
)


def business(name: str) -> Business:
    keys = (rand(f"{name} {k}") for k in ("account", "identity", "hint", "spk"))
    return Business(*keys, rand(f"{name} pq", 64), rand(f"{name} opk"))


def draws(name: str) -> Draws:
    return Draws(rand(name, ENVELOPE_RANDOM))


@dataclass
class Pair:
    """Both ends of a session, and what they need to write to each other."""

    shop: Business
    person: Session
    shop_session: Session

    @staticmethod
    def begun(name: str) -> "Pair":
        """After the first message, which was read."""
        shop = business(f"{name} business")
        person, sent, _, _ = envelope.send_first(
            rand(f"{name} ika"), shop.bundle(True), shop.hint_key, b"first", draws(f"{name} first")
        )
        session, _, _, _ = envelope.receive_first(sent, shop.secrets(), shop.hint)
        return Pair(shop, person, session)

    @staticmethod
    def answered(name: str) -> "Pair":
        """After one answer as well: both ends have a receiving chain."""
        pair = Pair.begun(name)
        pair.shop_session, sent = envelope.send_to_mailbox(
            pair.shop_session, b"answer", draws(f"{name} answer")
        )
        pair.person, _ = envelope.receive_at_mailbox(pair.person, sent)
        return pair


def check_seal(_group: dict, test: dict) -> None:
    """The sender's step, from nothing but the vector."""
    session = ratchet.decode_state(bytes.fromhex(test["state"]))
    content, draw = bytes.fromhex(test["content"]), Draws(bytes.fromhex(test["random"]))
    if session.role == ratchet.PERSON:
        after, sent = envelope.send_to_inbox(session, bytes.fromhex(test["hintKey"]), content, draw)
    else:
        after, sent = envelope.send_to_mailbox(session, content, draw)
    assert draw.used == len(draw.data), "random bytes left"
    assert sent.hex() == test["envelope"]
    assert ratchet.encode_state(after).hex() == test["stateAfter"]


def check_open(_group: dict, test: dict) -> None:
    """The recipient's step, from nothing but the vector."""
    session = ratchet.decode_state(bytes.fromhex(test["state"]))
    sent = bytes.fromhex(test["envelope"])
    if session.role == ratchet.PERSON:
        after, opened = envelope.receive_at_mailbox(session, sent)
    else:
        hint = bytes.fromhex(test["hintPrivate"])
        after, opened = envelope.receive_at_inbox(session, sent, hint)
    assert opened.content.hex() == test["content"]
    assert opened.k_f.hex() == test["kF"]
    assert ratchet.encode_state(after).hex() == test["stateAfter"]


SEAL = Kind(
    "Seal",
    "one message of a running session, sent: §8.2 to §8.4. Person to inbox, business to mailbox; "
    "invalid: it must not be sent",
    {},
    {
        "state": hexadecimal("the sender's state, §8.6"),
        "hintKey": hexadecimal("the inbox's hint key; only from a person"),
        "content": hexadecimal("content"),
        "random": hexadecimal("what is drawn, in the order of §8.4"),
        "envelope": hexadecimal("the envelope; empty if invalid"),
        "stateAfter": hexadecimal("the sender's state after it; empty if invalid"),
    },
    check_seal,
    ("hintKey",),
)

OPEN = Kind(
    "Open",
    "one message of a running session, received: §8.2 to §8.4. Invalid: nothing is released and the "
    "state stays; a duplicate is invalid too",
    {},
    {
        "state": hexadecimal("the recipient's state, §8.6"),
        "hintPrivate": hexadecimal("private half of the hint key; only at a business"),
        "envelope": hexadecimal("the envelope"),
        "content": hexadecimal("what it releases; empty if invalid"),
        "kF": hexadecimal("k_f, which opens C2; empty if invalid"),
        "stateAfter": hexadecimal("the recipient's state after it; empty if invalid"),
    },
    check_open,
    ("hintPrivate",),
)


def sealed(
    session: Session, content: bytes, random: bytes, hint_key: bytes | None = None
) -> tuple[Session, dict]:
    """The fields of a valid test of `SEAL`, and the state after it."""
    if hint_key is not None:
        after, sent = envelope.send_to_inbox(session, hint_key, content, Draws(random))
    else:
        after, sent = envelope.send_to_mailbox(session, content, Draws(random))
    fields = {
        "state": ratchet.encode_state(session).hex(),
        "content": content.hex(),
        "random": random.hex(),
        "envelope": sent.hex(),
        "stateAfter": ratchet.encode_state(after).hex(),
    }
    return after, {**fields, "hintKey": hint_key.hex()} if hint_key else fields


def opened(session: Session, sent: bytes, hint_private: bytes | None = None) -> tuple[Session, dict]:
    """The fields of a valid test of `OPEN`, and the state after it."""
    if hint_private is not None:
        after, result = envelope.receive_at_inbox(session, sent, hint_private)
    else:
        after, result = envelope.receive_at_mailbox(session, sent)
    return after, {
        **unopened(session, sent, hint_private),
        "content": result.content.hex(),
        "kF": result.k_f.hex(),
        "stateAfter": ratchet.encode_state(after).hex(),
    }


def unopened(session: Session, sent: bytes, hint_private: bytes | None = None) -> dict:
    """The fields of an invalid test of `OPEN`."""
    hint = {"hintPrivate": hint_private.hex()} if hint_private else {}
    return {
        "state": ratchet.encode_state(session).hex(),
        **hint,
        "envelope": sent.hex(),
        "content": "",
        "kF": "",
        "stateAfter": "",
    }
