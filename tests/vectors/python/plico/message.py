"""SPEC §8.4: padding, commitment, sealing."""

from dataclasses import dataclass

from .handshake import SUITE
from .primitives import Refused, hkdf_expand, hmac, need, open_sealed, seal
from .wire import sized, u8, u16

SIZES = {1: 2048, 2: 8192, 3: 32768, 4: 65536}
"""The size classes of §3."""

TO_MAILBOX, TO_INBOX, FIRST = "mailbox", "inbox", "first"
OVERHEAD = {TO_MAILBOX: 128, TO_INBOX: 209, FIRST: 1392}
"""What an envelope of each layout of §8.3 has besides padded content."""


@dataclass(frozen=True)
class MessageKeys:
    k_enc: bytes
    nonce: bytes
    k_f: bytes


def message_keys(mk: bytes, header_nonce: bytes) -> MessageKeys:
    """The HKDF-Expand of §8.4."""
    okm = hkdf_expand(mk, b"plico/1 message\0" + header_nonce, 76)
    return MessageKeys(okm[:32], okm[32:44], okm[44:])


def size_class_for(length: int, layout: str) -> int:
    """The smallest size class that holds `length` bytes of content and one of padding."""
    for number, size in SIZES.items():
        if length + 1 <= size - OVERHEAD[layout]:
            return number
    raise Refused("content is too long")


def pad(content: bytes, length: int) -> bytes:
    """`padded` of §8.4."""
    return (content + b"\x80").ljust(length, b"\0")


def unpad(padded: bytes) -> bytes:
    """The last byte that is not zero must be 0x80."""
    stripped = padded.rstrip(b"\0")
    need(stripped[-1:] == b"\x80", "padding")
    return stripped[:-1]


def commitment(k_f: bytes, size_class: int, padded: bytes) -> bytes:
    """C2 of §8.4, over the ctx of §8.4."""
    ctx = b"plico/1 franking\0" + u16(SUITE) + u8(size_class)
    return hmac(k_f, sized(ctx) + padded)


def seal_padded(keys: MessageKeys, ad: bytes, header: bytes, c2: bytes, padded: bytes) -> bytes:
    """`sealed` of §8.4; `header` is the encrypted header."""
    return seal(keys.k_enc, keys.nonce, ad + header + c2, padded)


def open_message(
    mk: bytes, ad: bytes, header: bytes, c2: bytes, size_class: int, sealed: bytes
) -> tuple[bytes, bytes, bytes]:
    """What a recipient does with `sealed`, in the order of §8.4: (content, k_f, padded)."""
    keys = message_keys(mk, header[:24])
    padded = open_sealed(keys.k_enc, keys.nonce, ad + header + c2, sealed)
    need(commitment(keys.k_f, size_class, padded) == c2, "commitment")
    return unpad(padded), keys.k_f, padded
