"""profile.json: what a business may say of itself (SPEC §6.3)."""

import struct
import zlib
from dataclasses import replace

from plico import profile
from plico.primitives import ed25519_public, ed25519_sign
from plico.profile import Profile
from plico.wire import u32

from .format import Group, Kind, Note, VectorFile, flip, hexadecimal, integer, rand

NOW = 29_700_000
SEED = rand("profile account")
ACCOUNT = ed25519_public(SEED)


def check(_group: dict, test: dict) -> None:
    data = bytes.fromhex(test["profile"])
    found = profile.verify(data, bytes.fromhex(test["account"]), test["nowMinute"])
    assert found.body() == data[:-64]


KIND = Kind(
    "Profile",
    "whether the profile reads so, is of this account, and is not of the future",
    {},
    {
        "account": hexadecimal("account key", 32),
        "nowMinute": integer("minute"),
        "profile": hexadecimal("profile"),
    },
    check,
)

NOTES = {
    "Normal": Note("BASIC", "An honest profile."),
    "Signature": Note("AUTH_BYPASS", "Signed by another, over something else, or changed."),
    "Time": Note("CONFORMANCE", "A minute before, at and after a bound."),
    "Text": Note("CONFORMANCE", "Characters and lengths of description, hours and status."),
    "Site": Note("CONFORMANCE", "What a site may be."),
    "Restored": Note("CONFORMANCE", "The last restore."),
    "Logo": Note("CONFORMANCE", "The chunks of a PNG."),
    "Length": Note("CONFORMANCE", "Bytes are missing or left, or more than a bound."),
}


def chunk(kind: bytes, data: bytes) -> bytes:
    """ISO/IEC 15948 §5.3."""
    return u32(len(data)) + kind + data + u32(zlib.crc32(kind + data))


def header(width: int, height: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


PNG = b"\x89PNG\r\n\x1a\n"
# Stored, not compressed: the bytes must not depend on a version of zlib.
DATA = chunk(b"IDAT", zlib.compress(b"\0\0" * 1, 0))
END = chunk(b"IEND", b"")


def logo(width: int = 1, height: int = 1, between: bytes = b"") -> bytes:
    return PNG + header(width, height) + between + DATA + END


GOOD = Profile(
    NOW,
    "A bank.\nSince 1901.",
    "Mon-Fri 9-17",
    "https://banque.example/",
    ("Closed today", NOW + 60),
    None,
    logo(),
)


def made(body: bytes, seed: bytes = SEED) -> bytes:
    return body + ed25519_sign(seed, profile.message(body))


def build() -> VectorFile:
    file = VectorFile(
        "profile", "Profiles", ["Signed by the account; the authority vouches for none of it."], NOTES, [KIND]
    )
    group = file.group(KIND)
    add_normal(group)
    texts(group)
    sites(group)
    statuses(group)
    restores(group)
    logos(group)
    return file


def add(
    group: Group,
    result: str,
    comment: str,
    flag: str,
    data: bytes | Profile,
    now: int = NOW,
    account: bytes = ACCOUNT,
) -> None:
    data = made(data.body()) if isinstance(data, Profile) else data
    group.add(result, comment, flag, account=account.hex(), nowMinute=now, profile=data.hex())


def add_normal(group: Group) -> None:
    good = made(GOOD.body())
    add(group, "valid", "everything but a restore", "Normal", good)
    add(group, "valid", "nothing at all", "Normal", Profile(NOW))
    other = rand("profile other")
    add(group, "invalid", "signed by another", "Signature", made(GOOD.body(), other))
    add(group, "invalid", "of another account", "Signature", good, account=ed25519_public(other))
    add(
        group,
        "invalid",
        "signed without the label",
        "Signature",
        GOOD.body() + ed25519_sign(SEED, GOOD.body()),
    )
    for offset in range(0, len(good), 23):
        add(group, "invalid", f"bit of byte {offset}", "Signature", flip(good, offset, 1 << offset % 8))
    for ahead, result in ((-1_000_000, "valid"), (60, "valid"), (61, "invalid"), (10_000, "invalid")):
        add(group, result, f"issued {ahead} minutes ahead", "Time", Profile(NOW + ahead))
    for version in (0, 2):
        add(group, "invalid", f"version {version}", "Length", replace(GOOD, version=version))
    add(group, "invalid", "a trailing byte", "Length", good + b"\0")
    add(group, "invalid", "a trailing byte in the body", "Length", made(GOOD.body() + b"\0"))
    add(group, "invalid", "one byte less", "Length", good[:-1])
    add(group, "invalid", "nothing", "Length", b"")
    empty = Profile(NOW).body()
    for offset, name in ((17, "status"), (18, "restored"), (19, "logo")):
        add(
            group,
            "invalid",
            f"option byte 2 before {name}",
            "Length",
            made(empty[:offset] + b"\2" + empty[offset + 1 :]),
        )


HIDDEN = [
    0x00AD,
    0x061C,
    0x180E,
    0x200B,
    0x200E,
    0x200F,
    0x2028,
    0x202A,
    0x202E,
    0x2060,
    0x2066,
    0x206F,
    0xFEFF,
    0xFFF9,
    0xFFFB,
    0xE0000,
    0xE0041,
    0xE007F,
]
SHOWN = [0x00AC, 0x00A0, 0x200C, 0x200D, 0x2010, 0x2027, 0x202F, 0x205F, 0x2070, 0xFFFC, 0xE0080, 0x1F600]


def texts(group: Group) -> None:
    for field, bound, lines in (("description", 1536, True), ("hours", 512, True), ("status", 512, False)):

        def put(text: str, field: str = field) -> Profile:
            return replace(Profile(NOW), **{field: (text, NOW + 60) if field == "status" else text})

        add(group, "valid", f"{field}: {bound} bytes", "Text", put("a" * bound))
        add(group, "invalid", f"{field}: {bound + 1} bytes", "Text", put("a" * (bound + 1)))
        add(group, "valid", f"{field}: NFC", "Text", put("Caf\u00e9"))
        add(group, "invalid", f"{field}: not NFC", "Text", put("Cafe\u0301"))
        add(group, "valid" if lines else "invalid", f"{field}: a line feed", "Text", put("a\nb"))
        for blank in (" ", "\u00a0", "\u3000"):
            add(group, "invalid", f"{field}: white space alone, {ascii(blank)}", "Text", put(blank))
        for char in ("\r", "\t", "\0", "\x1b", "\x7f", "\x85", "\x9b"):
            add(group, "invalid", f"{field}: {ascii(char)}", "Text", put(f"a{char}b"))
    for number in HIDDEN:
        add(group, "invalid", f"U+{number:04X}", "Text", Profile(NOW, f"a{chr(number)}b"))
    for number in SHOWN:
        add(group, "valid", f"U+{number:04X}", "Text", Profile(NOW, f"a{chr(number)}b"))
    body = Profile(NOW, "abc").body()
    add(group, "invalid", "not UTF-8", "Text", made(body.replace(b"abc", b"a\xffc")))
    add(group, "invalid", "a surrogate in UTF-8", "Text", made(body.replace(b"abc", b"\xed\xa0\x80")))


def sites(group: Group) -> None:
    good = [
        "https://banque.example",
        "https://banque.example/",
        "https://www.banque.example:8443/a/b?c=d&e=%20#f",
        "https://a.b?q",
        "https://a.b#f",
        "https://xn--caf-dma.example",
        "https://a.b:65535/",
        "https://a.b/~!$&'()*+,;=:@[]",
        "https://a.b/" + "c" * 244,
    ]
    bad = [
        "http://banque.example",
        "https://",
        "https://banque",
        "https:///path",
        "banque.example",
        "https://user@banque.example",
        "https://user:secret@banque.example/",
        "https://banque.example:65536/",
        "https://banque.example:x/",
        "https://Banque.example",
        "https://caf\u00e9.example",
        "https://banque_exemple.example",
        "https://banque.example/a b",
        "https://banque.example/\u00e9",
        "https://banque.example/<script>",
        "https://banque.example/\\",
        'https://banque.example/"',
        "https://[::1]/",
        "javascript://banque.example",
        "https://a.b/" + "c" * 245,
    ]
    for site in good:
        add(group, "valid", site if len(site) < 99 else "256 bytes", "Site", Profile(NOW, site=site))
    for site in bad:
        add(group, "invalid", ascii(site) if len(site) < 99 else "257 bytes", "Site", Profile(NOW, site=site))


def statuses(group: Group) -> None:
    for minutes, result in (
        (1, "valid"),
        (1440, "valid"),
        (1441, "invalid"),
        (0, "invalid"),
        (-1, "invalid"),
    ):
        add(
            group,
            result,
            f"a status for {minutes} minutes",
            "Time",
            Profile(NOW, status=("Closed", NOW + minutes)),
        )
    add(group, "invalid", "an empty status", "Text", Profile(NOW, status=("", NOW + 60)))
    add(group, "valid", "a status that is over", "Time", GOOD, NOW + 10_000)


def restores(group: Group) -> None:
    hour = NOW // 60
    start = hour * 3_600_000
    for name, at, result in (
        ("the hour's first millisecond", start, "valid"),
        ("a millisecond before the hour", start - 1, "invalid"),
        ("a day later", start + 86_400_000, "valid"),
        ("at the epoch", 0, "invalid"),
    ):
        add(group, result, name, "Restored", Profile(NOW, restored=(hour, at)))


def logos(group: Group) -> None:
    def png(result: str, comment: str, data: bytes) -> None:
        add(group, result, comment, "Logo", Profile(NOW, logo=data))

    png("valid", "one pixel", logo())
    png("valid", "256 by 256 pixels", logo(256, 256))
    for width, height in ((257, 1), (1, 257), (0, 1), (1, 0), (2**31, 1)):
        png("invalid", f"{width} by {height} pixels", logo(width, height))
    png("valid", "PLTE and tRNS", logo(1, 1, chunk(b"PLTE", bytes(3)) + chunk(b"tRNS", b"\0")))
    for kind in (b"tEXt", b"iTXt", b"eXIf", b"acTL", b"iCCP", b"gAMA", b"idat", b"IDaT"):
        png("invalid", f"a chunk {kind.decode()}", logo(1, 1, chunk(kind, bytes(4))))
    png("invalid", "a byte after IEND", logo() + b"\0")
    png("invalid", "a chunk after IEND", logo() + DATA)
    png("invalid", "no IEND", logo()[: -len(END)])
    png("invalid", "no IHDR", PNG + DATA + END)
    png("invalid", "IHDR second", PNG + DATA + header(1, 1) + DATA + END)
    png("invalid", "another signature", flip(logo(), 0))
    png("invalid", "cut off", logo()[:-1])
    png("invalid", "no bytes", b"")
    png("invalid", "a chunk longer than the file", PNG + header(1, 1) + u32(2**31) + b"IDAT" + END)
    long = PNG + header(1, 1) + chunk(b"IDAT", bytes(5120 - 8 - 25 - 12 - 12)) + END
    png("valid", "5,120 bytes", long)
    longer = PNG + header(1, 1) + chunk(b"IDAT", bytes(5121 - 8 - 25 - 12 - 12)) + END
    png("invalid", "5,121 bytes", longer)
    assert len(long) == 5120
