"""SPEC §6.3: profiles."""

import re
import unicodedata
from dataclasses import dataclass

from .primitives import need
from .signed import need_signature
from .wire import Reader, optional, sized, text, u8, u32, u64

HIDDEN = (
    {0x00AD, 0x061C, 0x180E, 0x200B, 0xFEFF}
    | set(range(0x200E, 0x2010))
    | set(range(0x2028, 0x202F))
    | set(range(0x2060, 0x2070))
    | set(range(0xFFF9, 0xFFFC))
    | set(range(0xE0000, 0xE0080))
)
SITE = re.compile(
    r"https://(?:[a-z0-9-]+\.)+[a-z0-9-]+(?::([0-9]{1,5}))?(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*)?"
)
CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


@dataclass(frozen=True)
class Profile:
    issued: int
    description: str = ""
    hours: str = ""
    site: str = ""
    status: tuple[str, int] | None = None
    restored: tuple[int, int] | None = None
    logo: bytes | None = None
    version: int = 1

    def body(self) -> bytes:
        status = self.status and text(self.status[0]) + u32(self.status[1])
        restored = self.restored and u32(self.restored[0]) + u64(self.restored[1])
        logo = None if self.logo is None else sized(self.logo)
        return (
            u8(self.version)
            + u32(self.issued)
            + text(self.description)
            + text(self.hours)
            + text(self.site)
            + optional(status)
            + optional(restored)
            + optional(logo)
        )


def message(body: bytes) -> bytes:
    return b"plico/1 profile\0" + body


def check_text(value: str, lines: bool) -> None:
    """The paragraph under §6.3's table."""
    if value == "":
        return
    need(unicodedata.normalize("NFC", value) == value and value.strip() != "", "text")
    for char in value:
        allowed = unicodedata.category(char) != "Cc" or (lines and char == "\n")
        need(allowed and ord(char) not in HIDDEN, "character")


def check_site(site: str) -> None:
    if site:
        match = SITE.fullmatch(site)
        need(match is not None, "site")
        need(int(match.group(1) or 0) <= 65535, "port")


def check_logo(logo: bytes) -> None:
    """A PNG's chunks (ISO/IEC 15948 §5); checksums and data are the decoder's."""
    reader = Reader(logo)
    need(reader.take(8) == b"\x89PNG\r\n\x1a\n", "PNG signature")
    first = last = None
    while reader.rest:
        length, kind = reader.u32(), reader.take(4)
        data = reader.take(length)
        reader.take(4)
        need(kind in CHUNKS and last != b"IEND", "chunk")
        if first is None:
            first = kind
            need(kind == b"IHDR" and length == 13, "IHDR")
            width, height = (int.from_bytes(data[i : i + 4], "big") for i in (0, 4))
            need(0 < width <= 256 and 0 < height <= 256, "pixels")
        else:
            need(kind != b"IHDR", "second IHDR")
        last = kind
    need(last == b"IEND", "IEND")


def decode(data: bytes) -> tuple[Profile, bytes, bytes]:
    """(profile, body, signature)."""
    need(len(data) <= 8192, "profile length")
    reader = Reader(data)
    need(reader.u8() == 1, "version")
    issued = reader.u32()
    description, hours, site = reader.text(1536), reader.text(512), reader.text(256)
    status = reader.optional(lambda: (reader.text(512), reader.u32()))
    restored = reader.optional(lambda: (reader.u32(), reader.u64()))
    logo = reader.optional(lambda: reader.sized(5120))
    signature = reader.take(64)
    reader.end()
    check_text(description, True)
    check_text(hours, True)
    check_site(site)
    if status is not None:
        check_text(status[0], False)
        need(status[0] != "" and issued < status[1] <= issued + 1440, "status")
    if restored is not None:
        need(restored[1] >= restored[0] * 3_600_000, "restored before the backup")
    if logo is not None:
        check_logo(logo)
    return Profile(issued, description, hours, site, status, restored, logo), data[:-64], signature


def verify(data: bytes, account: bytes, now_minute: int) -> Profile:
    """§6.3 and §13: signed by the account, issued at most 60 minutes ahead."""
    profile, body, signature = decode(data)
    need_signature(account, message(body), signature)
    need(profile.issued <= now_minute + 60, "issued in the future")
    return profile
