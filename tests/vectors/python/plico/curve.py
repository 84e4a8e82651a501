"""Curve25519 in plain integers: the checks of public keys and signatures that no library offers."""

import functools
import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    """The complete addition of RFC 8032 §5.1.4, in affine coordinates."""
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P
    return x, y


def add_extended(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The same without divisions, in extended coordinates X, Y, Z, T (RFC 8032 §5.1.4)."""
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    e = (y1 - x1) * (y2 - x2) % P
    f = (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    m, n, o, p = f - e, h - g, h + g, f + e
    return m * n % P, o * p % P, n * o % P, m * p % P


def multiply(scalar: int, point: Point) -> Point:
    """Double and add."""
    x, y = point
    result, power = (0, 1, 1, 0), (x, y, 1, x * y % P)
    while scalar:
        if scalar & 1:
            result = add_extended(result, power)
        power = add_extended(power, power)
        scalar >>= 1
    inverse = pow(result[2], -1, P)
    return result[0] * inverse % P, result[1] * inverse % P


def recover_x(y: int, sign: int) -> int | None:
    """RFC 8032 §5.1.3, steps 2 to 4; None where the point does not exist."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_MINUS_1 % P
    if x * x % P != square or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


BASE_Y = 4 * pow(5, -1, P) % P
BASE: Point = (recover_x(BASE_Y, 0), BASE_Y)


def encode(point: Point) -> bytes:
    """RFC 8032 §5.1.2."""
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point | None:
    """RFC 8032 §5.1.3: only the canonical encoding of a point is one."""
    number = int.from_bytes(data, "little")
    y, sign = number % 2**255, number >> 255
    if y >= P:
        return None
    x = recover_x(y, sign)
    return None if x is None else (x, y)


def _eighth() -> Point:
    """A point of order 8: what multiplying by L leaves of a point with torsion."""
    y = 2
    while True:
        x = recover_x(y, 0)
        if x is not None:
            torsion = multiply(L, (x, y))
            if multiply(4, torsion) != IDENTITY:
                return torsion
        y += 1


TORSION: list[Point] = [multiply(i, _eighth()) for i in range(8)]
"""The eight points of small order; index 0 is the identity."""


@functools.cache
def is_valid_x25519_key(key: bytes) -> bool:
    """SPEC §8, "X25519 public keys": canonical, on the curve itself, of prime order."""
    u = int.from_bytes(key, "little")
    if len(key) != 32 or u >= P or (u + 1) % P == 0:
        return False
    y = (u - 1) * pow(u + 1, -1, P) % P
    x = recover_x(y, 0)
    return x is not None and multiply(L, (x, y)) == IDENTITY


def from_montgomery(key: bytes) -> Point:
    """A point of the Edwards curve with this u-coordinate (RFC 7748 §4.1)."""
    u = int.from_bytes(key, "little")
    y = (u - 1) * pow(u + 1, -1, P) % P
    x = recover_x(y, 0)
    assert x is not None
    return x, y


def to_montgomery(point: Point) -> bytes:
    """The u-coordinate of a point; the identity has none and reads as 0."""
    _, y = point
    u = (1 + y) * pow(1 - y, -1, P) % P if y != 1 else 0
    return u.to_bytes(32, "little")


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    """The `k` of RFC 8032 §5.1.7, step 2."""
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """SPEC §10: strict. RFC 8032 §5.1.7 without the cofactor; no small-order key, no small-order R."""
    if len(signature) != 64:
        return False
    r_bytes, s = signature[:32], int.from_bytes(signature[32:], "little")
    a, r = decode(key), decode(r_bytes)
    if a is None or r is None or s >= L or a in TORSION or r in TORSION:
        return False
    k = challenge(r_bytes, key, message)
    return multiply(s, BASE) == add(r, multiply(k, a))
