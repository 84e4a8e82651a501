"""SPEC §8.2: the ratchet, and §8.6: its state as bytes."""

from copy import deepcopy
from dataclasses import dataclass, field

from . import curve
from .handshake import Keys
from .primitives import Refused, dh, hkdf, hmac, need, x25519_public, xopen, xseal
from .wire import Reader, u8, u32

SKIP_MAX = 1000
CHAIN_MAX = 1000
STORED_KEYS_MAX = 100
STORED_CHAINS_MAX = 5
PERSON, BUSINESS = 1, 2


class Duplicate(Exception):
    """A message of a counted number whose key is gone: acknowledged and dropped."""


def kdf_rk_he(rk: bytes, shared: bytes) -> tuple[bytes, bytes, bytes]:
    """(rk', ck, nhk)."""
    out = hkdf(rk, shared, b"plico/1 root\0", 96)
    return out[:32], out[32:64], out[64:]


def kdf_ck(ck: bytes) -> tuple[bytes, bytes]:
    """(ck', mk)."""
    return hmac(ck, b"\x02"), hmac(ck, b"\x01")


@dataclass(frozen=True)
class Header:
    key: bytes
    pn: int
    n: int

    def encode(self) -> bytes:
        return self.key + u32(self.pn) + u32(self.n)

    @staticmethod
    def decode(data: bytes) -> "Header":
        reader = Reader(data)
        header = Header(reader.take(32), reader.u32(), reader.u32())
        reader.end()
        return header


def seal_header(key: bytes, nonce: bytes, ad: bytes, header: bytes) -> bytes:
    """The encrypted header, 80 bytes."""
    return nonce + xseal(key, nonce, ad, header)


def open_header(key: bytes, ad: bytes, sealed: bytes) -> Header | None:
    """None where the key is another."""
    try:
        return Header.decode(xopen(key, sealed[:24], ad, sealed[24:]))
    except Refused:
        return None


@dataclass
class Sending:
    """A sending chain: DHs, HKs, NHKs, CKs, Ns, PN."""

    private: bytes
    hk: bytes
    nhk: bytes
    ck: bytes
    ns: int = 0
    pn: int = 0


@dataclass
class Deferred:
    """A sending chain that begins when the party next sends: DHr, its header key, PN."""

    peer: bytes
    hk: bytes
    pn: int


@dataclass
class Chain:
    """A receiving chain: the number of messages counted on it, and the keys of those awaited."""

    hk: bytes
    length: int
    keys: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Session:
    role: int
    sid: bytes
    account: bytes
    ad: bytes
    rk: bytes
    sending: Sending | Deferred
    nhk: bytes
    ck: bytes | None = None
    current: Chain | None = None
    earlier: list[Chain] = field(default_factory=list)


def begin_initiator(keys: Keys, account: bytes, spk: bytes, private: bytes) -> Session:
    """RatchetInitAliceHE(SK, SPKB, HKA, NHKB) with the new ratchet key given."""
    rk, ck, nhk = kdf_rk_he(keys.sk, dh(private, spk))
    sending = Sending(private, keys.hka, nhk, ck)
    return Session(PERSON, keys.sid, account, keys.ad, rk, sending, keys.nhkb)


def accept_first(keys: Keys, account: bytes, spk_private: bytes, sealed: bytes) -> tuple[Session, bytes]:
    """RatchetInitBobHE(SK, SPKB's pair, HKA, NHKB) and the first header: (session, message key)."""
    header = open_header(keys.hka, keys.ad, sealed)
    if header is None:
        raise Refused("first header")
    need(header.n == 0 and header.pn == 0, "a first message is number 0 of the first chain")
    rk, ck, nhk = kdf_rk_he(keys.sk, dh(spk_private, header.key))
    ck, mk = kdf_ck(ck)
    session = Session(
        BUSINESS,
        keys.sid,
        account,
        keys.ad,
        rk,
        Deferred(header.key, keys.nhkb, 0),
        nhk,
        ck,
        Chain(keys.hka, 1),
    )
    return session, mk


def next_to_send(session: Session, draw) -> tuple[Session, bytes, bytes]:
    """One step of sending: (state after, message key, encrypted header).

    `draw(n)` gives n random bytes in the order of §8.4: a ratchet key if a chain begins, the nonce.
    """
    s = deepcopy(session)
    if isinstance(s.sending, Deferred):
        later, private = s.sending, draw(32)
        s.rk, ck, nhk = kdf_rk_he(s.rk, dh(private, later.peer))
        s.sending = Sending(private, later.hk, nhk, ck, 0, later.pn)
    chain = s.sending
    need(chain.ns < CHAIN_MAX, "the chain is full until the peer's next ratchet key")
    header = Header(x25519_public(chain.private), chain.pn, chain.ns)
    chain.ck, mk = kdf_ck(chain.ck)
    chain.ns += 1
    return s, mk, seal_header(chain.hk, draw(24), s.ad, header.encode())


def received(session: Session, sealed: bytes) -> tuple[Session, bytes]:
    """One step of receiving, on a copy: (state to put in place once all is verified, message key)."""
    s = deepcopy(session)
    for chain in s.earlier:
        header = open_header(chain.hk, s.ad, sealed)
        if header is not None:
            check_key(header)
            need(header.n < chain.length, "a number its earlier chain never had")
            return s, counted(chain, header.n)
    if s.current is not None:
        header = open_header(s.current.hk, s.ad, sealed)
        if header is not None:
            check_key(header)
            return s, on_current(s, header.n)
    header = open_header(s.nhk, s.ad, sealed)
    if header is None:
        raise Refused("opens under no header key")
    check_key(header)
    begin_chain(s, header)
    return s, on_current(s, header.n)


def check_key(header: Header) -> None:
    """§8, "X25519 public keys": ratchet keys too."""
    need(curve.is_valid_x25519_key(header.key), "ratchet key")


def counted(chain: Chain, n: int) -> bytes:
    """The stored key of a message that was counted."""
    if n not in chain.keys:
        raise Duplicate
    return chain.keys.pop(n)


def on_current(s: Session, n: int) -> bytes:
    """A header of the current receiving chain."""
    chain = s.current
    if n < chain.length:
        return counted(chain, n)
    need(n - chain.length <= SKIP_MAX, "skips too many of n")
    skip(s, n)
    s.ck, mk = kdf_ck(s.ck)
    chain.length += 1
    trim(s)
    return mk


def skip(s: Session, until: int) -> None:
    """SkipMessageKeysHE of the current chain."""
    while s.current.length < until:
        s.ck, s.current.keys[s.current.length] = kdf_ck(s.ck)
        s.current.length += 1


def begin_chain(s: Session, header: Header) -> None:
    """DHRatchetHE's receiving half; the sending half waits until this party sends."""
    need(isinstance(s.sending, Sending), "a second chain before this party sent under its next key")
    need(header.n <= SKIP_MAX, "skips too many of n")
    nr = s.current.length if s.current else 0
    need(header.pn - nr <= SKIP_MAX, "skips too many of pn")
    if s.current is not None:
        skip(s, header.pn)
        s.earlier.append(s.current)
    mine = s.sending
    s.current = Chain(s.nhk, 0)
    s.rk, s.ck, s.nhk = kdf_rk_he(s.rk, dh(mine.private, header.key))
    s.sending = Deferred(header.key, mine.nhk, mine.ns)


def trim(s: Session) -> None:
    """The bounds of §8.2's table: what is oldest goes first."""
    s.earlier = s.earlier[-STORED_CHAINS_MAX:]
    chains = s.earlier + [s.current]
    excess = sum(len(c.keys) for c in chains) - STORED_KEYS_MAX
    for chain in chains:
        for n in sorted(chain.keys):
            if excess > 0:
                del chain.keys[n]
                excess -= 1


def encode_chain(chain: Chain) -> bytes:
    keys = b"".join(u32(n) + chain.keys[n] for n in sorted(chain.keys))
    return chain.hk + u32(chain.length) + u32(len(chain.keys)) + keys


def encode_state(s: Session) -> bytes:
    """§8.6."""
    out = u8(1) + u8(s.role) + s.sid + s.account + s.ad + s.rk
    if isinstance(s.sending, Sending):
        c = s.sending
        out += u8(1) + c.private + c.hk + c.nhk + c.ck + u32(c.ns) + u32(c.pn)
    else:
        out += u8(2) + s.sending.peer + s.sending.hk + u32(s.sending.pn)
    out += s.nhk
    if s.current is None:
        return out + u8(0) + u32(0)
    out += u8(1) + s.ck + encode_chain(s.current)
    return out + u32(len(s.earlier)) + b"".join(map(encode_chain, s.earlier))


def decode_chain(reader: Reader) -> Chain:
    chain = Chain(reader.take(32), reader.u32())
    previous = -1
    for _ in range(reader.u32()):
        n = reader.u32()
        need(previous < n < chain.length, "skipped numbers rise below the chain's length")
        chain.keys[n] = reader.take(32)
        previous = n
    return chain


def decode_sending(reader: Reader) -> Sending | Deferred:
    if reader.one_of(range(1, 3)) == 1:
        keys = [reader.take(32) for _ in range(4)]
        sending = Sending(*keys, reader.u32(), reader.u32())
        need(sending.ns <= CHAIN_MAX and sending.pn <= CHAIN_MAX, "Ns or PN")
        return sending
    later = Deferred(reader.take(32), reader.take(32), reader.u32())
    need(curve.is_valid_x25519_key(later.peer), "DHr")
    need(later.pn <= CHAIN_MAX, "PN")
    return later


def decode_state(data: bytes) -> Session:
    """§8.6, with what it says must be refused."""
    reader = Reader(data)
    need(reader.u8() == 1, "version")
    role = reader.one_of(range(1, 3))
    sid, account, ad, rk = (reader.take(32) for _ in range(4))
    sending = decode_sending(reader)
    s = Session(role, sid, account, ad, rk, sending, reader.take(32))
    has_current = reader.flag()
    need(has_current or (role == PERSON and isinstance(sending, Sending)), "no current chain")
    if has_current:
        s.ck, s.current = reader.take(32), decode_chain(reader)
    count = reader.u32()
    need(count <= (STORED_CHAINS_MAX if has_current else 0), "stored chains")
    s.earlier = [decode_chain(reader) for _ in range(count)]
    chains = s.earlier + ([s.current] if s.current else [])
    need(sum(len(c.keys) for c in chains) <= STORED_KEYS_MAX, "stored keys")
    reader.end()
    return s
