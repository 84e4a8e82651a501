"""header.json: encrypted headers, and the numbers in them (SPEC §8.2)."""

from copy import deepcopy
from dataclasses import replace

from plico import curve, envelope, message, ratchet
from plico.primitives import x25519_public
from plico.ratchet import Session

from .format import Group, Note, VectorFile, flip, rand
from .world import OPEN, Pair, draws, opened, unopened

NOTES = {
    "Order": Note("BASIC", "Header keys of earlier chains from the oldest, then HKr, then NHKr."),
    "Skip": Note(
        "CONFORMANCE", "Numbers at and past the bound; the sender is consistent, only the bound stops it."
    ),
    "Duplicate": Note("REPLAY", "A number that was counted and whose key is gone."),
    "KeyCheck": Note("KEY_CHECK", "A ratchet key that must be refused, from a consistent sender."),
    "WrongKey": Note("AUTH_BYPASS", "A header under another key, for another session, or changed."),
    "BeforeAnswer": Note("CONFORMANCE", "A new chain before this party sent under its own next key."),
}


class Peer:
    """A business that can put any numbers into a header, and stays consistent with them."""

    def __init__(self, session: Session, name: str):
        assert isinstance(session.sending, ratchet.Sending)
        self.chain, self.ad, self.name = session.sending, session.ad, name

    def envelope(self, n: int, pn: int, **changed) -> bytes:
        """The message that stands at `n`, however far this peer has sent."""
        public = changed.get("public") or x25519_public(self.chain.private)
        ck, mk = self.chain.ck, bytes(32)
        for _ in range(min(n, 1100) - self.chain.ns + 1):
            ck, mk = ratchet.kdf_ck(ck)
        header = ratchet.Header(public, pn, n).encode()
        nonce = rand(f"{self.name} nonce {n} {pn} {sorted(changed)}", 24)
        sealed_header = ratchet.seal_header(
            changed.get("hk", self.chain.hk), nonce, changed.get("ad", self.ad), header
        )
        parts = envelope.seal_content(mk, self.ad, sealed_header, b"at its number", message.TO_MAILBOX)
        return envelope.to_mailbox(parts)


def build() -> VectorFile:
    file = VectorFile(
        "header",
        "Encrypted headers and the numbers in them",
        ["A person receives from a business that may name any number. SPEC §8.2."],
        NOTES,
        [OPEN],
    )
    group = file.group(OPEN)
    pair = Pair.answered("header")
    on_current(group, pair)
    on_next(group, pair)
    return file


def on_current(group: Group, pair: Pair) -> None:
    """Under HKr. The person counted one message, number 0."""
    person, peer = pair.person, Peer(pair.shop_session, "header current")
    for n, flag in ((1, "Order"), (2, "Order"), (999, "Skip"), (1001, "Skip")):
        group.valid(f"HKr, n = {n}, Nr = 1", flag, **opened(person, peer.envelope(n, 0))[1])
    for n in (1002, 2**31, 2**32 - 1):
        group.invalid(f"HKr, n = {n}, Nr = 1", "Skip", **unopened(person, peer.envelope(n, 0)))
    # The keys of numbers below Ns are gone, so that any will do.
    peer.chain = replace(peer.chain, ns=0)
    group.invalid("HKr, n = 0, counted", "Duplicate", **unopened(person, peer.envelope(0, 0)))
    peer = Peer(pair.shop_session, "header gap")
    gap, _ = opened(person, peer.envelope(3, 0))
    group.valid("HKr, a stored key", "Order", **opened(gap, peer.envelope(2, 0))[1])
    used, _ = opened(gap, peer.envelope(2, 0))
    group.invalid("HKr, a stored key that was used", "Duplicate", **unopened(used, peer.envelope(2, 0)))
    wrong = {
        "another header key": {"hk": rand("header wrong key")},
        "zero for a header key": {"hk": bytes(32)},
        "another AD": {"ad": rand("header wrong ad")},
    }
    for name, change in wrong.items():
        group.invalid(name, "WrongKey", **unopened(person, peer.envelope(1, 0, **change)))
    unused(group, person, peer)
    sent = peer.envelope(1, 0)
    for offset in (32, 55, 56, 87, 88, 91, 92, 95, 96, 111):
        group.invalid(
            f"byte {offset - 32} of the encrypted header", "WrongKey", **unopened(person, flip(sent, offset))
        )


def on_next(group: Group, pair: Pair) -> None:
    """Under NHKr, once the person has sent and the business answers with a new chain."""
    early = deepcopy(pair.shop_session)
    person, up = envelope.send_to_inbox(pair.person, pair.shop.hint_key, b"up", draws("header up"))
    shop, _ = envelope.receive_at_inbox(pair.shop_session, up, pair.shop.hint)
    shop, first = envelope.send_to_mailbox(shop, b"new chain", draws("header down"))
    group.invalid("NHKr before this party sent", "BeforeAnswer", **unopened(pair.person, first))
    new = Session(**{**shop.__dict__, "sending": start_of(shop, first, person)})
    peer = Peer(new, "header next")
    for n, pn, flag in (
        (0, 1, "Order"),
        (1, 1, "Order"),
        (0, 3, "Order"),
        (0, 0, "Order"),
        (1000, 1, "Skip"),
        (0, 1001, "Skip"),
    ):
        group.valid(f"NHKr, n = {n}, pn = {pn}, Nr = 1", flag, **opened(person, peer.envelope(n, pn))[1])
    for n, pn in ((1001, 1), (2**32 - 1, 1), (0, 1002), (0, 2**32 - 1), (1001, 1002)):
        group.invalid(f"NHKr, n = {n}, pn = {pn}, Nr = 1", "Skip", **unopened(person, peer.envelope(n, pn)))
    for name, alias in aliases(x25519_public(new.sending.private)).items():
        group.invalid(
            f"NHKr, a ratchet key {name}", "KeyCheck", **unopened(person, peer.envelope(0, 1, public=alias))
        )
    earlier(group, pair, person, peer, early)


def aliases(key: bytes) -> dict[str, bytes]:
    """Other names for a key, which give the same DH."""
    return {
        "with the top bit set": (int.from_bytes(key, "little") | 1 << 255).to_bytes(32, "little"),
        "with torsion": curve.to_montgomery(curve.add(curve.from_montgomery(key), curve.TORSION[1])),
    }


def unused(group: Group, person: Session, peer: Peer) -> None:
    """Under HKr the ratchet key and pn say nothing new: only the key's form is checked."""
    for name, alias in aliases(x25519_public(peer.chain.private)).items():
        group.invalid(
            f"HKr, a ratchet key {name}", "KeyCheck", **unopened(person, peer.envelope(1, 0, public=alias))
        )
    other = x25519_public(rand("header other ratchet key"))
    sent = peer.envelope(1, 77, public=other)
    group.valid("HKr, another ratchet key and pn", "Order", **opened(person, sent)[1])
    sent = peer.envelope(1, 2**32 - 1)
    group.valid("HKr, pn past the bound", "Order", **opened(person, sent)[1])


def start_of(shop: Session, first: bytes, person: Session) -> ratchet.Sending:
    """The business's new chain before its first message, from what the person derives of it."""
    after, mk = ratchet.received(person, first[32:112])
    root = ratchet.kdf_rk_he(
        person.rk, ratchet.dh(person.sending.private, x25519_public(shop.sending.private))
    )
    chain = replace(shop.sending, ck=root[1], ns=0)
    assert ratchet.kdf_ck(chain.ck)[1] == mk and after.ck == ratchet.kdf_ck(chain.ck)[0]
    return chain


def earlier(group: Group, pair: Pair, person: Session, peer: Peer, early: Session) -> None:
    """Under the header key of the chain before, of which number 1 and 2 were awaited."""
    person, _ = opened(person, peer.envelope(0, 3))
    old = Peer(early, "header earlier")
    for n in (1, 2):
        group.valid(f"the chain before, n = {n} of 3", "Order", **opened(person, old.envelope(n, 0))[1])
    used, _ = opened(person, old.envelope(1, 0))
    group.invalid("the chain before, n = 1 again", "Duplicate", **unopened(used, old.envelope(1, 0)))
    for n in (3, 4, 2**32 - 1):
        group.invalid(f"the chain before, n = {n} of 3", "Order", **unopened(person, old.envelope(n, 0)))
