"""ledger.json: entries, proofs, heads and receipts (SPEC §14.1 to §14.4)."""

from dataclasses import replace

from plico import ledger
from plico.ledger import ACCEPT, CORRECTION, PAYMENT, RELEASE, RESTORED, SETTLE, SUBSCRIPTION, Entry
from plico.primitives import ed25519_public, ed25519_sign
from plico.wire import u32, u64

from .format import Group, Kind, Note, VectorFile, array, flip, hexadecimal, integer, rand

AUTHORITY_SEED, KEY_SEED = rand("ledger authority"), rand("ledger key")
AUTHORITY, KEY = ed25519_public(AUTHORITY_SEED), ed25519_public(KEY_SEED)
ACCOUNT = ed25519_public(rand("ledger account"))
HOUR = 495_000
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 13)


def check_key(_group: dict, test: dict) -> None:
    found = ledger.verify_key(bytes.fromhex(test["ledgerKey"]), bytes.fromhex(test["authority"]))
    assert found.hex() == test["key"]


def check_entry(_group: dict, test: dict) -> None:
    data = bytes.fromhex(test["entry"])
    assert ledger.decode_entry(data).encode() == data


def proof_of(test: dict) -> list[bytes]:
    return [bytes.fromhex(item) for item in test["proof"]]


def check_inclusion(_group: dict, test: dict) -> None:
    hashed = ledger.leaf(bytes.fromhex(test["entry"]))
    ledger.verify_inclusion(hashed, test["index"], test["size"], proof_of(test), bytes.fromhex(test["root"]))


def check_consistency(_group: dict, test: dict) -> None:
    old, new = bytes.fromhex(test["earlierRoot"]), bytes.fromhex(test["root"])
    ledger.verify_consistency(test["earlierSize"], test["size"], old, new, proof_of(test))


def check_receipt(_group: dict, test: dict) -> None:
    receipt, key, account = (bytes.fromhex(test[n]) for n in ("receipt", "key", "account"))
    ledger.verify_receipt(receipt, key, (test["validFrom"], test["validTo"]), account)


PROOF = array("the proof", hexadecimal("a node", 32))
LEDGER_KEY = Kind(
    "LedgerKey",
    "§14.1: whether the authority certified the key",
    {},
    {
        "authority": hexadecimal("authority key", 32),
        "key": hexadecimal("the ledger key", 32),
        "ledgerKey": hexadecimal("the certified key"),
    },
    check_key,
)
ENTRY = Kind(
    "Entry",
    "§14.2: read and written again as it was, or refused",
    {},
    {"entry": hexadecimal("entry")},
    check_entry,
)
INCLUSION = Kind(
    "Inclusion",
    "§14.3: whether the entry is in the tree",
    {},
    {
        "entry": hexadecimal("entry", 52),
        "index": integer("its place"),
        "size": integer("entries in the tree"),
        "root": hexadecimal("root", 32),
        "proof": PROOF,
    },
    check_inclusion,
)
CONSISTENCY = Kind(
    "Consistency",
    "§14.3: whether the earlier tree is the beginning of the later",
    {},
    {
        "earlierSize": integer("entries in the earlier tree"),
        "earlierRoot": hexadecimal("its root", 32),
        "size": integer("entries in the later tree"),
        "root": hexadecimal("its root", 32),
        "proof": PROOF,
    },
    check_consistency,
)
RECEIPT = Kind(
    "Receipt",
    "§14.4: whether the receipt is of this account and signed by this ledger key",
    {},
    {
        "key": hexadecimal("ledger key", 32),
        "validFrom": integer("its first hour"),
        "validTo": integer("the first hour after it"),
        "account": hexadecimal("account", 32),
        "receipt": hexadecimal("receipt"),
    },
    check_receipt,
)

NOTES = {
    "Normal": Note("BASIC", "What an honest relay gives."),
    "Field": Note("CONFORMANCE", "A field that the table does not allow."),
    "Signature": Note("AUTH_BYPASS", "Signed by another, over something else, or changed."),
    "Proof": Note(
        "AUTH_BYPASS", "A proof of another entry, place, size or tree, or one that is too long or short."
    ),
    "Length": Note("CONFORMANCE", "Bytes are missing or left."),
    "Time": Note("CONFORMANCE", "A ledger key vouches for what is dated in its validity."),
}


def entry(kind: int, sequence: int, ref: int | None = None, reason: int | None = None) -> Entry:
    """An honest entry."""
    own = kind in (ACCEPT, SETTLE, RELEASE)
    hour = HOUR if kind in (SETTLE, RELEASE) else HOUR + 7
    return Entry(
        kind,
        sequence,
        hour,
        rand("ledger submit", 16) if own else bytes(16),
        ref if ref is not None else {ACCEPT: sequence, RESTORED: 29_700_000}.get(kind, 0),
        2 if own else 0,
        b"FR" if own else bytes(2),
        b"EUR",
        0 if kind == RESTORED else 50_000,
        reason or ledger.REASONS[kind][0],
    )


def build() -> VectorFile:
    kinds = [LEDGER_KEY, ENTRY, INCLUSION, CONSISTENCY, RECEIPT]
    file = VectorFile(
        "ledger", "Ledger", ["What a business keeps to check what it is asked to pay."], NOTES, kinds
    )
    keys(file.group(LEDGER_KEY))
    entries(file.group(ENTRY))
    leaves = [entry(ACCEPT, i).encode() for i in range(max(SIZES))]
    inclusions(file.group(INCLUSION), leaves)
    consistencies(file.group(CONSISTENCY), [ledger.leaf(data) for data in leaves])
    receipts(file.group(RECEIPT), leaves)
    return file


def certified(body: bytes, seed: bytes = AUTHORITY_SEED) -> bytes:
    return body + ed25519_sign(seed, ledger.key_message(body))


def key_body() -> bytes:
    """An honest key's."""
    return ledger.key_body(KEY, HOUR, HOUR + 9600)


def receipt() -> bytes:
    """The receipt of one entry alone."""
    data = entry(ACCEPT, 0).encode()
    fields = ACCOUNT, 0, 1, ledger.leaf(data), HOUR
    head = ACCOUNT + u32(0) + u64(1) + ledger.leaf(data) + u32(HOUR)
    return data + u32(0) + head + ed25519_sign(KEY_SEED, ledger.head_message(*fields))


def keys(group: Group) -> None:
    def add(result: str, comment: str, flag: str, data: bytes) -> None:
        group.add(result, comment, flag, authority=AUTHORITY.hex(), key=KEY.hex(), ledgerKey=data.hex())

    good = key_body()
    add("valid", "a key for 400 days", "Normal", certified(good))
    add("valid", "a key for one hour", "Normal", certified(ledger.key_body(KEY, HOUR, HOUR + 1)))
    for hours in (9601, 0, -1):
        add(
            "invalid",
            f"a key for {hours} hours",
            "Field",
            certified(ledger.key_body(KEY, HOUR, HOUR + hours)),
        )
    for version in (0, 2):
        add(
            "invalid", f"version {version}", "Field", certified(ledger.key_body(KEY, HOUR, HOUR + 1, version))
        )
    add("invalid", "signed by itself", "Signature", certified(good, KEY_SEED))
    add("invalid", "signed without the label", "Signature", good + ed25519_sign(AUTHORITY_SEED, good))
    for offset in (1, 32, 36, 40, 41, 104):
        add("invalid", f"byte {offset} changed", "Signature", flip(certified(good), offset))
    add("invalid", "a trailing byte", "Length", certified(good) + b"\0")
    add("invalid", "one byte less", "Length", certified(good)[:-1])


def entries(group: Group) -> None:
    def add(result: str, comment: str, flag: str, made: Entry) -> None:
        group.add(result, comment, flag, entry=made.encode().hex())

    names = {
        ACCEPT: "accept",
        SETTLE: "settle",
        RELEASE: "release",
        SUBSCRIPTION: "subscription",
        PAYMENT: "payment",
        RESTORED: "restored",
        CORRECTION: "correction",
    }
    for kind, name in names.items():
        base = entry(kind, 9, 4 if kind in (SETTLE, RELEASE) else None)
        for reason in range(0, 10):
            fits = reason in ledger.REASONS[kind]
            flag = "Normal" if fits else "Field"
            add(
                "valid" if fits else "invalid", f"{name}, reason {reason}", flag, replace(base, reason=reason)
            )
        for currency in (b"eur", b"EU1", bytes(3)):
            add("invalid", f"{name}, currency {currency!r}", "Field", replace(base, currency=currency))
        if kind in (ACCEPT, SETTLE, RELEASE):
            messages(add, name, base)
        else:
            others(add, name, base)
    good = entry(ACCEPT, 9)
    for kind in (0, 8):
        add("invalid", f"kind {kind}", "Field", replace(good, kind=kind))
    group.invalid("a byte more", "Length", entry=(good.encode() + b"\0").hex())
    group.invalid("a byte less", "Length", entry=good.encode()[:-1].hex())


def messages(add, name: str, base: Entry) -> None:
    for category in (1, 4):
        add("valid", f"{name}, category {category}", "Normal", replace(base, category=category))
    for category in (0, 5):
        add("invalid", f"{name}, category {category}", "Field", replace(base, category=category))
    add("valid", f"{name}, zone ZZ", "Normal", replace(base, zone=b"ZZ"))
    for zone in (b"fr", bytes(2)):
        add("invalid", f"{name}, zone {zone!r}", "Field", replace(base, zone=zone))
    if base.kind == ACCEPT:
        for ref in (8, 10):
            add("invalid", f"{name}, ref {ref} at 9", "Field", replace(base, ref=ref))
        return
    add("valid", f"{name}, ref 8 at 9", "Normal", replace(base, ref=8))
    for ref in (9, 10):
        add("invalid", f"{name}, ref {ref} at 9", "Field", replace(base, ref=ref))
    for hour in (HOUR + 1, HOUR + 8, HOUR + 12, HOUR + 23):
        add("invalid", f"{name}, hour {hour % 24} of the day", "Field", replace(base, hour=hour))


def others(add, name: str, base: Entry) -> None:
    add("invalid", f"{name}, a submit_id", "Field", replace(base, submit_id=rand("ledger submit", 16)))
    add("invalid", f"{name}, category 1", "Field", replace(base, category=1))
    add("invalid", f"{name}, zone FR", "Field", replace(base, zone=b"FR"))
    if base.kind == RESTORED:
        add("valid", f"{name}, generation 1", "Normal", replace(base, ref=1))
        for ref in (0, 2**32, 2**64 - 1):
            add("invalid", f"{name}, generation {ref}", "Field", replace(base, ref=ref))
        add("invalid", f"{name}, an amount", "Field", replace(base, amount=1))
    else:
        add("invalid", f"{name}, a ref", "Field", replace(base, ref=1))


def inclusions(group: Group, leaves: list[bytes]) -> None:
    def add(result: str, comment: str, flag: str, at: int, size: int, proof: list[bytes], **change) -> None:
        hashed = [ledger.leaf(data) for data in leaves[:size]]
        values = {"entry": leaves[at], "index": at, "size": size, "root": ledger.root(hashed), **change}
        values = {k: v.hex() if isinstance(v, bytes) else v for k, v in values.items()}
        group.add(result, comment, flag, **values, proof=[item.hex() for item in proof])

    for size in SIZES:
        hashed = [ledger.leaf(data) for data in leaves[:size]]
        for index in sorted({0, size // 2, size - 1}):
            proof = ledger.inclusion(hashed, index)
            add("valid", f"{index} of {size}", "Normal", index, size, proof)
            add("invalid", f"{index} of {size}, a node too many", "Proof", index, size, [*proof, bytes(32)])
            if proof:
                add("invalid", f"{index} of {size}, a node too few", "Proof", index, size, proof[:-1])
                wrong = [flip(proof[0], 0), *proof[1:]]
                add("invalid", f"{index} of {size}, a node changed", "Proof", index, size, wrong)
                add(
                    "invalid",
                    f"{index} of {size}, another entry",
                    "Proof",
                    index,
                    size,
                    proof,
                    entry=flip(leaves[index], 51),
                )
                add(
                    "invalid",
                    f"{index} of {size}, another place",
                    "Proof",
                    index,
                    size,
                    proof,
                    index=index ^ 1,
                )
    hashed = [ledger.leaf(data) for data in leaves[:8]]
    add("invalid", "a place behind the end", "Proof", 7, 8, ledger.inclusion(hashed, 7), index=8)
    add("invalid", "an empty tree", "Proof", 0, 0, [])
    # Roots that only a relay can choose, of trees that are deeper than they have entries for.
    extra = rand("ledger extra node")
    for size in (1, 2):
        proof = ledger.inclusion(hashed[:size], 0)
        deep = ledger.node(extra, ledger.root(hashed[:size]))
        add(
            "invalid",
            f"a tree of {size} that is a level deeper",
            "Proof",
            0,
            size,
            [*proof, extra],
            root=deep,
        )


def consistencies(group: Group, leaves: list[bytes]) -> None:
    def add(
        result: str, comment: str, flag: str, first: int, second: int, proof: list[bytes], **change: bytes
    ) -> None:
        values = {"earlierRoot": ledger.root(leaves[:first]), "root": ledger.root(leaves[:second]), **change}
        values = {k: v.hex() for k, v in values.items()}
        nodes = [item.hex() for item in proof]
        group.add(result, comment, flag, earlierSize=first, size=second, **values, proof=nodes)

    for second in SIZES:
        for first in sorted({0, 1, second // 2, second - 1, second}):
            proof = ledger.consistency(leaves[:second], first)
            add("valid", f"{first} of {second}", "Normal", first, second, proof)
            add(
                "invalid",
                f"{first} of {second}, a node too many",
                "Proof",
                first,
                second,
                [*proof, bytes(32)],
            )
            if proof:
                add("invalid", f"{first} of {second}, a node too few", "Proof", first, second, proof[:-1])
                other = {"earlierRoot": flip(ledger.root(leaves[:first]), 0)}
                add(
                    "invalid",
                    f"{first} of {second}, another beginning",
                    "Proof",
                    first,
                    second,
                    proof,
                    **other,
                )
                other = {"root": flip(ledger.root(leaves[:second]), 0)}
                add("invalid", f"{first} of {second}, another end", "Proof", first, second, proof, **other)
    extra = rand("ledger extra node")
    proof = [*ledger.consistency(leaves[:5], 3), extra]
    deep = {
        "earlierRoot": ledger.node(extra, ledger.root(leaves[:3])),
        "root": ledger.node(extra, ledger.root(leaves[:5])),
    }
    add("invalid", "trees of 3 and 5 that are a level deeper", "Proof", 3, 5, proof, **deep)
    add("invalid", "the same size, another tree", "Proof", 3, 3, [], earlierRoot=bytes(32))
    add("invalid", "the earlier tree is larger", "Proof", 4, 3, [])
    add("invalid", "an empty tree with another root", "Proof", 0, 3, [], earlierRoot=bytes(32))


def receipts(group: Group, leaves: list[bytes]) -> None:
    hashed = [ledger.leaf(data) for data in leaves]
    tree, size, index = ledger.root(hashed), len(leaves), 5

    def head(seed: bytes = KEY_SEED, account: bytes = ACCOUNT, generation: int = 0) -> bytes:
        message = ledger.head_message(account, generation, size, tree, HOUR)
        fields = account + u32(generation) + u64(size) + tree + u32(HOUR)
        return fields + ed25519_sign(seed, message)

    def made(signed: bytes, proof: list[bytes], data: bytes = leaves[index]) -> bytes:
        return data + u32(len(proof)) + b"".join(proof) + signed

    def add(
        result: str, comment: str, flag: str, data: bytes, start: int = HOUR, end: int = HOUR + 1
    ) -> None:
        values = {"key": KEY.hex(), "validFrom": start, "validTo": end, "account": ACCOUNT.hex()}
        group.add(result, comment, flag, **values, receipt=data.hex())

    proof = ledger.inclusion(hashed, index)
    good = made(head(), proof)
    add("valid", "a receipt", "Normal", good)
    add("valid", "of another generation", "Normal", made(head(generation=29_700_000), proof))
    add("invalid", "signed by another", "Signature", made(head(AUTHORITY_SEED), proof))
    add("invalid", "of another account", "Signature", made(head(account=AUTHORITY), proof))
    for offset in (-1, -64, -65, -68, -69, -101, -108, -112, -113, -144):
        add(
            "invalid",
            f"byte {len(good) + offset} of the head changed",
            "Signature",
            flip(good, len(good) + offset),
        )
    add("invalid", "dated before the key's validity", "Time", good, HOUR + 1, HOUR + 2)
    add("invalid", "dated after the key's validity", "Time", good, HOUR - 1, HOUR)
    add("invalid", "of another entry", "Proof", made(head(), proof, leaves[index + 1]))
    add("invalid", "an amount changed", "Proof", made(head(), proof, flip(leaves[index], 50)))
    add("invalid", "a node too few", "Proof", made(head(), proof[:-1]))
    add("invalid", "66 nodes", "Length", made(head(), [bytes(32)] * 66))
    add("invalid", "a byte after it", "Length", good + b"\0")
    add("invalid", "a byte less", "Length", good[:-1])
