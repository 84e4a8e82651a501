"""SPEC §14.1 to §14.4: the ledger key, entries, the tree, heads and receipts."""

from dataclasses import dataclass

from .primitives import need, sha256
from .signed import need_signature
from .wire import Reader, u8, u32, u64

ACCEPT, SETTLE, RELEASE, SUBSCRIPTION, PAYMENT, RESTORED, CORRECTION = range(1, 8)
REASONS = {
    ACCEPT: (1, 2, 3),
    SETTLE: (4, 5),
    RELEASE: (6, 7),
    SUBSCRIPTION: (8,),
    PAYMENT: (8,),
    RESTORED: (8,),
    CORRECTION: (8,),
}
PROOF_MAX = 65


def key_message(body: bytes) -> bytes:
    return b"plico/1 ledger key\0" + body


def key_body(key: bytes, start: int, end: int, version: int = 1) -> bytes:
    """§14.1."""
    return u8(version) + key + u32(start) + u32(end)


def read_key(reader: Reader) -> bytes:
    """The body of §14.1's table."""
    need(reader.u8() == 1, "version")
    key, start, end = reader.take(32), reader.u32(), reader.u32()
    need(start < end <= start + 9600, "validity")
    return key


def verify_key(data: bytes, authority: bytes) -> bytes:
    """The ledger key that the authority certified."""
    reader = Reader(data)
    key = read_key(reader)
    signature = reader.take(64)
    reader.end()
    need_signature(authority, key_message(data[:-64]), signature)
    return key


@dataclass(frozen=True)
class Entry:
    kind: int
    sequence: int
    hour: int
    submit_id: bytes
    ref: int
    category: int
    zone: bytes
    currency: bytes
    amount: int
    reason: int

    def encode(self) -> bytes:
        """The table of §14.2."""
        head = u8(self.kind) + u64(self.sequence) + u32(self.hour) + self.submit_id + u64(self.ref)
        return head + u8(self.category) + self.zone + self.currency + u64(self.amount) + u8(self.reason)


def letters(data: bytes) -> bool:
    return all(65 <= byte <= 90 for byte in data)


def read_entry(reader: Reader) -> Entry:
    """§14.2: what the table does not allow is refused."""
    kind = reader.one_of(range(1, 8))
    sequence, hour, submit_id, ref = reader.u64(), reader.u32(), reader.take(16), reader.u64()
    category, zone, currency = reader.u8(), reader.take(2), reader.take(3)
    entry = Entry(kind, sequence, hour, submit_id, ref, category, zone, currency, reader.u64(), reader.u8())
    need(entry.reason in REASONS[kind], "reason")
    need(letters(currency), "currency")
    if kind in (ACCEPT, SETTLE, RELEASE):
        need(1 <= category <= 4 and letters(zone), "category or zone")
        need(ref == sequence if kind == ACCEPT else ref < sequence, "ref")
    else:
        need(submit_id == bytes(16) and category == 0 and zone == bytes(2), "not a message's")
        need(kind == RESTORED or ref == 0, "ref")
    if kind in (SETTLE, RELEASE):
        need(hour % 24 == 0, "hour of settlement")
    if kind == RESTORED:
        need(entry.amount == 0, "amount")
        need(0 < ref < 2**32, "generation")
    return entry


def decode_entry(data: bytes) -> Entry:
    reader = Reader(data)
    entry = read_entry(reader)
    reader.end()
    return entry


def leaf(entry: bytes) -> bytes:
    return sha256(b"\0" + entry)


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right)


def split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, over leaf hashes."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node(root(leaves[:k]), root(leaves[k:]))


def inclusion(leaves: list[bytes], index: int) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*inclusion(leaves[:k], index), root(leaves[k:])]
    return [*inclusion(leaves[k:], index - k), root(leaves[:k])]


def consistency(leaves: list[bytes], size: int, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962 §2.1.2; empty where §14.3 says so."""
    if size in (0, len(leaves)):
        return [] if whole or size == 0 else [root(leaves)]
    k = split(len(leaves))
    if size <= k:
        return [*consistency(leaves[:k], size, whole), root(leaves[k:])]
    return [*consistency(leaves[k:], size - k, False), root(leaves[:k])]


def verify_inclusion(hashed: bytes, index: int, size: int, path: list[bytes], wanted: bytes) -> None:
    """RFC 9162 §2.1.3.2."""
    need(index < size, "index")
    fn, sn, r = index, size - 1, hashed
    for p in path:
        need(sn != 0, "proof is too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and r == wanted, "inclusion")


def verify_consistency(first: int, second: int, old: bytes, new: bytes, path: list[bytes]) -> None:
    """RFC 9162 §2.1.4.2, and §14.3 for trees that are empty or the same."""
    need(first <= second, "sizes")
    if first in (0, second):
        need(not path, "proof of nothing")
        need(old == (new if first else sha256(b"")), "consistency")
        return
    need(bool(path), "no proof")
    path = [old, *path] if first & (first - 1) == 0 else path
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        need(sn != 0, "proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and fr == old and sr == new, "consistency")


def head_message(account: bytes, generation: int, size: int, tree: bytes, hour: int) -> bytes:
    """§14.4."""
    return b"plico/1 head\0" + account + u32(generation) + u64(size) + tree + u32(hour)


@dataclass(frozen=True)
class Head:
    account: bytes
    generation: int
    size: int
    root: bytes
    hour: int


def read_head(reader: Reader, key: bytes) -> Head:
    """A head that this ledger key signed."""
    account, generation, size = reader.take(32), reader.u32(), reader.u64()
    tree, hour, signature = reader.take(32), reader.u32(), reader.take(64)
    need_signature(key, head_message(account, generation, size, tree, hour), signature)
    return Head(account, generation, size, tree, hour)


def verify_receipt(data: bytes, key: bytes, hours: tuple[int, int], account: bytes) -> None:
    """§14.4: the entry is in the head's tree, and the head of this account and of the key's validity."""
    reader = Reader(data)
    hashed = leaf(reader.rest[:52])
    entry = read_entry(reader)
    path = reader.listed(PROOF_MAX, lambda: reader.take(32))
    head = read_head(reader, key)
    reader.end()
    need(head.account == account, "another account")
    need(hours[0] <= head.hour < hours[1], "dated outside the ledger key's validity")
    verify_inclusion(hashed, entry.sequence, head.size, path, head.root)
