"""derive.json: every labelled hash, HMAC and HKDF of the protocol, on its own."""

from collections.abc import Callable
from dataclasses import dataclass

from plico import handshake, hpke, message, ratchet, signed, ticket
from plico.primitives import x25519_public

from .format import Kind, Note, VectorFile, hexadecimal, integer, rand

NOTES = {"Normal": Note("BASIC", "Inputs without structure: arbitrary bytes, not keys in use.")}


@dataclass(frozen=True)
class Derivation:
    """Outputs from inputs; an input's length is None where it varies and 0 where it is a number."""

    type: str
    description: str
    inputs: dict[str, tuple[int | None, str]]
    outputs: dict[str, tuple[int, str]]
    compute: Callable[..., tuple[bytes, ...]]

    def run(self, test: dict) -> dict[str, str]:
        values = [v if isinstance(v := test[n], int) else bytes.fromhex(v) for n in self.inputs]
        return dict(zip(self.outputs, (out.hex() for out in self.compute(*values)), strict=True))

    def kind(self) -> Kind:
        def check(_group: dict, test: dict) -> None:
            for name, value in self.run(test).items():
                assert test[name] == value, name

        inputs = {
            n: integer(text) if count == 0 else hexadecimal(text, count)
            for n, (count, text) in self.inputs.items()
        }
        outputs = {n: hexadecimal(text, count) for n, (count, text) in self.outputs.items()}
        return Kind(self.type, self.description, {}, {**inputs, **outputs}, check)


def secrets(th: bytes, dhs: bytes, ss: bytes) -> tuple[bytes, ...]:
    k = handshake.derive(th, [dhs], ss)
    return k.sk, k.hka, k.nhkb, k.sid, k.ad


def message_keys(mk: bytes, header_nonce: bytes) -> tuple[bytes, ...]:
    k = message.message_keys(mk, header_nonce)
    return k.k_enc, k.nonce, k.k_f


def replay_id(spk_id: int, pq_id: int, eka: bytes) -> tuple[bytes]:
    return (handshake.Handshake(bytes(32), eka, spk_id, 0, pq_id, bytes(1088)).replay_id(),)


DERIVATIONS = [
    Derivation(
        "HandshakeSecrets",
        "§8.1: SK, HKA, NHKB, SID and AD",
        {
            "th": (32, "transcript hash"),
            "dhs": (None, "three or four DH results, joined in the order of §8.1"),
            "ss": (32, "SS of ML-KEM"),
        },
        {"sk": (32, "SK"), "hka": (32, "HKA"), "nhkb": (32, "NHKB"), "sid": (32, "SID"), "ad": (32, "AD")},
        secrets,
    ),
    Derivation(
        "RootStep",
        "§8.2: KDF_RK_HE",
        {"rk": (32, "rk"), "dh": (32, "dh")},
        {"rkNext": (32, "rk'"), "ck": (32, "ck"), "nhk": (32, "nhk")},
        ratchet.kdf_rk_he,
    ),
    Derivation(
        "ChainStep",
        "§8.2: KDF_CK",
        {"ck": (32, "ck")},
        {"ckNext": (32, "ck'"), "mk": (32, "mk")},
        ratchet.kdf_ck,
    ),
    Derivation(
        "MessageKeys",
        "§8.4: what a message key gives",
        {"mk": (32, "mk"), "headerNonce": (24, "nonce of the encrypted header")},
        {"kEnc": (32, "k_enc"), "nonce": (12, "nonce"), "kF": (32, "k_f")},
        message_keys,
    ),
    Derivation(
        "Commitment",
        "§8.4: C2; `padded` is shorter here than in an envelope",
        {"kF": (32, "k_f"), "sizeClass": (0, "size class"), "padded": (None, "padded")},
        {"c2": (32, "C2")},
        lambda *inputs: (message.commitment(*inputs),),
    ),
    Derivation(
        "ReplayId",
        "§8.1: the replay id",
        {"spkId": (0, "spk_id"), "pqId": (0, "pq_id"), "eka": (32, "EKA")},
        {"replayId": (32, "replay id")},
        replay_id,
    ),
    Derivation(
        "HpkeDeriveKeyPair",
        "RFC 9180 §7.1.3, from the `ikm` of §8.4",
        {"ikm": (32, "ikm")},
        {"private": (32, "skE")},
        lambda ikm: (hpke.derive_private(ikm),),
    ),
    Derivation(
        "Exporter",
        "§10: the exporter value, for TLS stacks without RFC 8446 §7.5",
        {
            "hashBits": (0, "256 or 384: SHA-256 or SHA-384, the hash of the cipher suite"),
            "exporterMasterSecret": (None, "exporter_master_secret of RFC 8446 §7.1"),
        },
        {"exporter": (32, "exporter value")},
        lambda bits, secret: (signed.exporter_value(f"sha{bits}", secret),),
    ),
    Derivation(
        "AddressTag",
        "§9: offset 24 of a ticket",
        {"kTag": (32, "k_tag"), "address": (32, "address")},
        {"tag": (16, "address tag")},
        lambda *inputs: (ticket.address_tag(*inputs),),
    ),
    Derivation(
        "TicketCommitment",
        "§9: offset 40 of a ticket",
        {"account": (32, "account key"), "opening": (32, "opening")},
        {"commitment": (32, "commitment")},
        lambda *inputs: (ticket.commitment(*inputs),),
    ),
]


def build() -> VectorFile:
    kinds = {d.type: d.kind() for d in DERIVATIONS}
    file = VectorFile(
        "derive", "Key derivations of Plico", ["Each derivation alone."], NOTES, list(kinds.values())
    )
    for derivation in DERIVATIONS:
        group = file.group(kinds[derivation.type])
        for i in range(3):
            inputs = {
                n: example(f"{derivation.type} {n} {i}", n, count, i)
                for n, (count, _) in derivation.inputs.items()
            }
            group.valid(f"number {i}", "Normal", **inputs, **derivation.run(inputs))
    return file


def example(name: str, field: str, count: int | None, index: int) -> int | str:
    if field == "sizeClass":
        return index + 1
    if field == "hashBits":
        return (256, 384)[index % 2]
    if field == "eka":
        return x25519_public(rand(f"derive {name}")).hex()
    if count == 0:
        return int.from_bytes(rand(f"derive {name}", 4), "big")
    lengths = {
        "dhs": 96 + 32 * (index % 2),
        "padded": 64 * index,
        "exporterMasterSecret": 32 + 16 * (index % 2),
    }
    return rand(f"derive {name}", count or lengths[field]).hex() if count or lengths[field] else ""
