"""The primitives of SPEC §8, from libraries wherever one has them."""

import hashlib
import hmac as _hmac

import nacl.bindings
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from kyber_py.ml_kem import ML_KEM_768

from . import curve


class Refused(Exception):
    """What a peer sent must be refused. The text is for the reader of a vector, not for the peer."""


def need(holds: bool, reason: str) -> None:
    """Refuses with `reason` unless `holds`."""
    if not holds:
        raise Refused(reason)


def sha256(data: bytes) -> bytes:
    """FIPS 180-4."""
    return hashlib.sha256(data).digest()


def hmac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256, RFC 2104."""
    return _hmac.new(key, data, hashlib.sha256).digest()


def hkdf_extract(salt: bytes, ikm: bytes) -> bytes:
    """RFC 5869 §2.2."""
    return hmac(salt, ikm)


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 §2.3."""
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac(prk, block + info + bytes([counter]))
        out += block
        counter += 1
    return out[:length]


def hkdf(salt: bytes, ikm: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, both steps."""
    return hkdf_expand(hkdf_extract(salt, ikm), info, length)


def x25519_public(private: bytes) -> bytes:
    """The public key of 32 private bytes, which RFC 7748 §5 clamps when it uses them."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def x25519_raw(private: bytes, public: bytes) -> bytes:
    """RFC 7748 §5 without any check, as vectors show what a missing check would let pass."""
    try:
        key = X25519PublicKey.from_public_bytes(public)
        return X25519PrivateKey.from_private_bytes(private).exchange(key)
    except ValueError:
        return bytes(32)  # the library refuses to hand out the all-zero result


def dh(private: bytes, public: bytes) -> bytes:
    """`DH` of SPEC §8: the key is checked, then the result (RFC 7748 §6.1)."""
    need(curve.is_valid_x25519_key(public), "X25519 key")
    shared = x25519_raw(private, public)
    need(shared != bytes(32), "all-zero shared secret")
    return shared


def ed25519_public(seed: bytes) -> bytes:
    """RFC 8032 §5.1.5."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    """RFC 8032 §5.1.6."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def seal(key: bytes, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
    """ChaCha20-Poly1305, RFC 8439 §2.8; the tag is the last 16 bytes."""
    return ChaCha20Poly1305(key).encrypt(nonce, plaintext, ad)


def open_sealed(key: bytes, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
    """The reverse of `seal`."""
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, ad)
    except InvalidTag:
        raise Refused("tag") from None


def xseal(key: bytes, nonce: bytes, ad: bytes, plaintext: bytes) -> bytes:
    """XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03 §2."""
    return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, ad, nonce, key)


def xopen(key: bytes, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
    """The reverse of `xseal`."""
    try:
        return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, ad, nonce, key)
    except nacl.exceptions.CryptoError:
        raise Refused("tag") from None


def mlkem_public(seed: bytes) -> bytes:
    """The encapsulation key of the seed d || z (FIPS 203 §7.1)."""
    return MLKEM768PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def mlkem_check(key: bytes) -> None:
    """FIPS 203 §7.2, the modulus check: every coefficient of the 768 is below 3329."""
    need(len(key) == 1184, "ML-KEM key length")
    for i in range(0, 1152, 3):
        a, b, c = key[i : i + 3]
        need(a | (b & 15) << 8 < 3329 and b >> 4 | c << 4 < 3329, "ML-KEM modulus")
    MLKEM768PublicKey.from_public_bytes(key)


def mlkem_encapsulate(key: bytes, m: bytes) -> tuple[bytes, bytes]:
    """FIPS 203 §6.2 with its randomness given: (SS, ct)."""
    mlkem_check(key)
    return ML_KEM_768._encaps_internal(key, m)


def mlkem_decapsulate(seed: bytes, ciphertext: bytes) -> bytes:
    """FIPS 203 §7.3, by another library than `mlkem_encapsulate` uses."""
    need(len(ciphertext) == 1088, "ML-KEM ciphertext length")
    return MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(ciphertext)
