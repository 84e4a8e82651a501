"""RFC 9180 base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305 (SPEC §8)."""

from .primitives import (
    hkdf_expand,
    hkdf_extract,
    need,
    open_sealed,
    seal,
    x25519_public,
    x25519_raw,
)

KEM = b"KEM" + bytes.fromhex("0020")
SUITE = b"HPKE" + bytes.fromhex("002000010003")


def labeled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    """RFC 9180 §4."""
    return hkdf_extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """RFC 9180 §4."""
    return hkdf_expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def derive_private(ikm: bytes) -> bytes:
    """DeriveKeyPair of RFC 9180 §7.1.3."""
    return labeled_expand(KEM, labeled_extract(KEM, b"", b"dkp_prk", ikm), b"sk", b"", 32)


def shared_secret(private: bytes, peer: bytes, enc: bytes, recipient: bytes) -> bytes:
    """ExtractAndExpand of RFC 9180 §4.1 over a DH that must not be zero (§7.1.4)."""
    result = x25519_raw(private, peer)
    need(result != bytes(32), "all-zero HPKE secret")
    prk = labeled_extract(KEM, b"", b"eae_prk", result)
    return labeled_expand(KEM, prk, b"shared_secret", enc + recipient, 32)


class Context:
    """A context of RFC 9180 §5.2; sequence numbers count up from 0."""

    def __init__(self, secret: bytes, info: bytes):
        """KeySchedule of RFC 9180 §5.1, mode_base."""
        psk_id_hash = labeled_extract(SUITE, b"", b"psk_id_hash", b"")
        schedule = b"\0" + psk_id_hash + labeled_extract(SUITE, b"", b"info_hash", info)
        prk = labeled_extract(SUITE, secret, b"secret", b"")
        self.key = labeled_expand(SUITE, prk, b"key", schedule, 32)
        self.base_nonce = labeled_expand(SUITE, prk, b"base_nonce", schedule, 12)
        self.sequence = 0

    def _nonce(self) -> bytes:
        number = int.from_bytes(self.base_nonce, "big") ^ self.sequence
        self.sequence += 1
        return number.to_bytes(12, "big")

    def seal(self, aad: bytes, plaintext: bytes) -> bytes:
        return seal(self.key, self._nonce(), aad, plaintext)

    def open(self, aad: bytes, ciphertext: bytes) -> bytes:
        return open_sealed(self.key, self._nonce(), aad, ciphertext)


def setup_sender(recipient: bytes, info: bytes, ikm: bytes) -> tuple[bytes, Context]:
    """SetupBaseS; the ephemeral key is DeriveKeyPair(ikm): (enc, context)."""
    private = derive_private(ikm)
    enc = x25519_public(private)
    return enc, Context(shared_secret(private, recipient, enc, recipient), info)


def setup_recipient(enc: bytes, private: bytes, info: bytes) -> Context:
    """SetupBaseR."""
    return Context(shared_secret(private, enc, enc, x25519_public(private)), info)
