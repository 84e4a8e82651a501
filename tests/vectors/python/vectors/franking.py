"""franking.json: what C2 opens to, and one ciphertext that opens under two keys (SPEC §8.4)."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from plico import envelope, message, ratchet
from plico.primitives import need, open_sealed, x25519_public
from plico.ratchet import Chain, Session

from .format import Kind, Note, VectorFile, flip, hexadecimal, integer, rand
from .world import OPEN, Pair, opened, unopened

P1305 = 2**130 - 5
LENGTH = 2048 - 128


def check(_group: dict, test: dict) -> None:
    """What someone does who is shown `k_f` and `padded`."""
    k_f, padded, c2 = (bytes.fromhex(test[name]) for name in ("kF", "padded", "c2"))
    need(message.commitment(k_f, test["sizeClass"], padded) == c2, "commitment")


KIND = Kind(
    "Opening",
    "whether `k_f` and `padded` open C2 of §8.4",
    {},
    {
        "kF": hexadecimal("k_f", 32),
        "sizeClass": integer("size class"),
        "padded": hexadecimal("padded"),
        "c2": hexadecimal("C2", 32),
    },
    check,
)

NOTES = {
    "Normal": Note("BASIC", "What the recipient of an honest message keeps."),
    "Modified": Note("COMMITMENT", "One part differs."),
    "TwoKeys": Note(
        "COMMITMENT",
        "One envelope whose AEAD verifies under two message keys, with proper padding under both. C2 "
        "commits to one text alone; an implementation that does not recompute it opens both. AD of these "
        "states was solved for, it is the hash of no handshake.",
    ),
}


def build() -> VectorFile:
    file = VectorFile(
        "franking", "Franking commitment", ["C2 alone, and in an envelope."], NOTES, [KIND, OPEN]
    )
    group = file.group(KIND)
    k_f = rand("franking k_f")
    padded = message.pad(b"an offensive message", LENGTH)
    fields = {"kF": k_f, "padded": padded, "c2": message.commitment(k_f, 1, padded)}

    def add(result: str, comment: str, flag: str, size_class: int = 1, **change: bytes) -> None:
        values = {k: v.hex() for k, v in {**fields, **change}.items()}
        group.add(result, comment, flag, sizeClass=size_class, **values)

    add("valid", "what a recipient keeps", "Normal")
    for size_class in (2, 3, 4):
        c2 = message.commitment(k_f, size_class, padded)
        add("valid", f"size class {size_class}", "Normal", size_class, c2=c2)
        add("invalid", f"size class {size_class} in place of 1", "Modified", size_class)
    add("invalid", "another k_f", "Modified", kF=flip(k_f, 0))
    add("invalid", "the last bit of k_f", "Modified", kF=flip(k_f, 31, 0x80))
    add("invalid", "another C2", "Modified", c2=flip(fields["c2"], 0))
    add("invalid", "the last bit of C2", "Modified", c2=flip(fields["c2"], 31, 0x80))
    add("invalid", "another first byte", "Modified", padded=flip(padded, 0))
    add("invalid", "another last byte", "Modified", padded=flip(padded, LENGTH - 1))
    add("invalid", "one zero less", "Modified", padded=padded[:-1])
    add("invalid", "one zero more", "Modified", padded=padded + b"\0")
    two_keys(file)
    return file


def two_keys(file: VectorFile) -> None:
    group = file.group(OPEN)
    first, second, sent = collide()
    _, fields = opened(first, sent)
    group.valid("the key whose text C2 commits to", "TwoKeys", **fields)
    group.invalid("the other key", "TwoKeys", **unopened(second, sent))


def keystream(key: bytes, nonce: bytes, counter: int, length: int) -> bytes:
    """ChaCha20, RFC 8439 §2.4."""
    cipher = Cipher(algorithms.ChaCha20(key, counter.to_bytes(4, "little") + nonce), mode=None)
    return cipher.encryptor().update(bytes(length))


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """draft-irtf-cfrg-xchacha-03 §2.2, from a ChaCha20 block less its initial state."""
    block = keystream(key, nonce[4:], int.from_bytes(nonce[:4], "little"), 64)
    initial = b"expand 32-byte k" + key + nonce
    words = [
        (int.from_bytes(block[i : i + 4], "little") - int.from_bytes(initial[i : i + 4], "little")) % 2**32
        for i in (0, 4, 8, 12, 48, 52, 56, 60)
    ]
    return b"".join(word.to_bytes(4, "little") for word in words)


def one_time_key(key: bytes, nonce: bytes) -> tuple[int, int]:
    """r and s of Poly1305, RFC 8439 §2.6."""
    block = keystream(key, nonce, 0, 32)
    r = int.from_bytes(block[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    return r, int.from_bytes(block[16:], "little")


def blocks(ad: bytes, ciphertext: bytes) -> list[int]:
    """The numbers that Poly1305 sums up, RFC 8439 §2.8."""
    data = ad.ljust(-(-len(ad) // 16) * 16, b"\0") + ciphertext.ljust(-(-len(ciphertext) // 16) * 16, b"\0")
    data += len(ad).to_bytes(8, "little") + len(ciphertext).to_bytes(8, "little")
    return [int.from_bytes(data[i : i + 16], "little") + 2**128 for i in range(0, len(data), 16)]


def coefficients(r: int, numbers: list[int], unknown: tuple[int, ...]) -> tuple[list[int], int]:
    """The sum as a linear function of the blocks in `unknown`: (their factors, the rest)."""
    powers = [pow(r, len(numbers) - i, P1305) for i in range(len(numbers))]
    rest = sum(n * p for i, (n, p) in enumerate(zip(numbers, powers)) if i not in unknown)
    rest += sum(2**128 * powers[i] for i in unknown)
    return [powers[i] for i in unknown], rest % P1305


def solve(rows: list[list[int]], right: list[int]) -> list[int]:
    """Gauss, modulo 2^130 - 5."""
    m = [row + [value] for row, value in zip(rows, right)]
    for i in range(len(m)):
        pivot = next(j for j in range(i, len(m)) if m[j][i] % P1305)
        m[i], m[pivot] = m[pivot], m[i]
        inverse = pow(m[i][i], -1, P1305)
        m[i] = [v * inverse % P1305 for v in m[i]]
        for j in range(len(m)):
            if j != i:
                m[j] = [(a - m[j][i] * b) % P1305 for a, b in zip(m[j], m[i])]
    return [row[-1] for row in m]


def matching_keys(header_nonce: bytes) -> tuple[bytes, bytes]:
    """Two message keys whose streams agree in the last byte of `padded`, so that 0x80 stays 0x80."""
    first = rand("franking mk 0")
    wanted = stream(first, header_nonce)[-1]
    for i in range(1, 10_000):
        second = rand(f"franking mk {i}")
        if stream(second, header_nonce)[-1] == wanted:
            return first, second
    raise AssertionError("no second key")


def stream(mk: bytes, header_nonce: bytes) -> bytes:
    keys = message.message_keys(mk, header_nonce)
    return keystream(keys.k_enc, keys.nonce, 1, LENGTH)


def collide() -> tuple[Session, Session, bytes]:
    """Two states that differ in one stored message key, and an envelope whose AEAD verifies in both.

    Unknown are the two blocks of AD and the tag of the encrypted header, which depends on AD too:
    three equations, of the header's Poly1305 and of the message's under each key.
    """
    header_key, nonce = rand("franking header key"), rand("franking header nonce", 24)
    header = ratchet.Header(x25519_public(rand("franking ratchet key")), 0, 0).encode()
    header_box = ratchet.seal_header(header_key, nonce, bytes(32), header)[:64]
    keys = matching_keys(nonce)
    padded = message.pad(
        b"a text for the recipient, another for the report. ".ljust(LENGTH - 1, b"."), LENGTH
    )
    own = [message.message_keys(mk, nonce) for mk in keys]
    c2 = message.commitment(own[0].k_f, 1, padded)
    ciphertext = bytes(a ^ b for a, b in zip(padded, stream(keys[0], nonce)))
    sub = hchacha20(header_key, nonce[:16]), bytes(4) + nonce[16:]
    r, s_header = one_time_key(*sub)
    factors, rest = coefficients(r, blocks(bytes(32), header_box[24:]), (0, 1))
    rows, rests, masks = [factors + [-1 % P1305]], [rest], []
    for k in own:
        r, s = one_time_key(k.k_enc, k.nonce)
        factors, rest = coefficients(
            r, blocks(bytes(32) + header_box + bytes(16) + c2, ciphertext), (0, 1, 6)
        )
        rows.append(factors), rests.append(rest), masks.append(s)
    for i in range(100_000):
        tag = int.from_bytes(rand(f"franking tag {i}", 16), "little")
        # The sum that gives this tag modulo 2^128; it must not be negative, for p would wrap it around.
        right = [-s_header - rests[0]] + [(tag - masks[j]) % 2**128 - rests[1 + j] for j in range(2)]
        x, y, t = solve(rows, [v % P1305 for v in right])
        # A block has 128 bits, and the header's sum must come to t - s without a carry.
        if max(x, y, t) < 2**128 and t >= s_header:
            ad = x.to_bytes(16, "little") + y.to_bytes(16, "little")
            box = header_box + t.to_bytes(16, "little")
            return finish(keys, header_key, ad, box, c2, ciphertext + tag.to_bytes(16, "little"))
    raise AssertionError("no solution")


def finish(
    keys: tuple[bytes, bytes], header_key: bytes, ad: bytes, box: bytes, c2: bytes, sealed: bytes
) -> tuple[Session, Session, bytes]:
    """Checks that the AEAD verifies under both keys, and builds the states."""
    texts = []
    for mk in keys:
        own = message.message_keys(mk, box[:24])
        texts.append(message.unpad(open_sealed(own.k_enc, own.nonce, ad + box + c2, sealed)))
    assert texts[0] != texts[1]
    base = Pair.answered("franking").person
    base.ad = ad
    states = []
    for mk in keys:
        current = Chain(header_key, 1, {0: mk})
        states.append(Session(**{**base.__dict__, "current": current}))
    return states[0], states[1], envelope.to_mailbox(envelope.Parts(c2, box, sealed, 1))
