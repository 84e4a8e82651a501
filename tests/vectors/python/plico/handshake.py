"""SPEC §8.1: the handshake, both roles."""

from dataclasses import dataclass

from .primitives import (
    dh,
    hkdf,
    mlkem_decapsulate,
    mlkem_encapsulate,
    need,
    sha256,
    x25519_public,
)
from .wire import Reader, u8, u16, u32

SUITE = 1


@dataclass(frozen=True)
class Bundle:
    """What the initiator knows of the responder: IKB of the certificate, the rest of §7's bundle."""

    account: bytes
    identity: bytes
    spk_id: int
    spk: bytes
    pq_id: int
    pq: bytes
    opk_id: int
    opk: bytes | None


@dataclass(frozen=True)
class Secrets:
    """The responder's private halves: X25519 keys, and the ML-KEM seed d || z, by id."""

    account: bytes
    identity: bytes
    spk: dict[int, bytes]
    pq: dict[int, bytes]
    opk: dict[int, bytes]


@dataclass(frozen=True)
class Handshake:
    """The plaintext of box1."""

    ika: bytes
    eka: bytes
    spk_id: int
    opk_id: int
    pq_id: int
    ct: bytes
    suite: int = SUITE
    has_opk: int | None = None
    """Only for vectors that contradict `opk_id`."""

    def encode(self) -> bytes:
        """The table at the end of §8.1: 1,167 bytes."""
        has_opk = int(self.opk_id != 0) if self.has_opk is None else self.has_opk
        ids = u32(self.spk_id) + u32(self.opk_id) + u32(self.pq_id)
        return u16(self.suite) + u8(has_opk) + self.ika + self.eka + ids + self.ct

    @staticmethod
    def decode(data: bytes) -> "Handshake":
        reader = Reader(data)
        need(reader.u16() == SUITE, "suite")
        has_opk = reader.flag()
        ika, eka = reader.take(32), reader.take(32)
        spk_id, opk_id, pq_id = reader.u32(), reader.u32(), reader.u32()
        need(has_opk == (opk_id != 0), "opk_id is 0 exactly if has_opk is 0")
        ct = reader.take(1088)
        reader.end()
        return Handshake(ika, eka, spk_id, opk_id, pq_id, ct)

    def replay_id(self) -> bytes:
        """§8.1, "replay id"."""
        return sha256(b"plico/1 replay\0" + u32(self.spk_id) + u32(self.pq_id) + self.eka)


@dataclass(frozen=True)
class Keys:
    """What a handshake gives, with the steps on the way."""

    th: bytes
    ikm: bytes
    sk: bytes
    hka: bytes
    nhkb: bytes
    sid: bytes
    ad: bytes


def enc_ec(key: bytes) -> bytes:
    return b"\x05" + key


def enc_kem(key: bytes) -> bytes:
    return b"\x0a" + key


def transcript(h: Handshake, b: Bundle) -> bytes:
    """`th` of §8.1."""
    one_time = u8(0) if b.opk is None else u8(1) + enc_ec(b.opk)
    keys = enc_ec(h.ika) + enc_ec(h.eka) + enc_ec(b.identity) + enc_ec(b.spk)
    ids = u32(h.spk_id) + u32(h.opk_id) + u32(h.pq_id)
    return sha256(
        b"plico/1 transcript\0" + u16(h.suite) + keys + one_time + enc_kem(b.pq) + h.ct + ids + b.account
    )


def derive(th: bytes, dhs: list[bytes], ss: bytes) -> Keys:
    """IKM, the HKDF and AD of §8.1; `dhs` in the order written there."""
    ikm = b"\xff" * 32 + b"".join(dhs) + ss
    info = b"plico/1 X25519_SHA-256_ML-KEM-768\0" + th
    okm = hkdf(bytes(32), ikm, info, 128)
    return Keys(th, ikm, okm[:32], okm[32:64], okm[64:96], okm[96:], sha256(b"plico/1 ad\0" + th))


def initiate(ika_private: bytes, bundle: Bundle, eka_private: bytes, m: bytes) -> tuple[Handshake, Keys]:
    """The person's side."""
    ss, ct = mlkem_encapsulate(bundle.pq, m)
    handshake = Handshake(
        x25519_public(ika_private),
        x25519_public(eka_private),
        bundle.spk_id,
        bundle.opk_id,
        bundle.pq_id,
        ct,
    )
    dhs = [
        dh(ika_private, bundle.spk),
        dh(eka_private, bundle.identity),
        dh(eka_private, bundle.spk),
    ]
    if bundle.opk is not None:
        dhs.append(dh(eka_private, bundle.opk))
    return handshake, derive(transcript(handshake, bundle), dhs, ss)


def respond(h: Handshake, secrets: Secrets, mlkem_public: dict[int, bytes]) -> Keys:
    """The business's side. It proves nothing until the first message authenticates."""
    need(h.spk_id in secrets.spk, "unknown signed prekey")
    need(h.pq_id in secrets.pq, "unknown ML-KEM prekey")
    spk = secrets.spk[h.spk_id]
    opk = None
    if h.opk_id:
        need(h.opk_id in secrets.opk, "unknown one-time prekey: never tried without it")
        opk = secrets.opk[h.opk_id]
    bundle = Bundle(
        secrets.account,
        x25519_public(secrets.identity),
        h.spk_id,
        x25519_public(spk),
        h.pq_id,
        mlkem_public[h.pq_id],
        h.opk_id,
        None if opk is None else x25519_public(opk),
    )
    dhs = [dh(spk, h.ika), dh(secrets.identity, h.eka), dh(spk, h.eka)]
    if opk is not None:
        dhs.append(dh(opk, h.eka))
    return derive(transcript(h, bundle), dhs, mlkem_decapsulate(secrets.pq[h.pq_id], h.ct))
