"""What is signed with Ed25519: proofs (SPEC §10), certificates (§6.1, §6.2), prekeys (§7)."""

import hashlib
import hmac
import re
import unicodedata
from dataclasses import dataclass

from . import curve
from .primitives import ed25519_sign, mlkem_check, need, sha256
from .wire import Reader, listed, optional, text, u8, u16, u32, u64

CATEGORY_BITS = 0b1111


def need_signature(key: bytes, message: bytes, signature: bytes) -> None:
    """Every signature is verified strictly (§10)."""
    need(curve.verify(key, message, signature), "signature")


def need_categories(bits: int) -> None:
    """§9, offset 2: a set that is not empty, of four categories."""
    need(bits != 0 and bits & ~CATEGORY_BITS == 0, "categories")


# §10


def expand_label(name: str, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """HKDF-Expand-Label, RFC 8446 §7.1."""
    full = b"tls13 " + label
    info = u16(length) + u8(len(full)) + full + u8(len(context)) + context
    out, block = b"", b""
    while len(out) < length:
        counter = u8(len(out) // hashlib.new(name).digest_size + 1)
        block = hmac.new(secret, block + info + counter, name).digest()
        out += block
    return out[:length]


def exporter_value(name: str, exporter_master_secret: bytes) -> bytes:
    """TLS-Exporter("EXPORTER-plico-1-prove", "", 32), RFC 8446 §7.5; `name` is the suite's hash."""
    nothing = hashlib.new(name).digest()
    derived = expand_label(name, exporter_master_secret, b"EXPORTER-plico-1-prove", nothing, len(nothing))
    return expand_label(name, derived, b"exporter", nothing, 32)


def proof_message(role: int, exporter: bytes, key: bytes) -> bytes:
    return b"plico/1 prove\0" + u8(role) + exporter + key


def verify_proof(role: int, exporter: bytes, key: bytes, signature: bytes) -> None:
    need(role in (1, 2, 3), "role")
    need_signature(key, proof_message(role, exporter, key), signature)


# §6.1 and §6.2


@dataclass(frozen=True)
class Certificate:
    serial: int
    handle: str
    display_name: str
    domain: str
    domain_check: int
    account: bytes
    identity: bytes
    hint: bytes
    inbox: bytes
    categories: int
    valid_from: int
    valid_to: int
    version: int = 1

    def body(self) -> bytes:
        """The table of §6.1."""
        names = text(self.handle) + text(self.display_name) + text(self.domain)
        keys = self.account + self.identity + self.hint + self.inbox
        return (
            u8(self.version)
            + u64(self.serial)
            + names
            + u8(self.domain_check)
            + keys
            + u16(self.categories)
            + u32(self.valid_from)
            + u32(self.valid_to)
        )


def certificate_message(body: bytes) -> bytes:
    return b"plico/1 certificate\0" + body


def read_names(reader: Reader) -> tuple[str, str, str]:
    """handle, display_name and domain, with the rules of §6.1's table."""
    handle, name, domain = reader.text(32), reader.text(96), reader.text(253)
    need(re.fullmatch(r"[a-z0-9][a-z0-9-]{1,30}[a-z0-9]", handle) is not None, "handle")
    need(name.strip() != "" and unicodedata.normalize("NFC", name) == name, "display name")
    need(all(unicodedata.category(c) != "Cc" for c in name), "display name: control character")
    need(re.fullmatch(r"[a-z0-9.-]+", domain) is not None, "domain")
    return handle, name, domain


def read_keys(reader: Reader) -> tuple[bytes, bytes, bytes, bytes]:
    """account, identity, hint, inbox; the X25519 keys with §8's check."""
    account, identity, hint, inbox = (reader.take(32) for _ in range(4))
    need(curve.is_valid_x25519_key(identity), "identity key")
    need(curve.is_valid_x25519_key(hint), "hint key")
    return account, identity, hint, inbox


def decode_certificate(data: bytes) -> tuple[Certificate, bytes, bytes]:
    """(certificate, body, signature)."""
    need(len(data) <= 1024, "certificate length")
    reader = Reader(data)
    need(reader.u8() == 1, "version")
    serial = reader.u64()
    names = read_names(reader)
    domain_check = reader.one_of(range(1, 4))
    keys = read_keys(reader)
    categories = reader.u16()
    need_categories(categories)
    start, end = reader.u32(), reader.u32()
    need(start < end <= start + 2160, "validity")
    signature = reader.take(64)
    reader.end()
    found = Certificate(serial, *names, domain_check, *keys, categories, start, end)
    return found, data[:-64], signature


def verify_certificate(
    data: bytes, authority: bytes, auth: bytes, handle: str, key: bytes, now_hour: int
) -> Certificate:
    """§13, the line on certificates: `auth` and `key` are a link's pins (§2)."""
    need(sha256(authority) == auth, "another authority than the link's")
    found, body, signature = decode_certificate(data)
    need_signature(authority, certificate_message(body), signature)
    need(found.handle == handle, "another handle")
    need(sha256(found.account) == key, "another account than the link's")
    need(found.valid_from <= now_hour < found.valid_to, "not valid now")
    return found


@dataclass(frozen=True)
class Request:
    handle: str
    display_name: str
    domain: str
    account: bytes
    identity: bytes
    hint: bytes
    inbox: bytes
    version: int = 1

    def body(self) -> bytes:
        names = text(self.handle) + text(self.display_name) + text(self.domain)
        return u8(self.version) + names + self.account + self.identity + self.hint + self.inbox


def request_message(body: bytes) -> bytes:
    return b"plico/1 certificate request\0" + body


def verify_request(data: bytes) -> Request:
    """§6.2."""
    need(len(data) <= 1024, "request length")
    reader = Reader(data)
    need(reader.u8() == 1, "version")
    names = read_names(reader)
    keys = read_keys(reader)
    by_account, by_inbox = reader.take(64), reader.take(64)
    reader.end()
    found = Request(*names, *keys)
    need_signature(found.account, request_message(data[:-128]), by_account)
    need_signature(found.inbox, request_message(data[:-128]), by_inbox)
    return found


# §7

SIGNED, KEM, ONE_TIME = 1, 2, 3
KEY_BYTES = {SIGNED: 32, KEM: 1184, ONE_TIME: 32}
PREKEY_HOURS_MAX = 720 + 1


@dataclass(frozen=True)
class Prekey:
    kind: int
    id: int
    not_after: int
    key: bytes
    signature: bytes

    def encode(self) -> bytes:
        return u32(self.id) + u32(self.not_after) + self.key + self.signature


def prekey_message(kind: int, number: int, not_after: int, key: bytes) -> bytes:
    return b"plico/1 prekey\0" + u8(kind) + u32(number) + u32(not_after) + key


def sign_prekey(account_seed: bytes, kind: int, number: int, not_after: int, key: bytes) -> Prekey:
    message = prekey_message(kind, number, not_after, key)
    return Prekey(kind, number, not_after, key, ed25519_sign(account_seed, message))


def read_prekey(reader: Reader, kind: int) -> Prekey:
    number, not_after = reader.u32(), reader.u32()
    return Prekey(kind, number, not_after, reader.take(KEY_BYTES[kind]), reader.take(64))


def verify_prekey(prekey: Prekey, account: bytes, now_hour: int) -> None:
    """§7: signature, id and time. What the key is, is for those who use it."""
    need(prekey.id != 0, "id 0")
    need(now_hour < prekey.not_after <= now_hour + PREKEY_HOURS_MAX, "time")
    message = prekey_message(prekey.kind, prekey.id, prekey.not_after, prekey.key)
    need_signature(account, message, prekey.signature)


def verify_key(prekey: Prekey) -> None:
    """§8, the paragraphs on X25519 and ML-KEM keys."""
    if prekey.kind == KEM:
        mlkem_check(prekey.key)
    else:
        need(curve.is_valid_x25519_key(prekey.key), "X25519 key")


def encode_bundle(account: bytes, signed: Prekey, kem: Prekey, one_time: Prekey | None) -> bytes:
    return account + signed.encode() + kem.encode() + optional(one_time and one_time.encode())


def decode_bundle(data: bytes) -> tuple[bytes, Prekey, Prekey, Prekey | None]:
    reader = Reader(data)
    account = reader.take(32)
    signed, kem = read_prekey(reader, SIGNED), read_prekey(reader, KEM)
    one_time = reader.optional(lambda: read_prekey(reader, ONE_TIME))
    reader.end()
    return account, signed, kem, one_time


def verify_bundle(data: bytes, account: bytes, now_hour: int) -> None:
    """§13, the line on bundles; `account` is the certificate's."""
    owner, signed, kem, one_time = decode_bundle(data)
    need(owner == account, "another account's bundle")
    for prekey in (signed, kem, one_time):
        if prekey is not None:
            verify_prekey(prekey, account, now_hour)
            verify_key(prekey)


def encode_publication(signed: Prekey, kem: Prekey, void: int, one_time: list[Prekey]) -> bytes:
    return signed.encode() + kem.encode() + u32(void) + listed([p.encode() for p in one_time])


def verify_publication(data: bytes, account: bytes, now_hour: int) -> None:
    """§7: what a relay checks before it stores."""
    reader = Reader(data)
    signed, kem = read_prekey(reader, SIGNED), read_prekey(reader, KEM)
    void = reader.u32()
    one_time = reader.listed(100, lambda: read_prekey(reader, ONE_TIME))
    reader.end()
    previous = void
    for prekey in one_time:
        need(prekey.id > previous, "ids rise strictly above `void`")
        previous = prekey.id
    for prekey in [signed, kem, *one_time]:
        verify_prekey(prekey, account, now_hour)
