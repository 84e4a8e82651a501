"""prekey.json: bundles as a client takes them, publications as a relay does (SPEC §7, §13)."""

from dataclasses import replace

from plico import curve, signed
from plico.primitives import ed25519_public, mlkem_public, x25519_public
from plico.signed import KEM, ONE_TIME, SIGNED, Prekey, sign_prekey

from .format import Group, Kind, Note, VectorFile, flip, hexadecimal, integer, rand

HOUR = 495_000
UNTIL = HOUR + 720
SEED = rand("prekey account")
ACCOUNT = ed25519_public(SEED)


def check_bundle(_group: dict, test: dict) -> None:
    signed.verify_bundle(bytes.fromhex(test["bundle"]), bytes.fromhex(test["account"]), test["nowHour"])


def check_publication(_group: dict, test: dict) -> None:
    data, account = bytes.fromhex(test["publication"]), bytes.fromhex(test["account"])
    signed.verify_publication(data, account, test["nowHour"])


WHO = {
    "account": hexadecimal("account key of the certificate, or that the connection proved", 32),
    "nowHour": integer("hour"),
}
BUNDLE = Kind(
    "Bundle",
    "whether a client may use the bundle for this account now",
    {},
    {**WHO, "bundle": hexadecimal("bundle of §7")},
    check_bundle,
)
PUBLICATION = Kind(
    "Publication",
    "whether a relay takes the publication of this account now; invalid: `bad_prekey` or `malformed`",
    {},
    {**WHO, "publication": hexadecimal("publication of §7")},
    check_publication,
)

NOTES = {
    "Normal": Note("BASIC", "An honest bundle or publication."),
    "Signature": Note("AUTH_BYPASS", "A prekey that another signed, of another type, or that was changed."),
    "Time": Note("CONFORMANCE", "An hour before, at and after a bound."),
    "Id": Note("CONFORMANCE", "Ids that must not be."),
    "KeyCheck": Note(
        "KEY_CHECK", "The account signed a key that a client must refuse; a relay does not look."
    ),
    "Length": Note("CONFORMANCE", "Bytes are missing or left, or there are too many keys."),
}
KINDS = {SIGNED: "signed", KEM: "ML-KEM", ONE_TIME: "one-time"}


def key(kind: int, name: str = "") -> bytes:
    if kind == KEM:
        return mlkem_public(rand(f"prekey {kind} {name}", 64))
    return x25519_public(rand(f"prekey {kind} {name}"))


def prekey(
    kind: int, number: int = 5, until: int = UNTIL, public: bytes | None = None, seed: bytes = SEED
) -> Prekey:
    return sign_prekey(seed, kind, number, until, public or key(kind))


def bad_keys(kind: int) -> dict[str, bytes]:
    """Keys that the account signed and that must be refused."""
    good = key(kind)
    if kind == KEM:
        first = bytes([good[0], good[1] & 0xF0]) + good[2:]
        return {
            "a first coefficient of 3329": (3329).to_bytes(2, "little")[:1]
            + bytes([first[1] | 3329 >> 8])
            + good[2:],
            "a first coefficient of 4095": b"\xff" + bytes([good[1] | 0x0F]) + good[2:],
            "a last coefficient of 4095": good[:1150] + bytes([good[1150] | 0xF0, 0xFF]) + good[1152:],
        }
    high = (int.from_bytes(good, "little") | 1 << 255).to_bytes(32, "little")
    torsion = curve.to_montgomery(curve.add(curve.from_montgomery(good), curve.TORSION[1]))
    return {"the top bit set": high, "torsion": torsion, "zeros": bytes(32)}


def broken(kind: int) -> list[tuple[str, str, Prekey]]:
    """(comment, flag, prekey) for every way in which one prekey is wrong."""
    good = prekey(kind)
    other_type = SIGNED if kind == ONE_TIME else ONE_TIME
    found = [
        ("signed by another", "Signature", prekey(kind, seed=rand("prekey other"))),
        (
            "signature of another type",
            "Signature",
            replace(good, signature=prekey(other_type, public=good.key).signature),
        ),
        ("another id", "Signature", replace(good, id=6)),
        ("another hour", "Signature", replace(good, not_after=UNTIL - 1)),
        ("another key", "Signature", replace(good, key=key(kind, "other"))),
        ("first bit of the signature", "Signature", replace(good, signature=flip(good.signature, 0))),
        ("last byte of the signature", "Signature", replace(good, signature=flip(good.signature, 63))),
        ("id 0", "Id", prekey(kind, 0)),
        ("ended this hour", "Time", prekey(kind, until=HOUR)),
        ("ended an hour ago", "Time", prekey(kind, until=HOUR - 1)),
    ]
    return found + [(name, "KeyCheck", prekey(kind, public=bad)) for name, bad in bad_keys(kind).items()]


def build() -> VectorFile:
    file = VectorFile(
        "prekey",
        "Prekeys",
        ["Signed by the account; checked by relay and client."],
        NOTES,
        [BUNDLE, PUBLICATION],
    )
    bundles(file.group(BUNDLE))
    publications(file.group(PUBLICATION))
    return file


def bundles(group: Group) -> None:
    def data(one_time: bool = True, **changed: Prekey) -> bytes:
        found = {KINDS[kind]: prekey(kind) for kind in KINDS}
        found.update({name: p for name, p in changed.items()})
        return signed.encode_bundle(
            ACCOUNT, found["signed"], found["ML-KEM"], found["one-time"] if one_time else None
        )

    def add(
        result: str, comment: str, flag: str, bundle: bytes, now: int = HOUR, owner: bytes = ACCOUNT
    ) -> None:
        group.add(result, comment, flag, account=owner.hex(), nowHour=now, bundle=bundle.hex())

    add("valid", "with a one-time key", "Normal", data())
    add("valid", "without a one-time key", "Normal", data(False))
    add("valid", "in its last hour", "Time", data(), UNTIL - 1)
    add("invalid", "at its end", "Time", data(), UNTIL)
    add("invalid", "another account's", "Signature", data(), owner=ed25519_public(rand("prekey other")))
    for kind, name in KINDS.items():
        for hours, result in ((1, "valid"), (721, "valid"), (722, "invalid")):
            add(
                result,
                f"{name}: {hours} hours left",
                "Time",
                data(**{name: prekey(kind, until=HOUR + hours)}),
            )
        for comment, flag, bad in broken(kind):
            add("invalid", f"{name}: {comment}", flag, data(**{name: bad}))
    full, short = data(), data(False)
    add("invalid", "a trailing byte", "Length", full + b"\0")
    add("invalid", "one byte less", "Length", full[:-1])
    add("invalid", "option byte 2", "Length", short[:-1] + b"\2")
    add("invalid", "option byte 1 and no key", "Length", short[:-1] + b"\1")
    add("invalid", "option byte 0 and a key", "Length", short + full[len(short) :])
    add("invalid", "nothing", "Length", b"")


def publications(group: Group) -> None:
    def data(
        ids: tuple[int, ...] = (11, 12, 20), void: int = 0, count: int | None = None, **changed: Prekey
    ) -> bytes:
        one_time = [prekey(ONE_TIME, i, public=key(ONE_TIME, str(i))) for i in ids]
        one_time += [changed["one-time"]] if "one-time" in changed else []
        made = signed.encode_publication(
            changed.get("signed", prekey(SIGNED)), changed.get("ML-KEM", prekey(KEM)), void, one_time
        )
        if count is None:
            return made
        at = len(made) - 104 * len(one_time) - 4
        return made[:at] + count.to_bytes(4, "big") + made[at + 4 :]

    def add(result: str, comment: str, flag: str, publication: bytes) -> None:
        group.add(result, comment, flag, account=ACCOUNT.hex(), nowHour=HOUR, publication=publication.hex())

    add("valid", "three one-time keys", "Normal", data())
    add("valid", "no one-time key", "Normal", data(()))
    add("valid", "a void id below", "Id", data(void=10))
    add("valid", "a void id and no key", "Id", data((), void=2**32 - 1))
    add("invalid", "a void id that is also published", "Id", data(void=11))
    add("invalid", "ids that fall", "Id", data((12, 11)))
    add("invalid", "an id twice", "Id", data((11, 11)))
    for kind, name in KINDS.items():
        for hours, result in (
            (1, "valid"),
            (720, "valid"),
            (721, "valid"),
            (722, "invalid"),
            (100_000, "invalid"),
        ):
            limited = prekey(kind, until=HOUR + hours)
            add(result, f"{name}: {hours} hours", "Time", data((), **{name: limited}))
        for comment, flag, bad in broken(kind):
            # A relay does not use the keys, and does not look at them.
            result = "valid" if flag == "KeyCheck" else "invalid"
            add(result, f"{name}: {comment}", flag, data((), **{name: bad}))
    made = data()
    add("invalid", "a trailing byte", "Length", made + b"\0")
    add("invalid", "one byte less", "Length", made[:-1])
    add("invalid", "a count of one more", "Length", data(count=4))
    add("invalid", "a count of one less", "Length", data(count=2))
    add("invalid", "a count of 2^32 - 1", "Length", data(count=2**32 - 1))
    add("valid", "a hundred one-time keys", "Length", data(tuple(range(1, 101))))
    add("invalid", "a hundred and one", "Length", data(tuple(range(1, 102))))
