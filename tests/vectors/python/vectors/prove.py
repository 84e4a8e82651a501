"""prove.json: proofs of a key, and with them the rules for every Ed25519 signature (SPEC §10)."""

import hashlib

from plico import curve, signed
from plico.primitives import ed25519_public, ed25519_sign

from .format import Group, Kind, Note, VectorFile, flip, hexadecimal, integer, rand


def check(_group: dict, test: dict) -> None:
    exporter, key, signature = (bytes.fromhex(test[n]) for n in ("exporter", "key", "signature"))
    signed.verify_proof(test["role"], exporter, key, signature)


KIND = Kind(
    "Prove",
    "whether a relay whose connection has this exporter value takes the proof",
    {},
    {
        "role": integer("1 mailbox, 2 account, 3 inbox"),
        "exporter": hexadecimal("exporter value of the connection", 32),
        "key": hexadecimal("the key proven", 32),
        "signature": hexadecimal("signature", 64),
    },
    check,
)

NOTES = {
    "Normal": Note("BASIC", "An honest proof."),
    "OtherMessage": Note("AUTH_BYPASS", "A proof for another role, connection or key."),
    "Modified": Note("AUTH_BYPASS", "One bit of the signature was changed."),
    "Malleable": Note("SIGNATURE_MALLEABILITY", "S is not below the order of the base point."),
    "SmallOrderKey": Note("KEY_CHECK", "A key of small order, for which anyone finds signatures."),
    "SmallOrderR": Note("SIGNATURE_CHECK", "R has small order; the equation holds."),
    "Cofactor": Note(
        "SIGNATURE_CHECK",
        "The equation holds only if it is multiplied by 8. Verifiers that multiply disagree with those that "
        "do not; here none multiplies.",
    ),
    "MixedOrder": Note(
        "SIGNATURE_CHECK",
        "The key has a torsion component, and the equation holds without the factor 8: not refused. No "
        "honest key is like this.",
    ),
    "NonCanonical": Note("KEY_CHECK", "A point in an encoding that is not its own."),
}

EXPORTER = rand("prove exporter")


def scalar(seed: bytes) -> int:
    """The secret scalar, RFC 8032 §5.1.5."""
    h = bytearray(hashlib.sha512(seed).digest()[:32])
    h[0] &= 248
    h[31] = h[31] & 127 | 64
    return int.from_bytes(h, "little")


def fields(role: int, exporter: bytes, key: bytes, signature: bytes) -> dict:
    return {"role": role, "exporter": exporter.hex(), "key": key.hex(), "signature": signature.hex()}


def build() -> VectorFile:
    file = VectorFile(
        "prove", "Proof of an Ed25519 key", ["Strict verification, as for every signature."], NOTES, [KIND]
    )
    group = file.group(KIND)
    seed = rand("prove seed")
    key = ed25519_public(seed)
    proofs = {}
    for role, name in ((1, "a mailbox"), (2, "an account"), (3, "an inbox")):
        proofs[role] = ed25519_sign(seed, signed.proof_message(role, EXPORTER, key))
        group.valid(name, "Normal", **fields(role, EXPORTER, key, proofs[role]))
    for role in (0, 4):
        signature = ed25519_sign(seed, signed.proof_message(role, EXPORTER, key))
        group.invalid(f"role {role}", "OtherMessage", **fields(role, EXPORTER, key, signature))
    for shown, made in ((1, 2), (2, 1), (3, 2)):
        group.invalid(
            f"role {made} shown as {shown}", "OtherMessage", **fields(shown, EXPORTER, key, proofs[made])
        )
    for offset in (0, 31):
        other = flip(EXPORTER, offset, 0x80)
        group.invalid("another connection", "OtherMessage", **fields(1, other, key, proofs[1]))
    another = ed25519_public(rand("prove other"))
    group.invalid("another key", "OtherMessage", **fields(1, EXPORTER, another, proofs[1]))
    bare = ed25519_sign(seed, EXPORTER + key)
    group.invalid("a signature without label and role", "OtherMessage", **fields(1, EXPORTER, key, bare))
    for offset, mask in ((0, 1), (31, 0x80), (32, 1), (63, 1), (63, 0x80)):
        group.invalid(
            f"bit of byte {offset}", "Modified", **fields(1, EXPORTER, key, flip(proofs[1], offset, mask))
        )
    s = int.from_bytes(proofs[1][32:], "little")
    for times in (1, 2, 8):
        more = (s + times * curve.L).to_bytes(32, "little")
        group.invalid(f"S plus {times} L", "Malleable", **fields(1, EXPORTER, key, proofs[1][:32] + more))
    small_keys(group)
    group.invalid("R is the identity", "SmallOrderR", **identity_r(seed, key))
    mixed(group, seed)
    return file


def find(make, wanted) -> dict:
    """The first of many attempts, each with another exporter value, of which `wanted` holds."""
    for i in range(1000):
        exporter = rand(f"prove attempt {i}")
        key, signature = make(exporter)
        if wanted(key, signed.proof_message(1, exporter, key), signature):
            return fields(1, exporter, key, signature)
    raise AssertionError("no attempt")


def cofactorless(key: bytes, message: bytes, signature: bytes) -> bool:
    """The equation alone, small order or not."""
    a, r = curve.decode(key), curve.decode(signature[:32])
    k = curve.challenge(signature[:32], key, message)
    s = int.from_bytes(signature[32:], "little")
    return curve.multiply(s, curve.BASE) == curve.add(r, curve.multiply(k, a))


def small_keys(group: Group) -> None:
    for t in (0, 4, 2, 1):
        key = curve.encode(curve.TORSION[t])
        s = int.from_bytes(rand("prove small s"), "little") % curve.L
        r = curve.encode(curve.multiply(s, curve.BASE))

        def make(_exporter: bytes, key=key, r=r, s=s) -> tuple[bytes, bytes]:
            return key, r + s.to_bytes(32, "little")

        order = {0: 1, 4: 2, 2: 4, 1: 8}[t]
        group.invalid(
            f"a key of order {order}; the equation holds", "SmallOrderKey", **find(make, cofactorless)
        )
    key = (curve.P + 1).to_bytes(32, "little")
    signature = curve.encode(curve.BASE) + (1).to_bytes(32, "little")
    group.invalid("the identity as p + 1", "NonCanonical", **fields(1, EXPORTER, key, signature))
    key = (1 | 1 << 255).to_bytes(32, "little")
    group.invalid("the identity with a sign", "NonCanonical", **fields(1, EXPORTER, key, signature))


def sign_with(a: int, r: int, key: bytes, r_bytes: bytes, exporter: bytes) -> bytes:
    """RFC 8032 §5.1.6 with a key or an R that is not the scalar's."""
    k = curve.challenge(r_bytes, key, signed.proof_message(1, exporter, key))
    return r_bytes + ((r + k * a) % curve.L).to_bytes(32, "little")


def identity_r(seed: bytes, key: bytes) -> dict:
    r = curve.encode(curve.IDENTITY)
    made = sign_with(scalar(seed), 0, key, r, EXPORTER)
    assert cofactorless(key, signed.proof_message(1, EXPORTER, key), made)
    return fields(1, EXPORTER, key, made)


def mixed(group: Group, seed: bytes) -> None:
    a, r = scalar(seed), int.from_bytes(rand("prove r"), "little") % curve.L
    point, r_point = curve.multiply(a, curve.BASE), curve.multiply(r, curve.BASE)
    key = curve.encode(curve.add(point, curve.TORSION[1]))

    def make(exporter: bytes) -> tuple[bytes, bytes]:
        return key, sign_with(a, r, key, curve.encode(r_point), exporter)

    group.valid("a key with torsion; the equation holds", "MixedOrder", **find(make, cofactorless))
    group.invalid(
        "a key with torsion; the equation holds times 8",
        "Cofactor",
        **find(make, lambda *inputs: not cofactorless(*inputs)),
    )
    honest, r_bytes = curve.encode(point), curve.encode(curve.add(r_point, curve.TORSION[1]))
    made = sign_with(a, r, honest, r_bytes, EXPORTER)
    group.invalid(
        "an R with torsion; the equation holds times 8", "Cofactor", **fields(1, EXPORTER, honest, made)
    )
