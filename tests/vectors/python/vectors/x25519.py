"""x25519.json: which public keys are refused, and every all-zero secret (SPEC §8)."""

from plico import curve
from plico.primitives import dh, x25519_public, x25519_raw

from .format import Kind, Note, VectorFile, hexadecimal, rand


def check(_group: dict, test: dict) -> None:
    private, public = bytes.fromhex(test["private"]), bytes.fromhex(test["public"])
    assert x25519_raw(private, public).hex() == test["unchecked"]
    assert dh(private, public).hex() == test["unchecked"]


KIND = Kind(
    "X25519",
    "DH of SPEC §8: refuse `public` unless it is canonical and of prime order, and an all-zero secret",
    {},
    {
        "private": hexadecimal("private key, clamped where it is used (RFC 7748 §5)", 32),
        "public": hexadecimal("the peer's public key", 32),
        "unchecked": hexadecimal("what X25519 gives without a check; the secret, if valid", 32),
    },
    check,
)

NOTES = {
    "Normal": Note("BASIC", "A key of prime order in its one encoding."),
    "Torsion": Note(
        "KEY_CHECK",
        "A valid key plus a point of order 2, 4 or 8. X25519 gives the valid key's secret, so that a "
        "peer would have a second name for one key.",
    ),
    "HighBit": Note("KEY_CHECK", "The top bit is set. RFC 7748 §5 ignores it; here it is refused."),
    "NonCanonical": Note("KEY_CHECK", "The number is not below 2^255 - 19."),
    "SmallOrder": Note("KEY_CHECK", "A point of small order: the secret is zero whatever the private key."),
    "Twist": Note("KEY_CHECK", "The u-coordinate of a point on the twist, not on the curve."),
}


def little(number: int) -> bytes:
    return number.to_bytes(32, "little")


def build() -> VectorFile:
    file = VectorFile(
        "x25519",
        "X25519 with the key policy of Plico",
        ["Every public key that reaches a DH, of each kind listed in SPEC §8, goes through this."],
        NOTES,
        [KIND],
    )
    group = file.group(KIND)
    private = rand("x25519 private")

    def add(result: str, comment: str, flag: str, public: bytes, key: bytes = private) -> None:
        unchecked = x25519_raw(key, public).hex()
        group.add(result, comment, flag, private=key.hex(), public=public.hex(), unchecked=unchecked)

    honest = [x25519_public(rand(f"x25519 peer {i}")) for i in range(3)]
    for i, key in enumerate(honest):
        add("valid", "a key", "Normal", key, rand(f"x25519 private {i}"))
    add("valid", "the base point", "Normal", little(9))
    add("valid", "a private key of ones, which is clamped", "Normal", honest[0], b"\xff" * 32)
    for i, key in enumerate(honest[:2]):
        add(
            "invalid",
            f"peer {i} with the top bit set",
            "HighBit",
            little(int.from_bytes(key, "little") | 1 << 255),
        )
        point = curve.from_montgomery(key)
        for t in range(1, 8):
            alias = curve.to_montgomery(curve.add(point, curve.TORSION[t]))
            add("invalid", f"peer {i} plus {t} times a point of order 8", "Torsion", alias)
    add("invalid", "the base point with the top bit set", "HighBit", little(9 | 1 << 255))
    add("invalid", "the base point as 9 + p", "NonCanonical", little(9 + curve.P))
    names = {2**256 - 1: "all ones"}
    for value in (curve.P, curve.P + 1, curve.P + 18, curve.P + 19, 2**256 - 1):
        add("invalid", names.get(value, f"p + {value - curve.P}"), "NonCanonical", little(value))
    small = {0: "0, of order 2", 1: "1, of order 4", curve.P - 1: "p - 1, of order 4 on the twist"}
    for t in (1, 3):
        small[int.from_bytes(curve.to_montgomery(curve.TORSION[t]), "little")] = "a point of order 8"
    for value, name in small.items():
        add("invalid", f"u = {name}", "SmallOrder", little(value))
    for u in (2, 3, 5, 7):
        if not curve.is_valid_x25519_key(little(u)) and on_twist(u):
            add("invalid", f"u = {u}, on the twist", "Twist", little(u))
    add("invalid", "a large u on the twist", "Twist", little(largest_on_twist()))
    return file


def on_twist(u: int) -> bool:
    """Whether u^3 + 486662 u^2 + u is no square (RFC 7748 §4.1)."""
    v2 = (u**3 + 486662 * u**2 + u) % curve.P
    return pow(v2, (curve.P - 1) // 2, curve.P) == curve.P - 1


def largest_on_twist() -> int:
    u = int.from_bytes(rand("x25519 twist"), "little") % curve.P
    while not on_twist(u):
        u -= 1
    return u
