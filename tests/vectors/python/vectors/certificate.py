"""certificate.json: certificates as a client takes them, and requests as an operator does (SPEC §6.1, §6.2)."""

from dataclasses import replace

from plico import curve, signed
from plico.primitives import ed25519_public, ed25519_sign, sha256, x25519_public
from plico.signed import Certificate, Request

from .format import Group, Kind, Note, VectorFile, flip, hexadecimal, integer, rand, string

FROM = 494_000
TO = FROM + 2160
AUTHORITY_SEED, ACCOUNT_SEED, INBOX_SEED = (
    rand(f"certificate {n}") for n in ("authority", "account", "inbox")
)
AUTHORITY, ACCOUNT, INBOX = (ed25519_public(s) for s in (AUTHORITY_SEED, ACCOUNT_SEED, INBOX_SEED))
IDENTITY, HINT = (x25519_public(rand(f"certificate {n}")) for n in ("identity", "hint"))
GOOD = Certificate(
    7, "banque-exemple", "Banque Exemple", "banque.example", 1, ACCOUNT, IDENTITY, HINT, INBOX, 3, FROM, TO
)


def check_certificate(_group: dict, test: dict) -> None:
    names = ("certificate", "authority", "auth", "key")
    data, authority, auth, key = (bytes.fromhex(test[n]) for n in names)
    found = signed.verify_certificate(data, authority, auth, test["handle"], key, test["nowHour"])
    assert found.body() == data[:-64]


def check_request(_group: dict, test: dict) -> None:
    data = bytes.fromhex(test["request"])
    assert signed.verify_request(data).body() == data[:-128]


CERTIFICATE = Kind(
    "Certificate",
    "whether a client with this link takes the certificate now: §6.1 and the first lines of §13",
    {},
    {
        "authority": hexadecimal("authority key that came with it", 32),
        "auth": hexadecimal("the link's `auth`", 32),
        "handle": string("the link's handle"),
        "key": hexadecimal("the link's `key`", 32),
        "nowHour": integer("hour"),
        "certificate": hexadecimal("certificate"),
    },
    check_certificate,
)
REQUEST = Kind(
    "Request",
    "whether an operator takes the certificate request",
    {},
    {"request": hexadecimal("certificate request")},
    check_request,
)

NOTES = {
    "Normal": Note("BASIC", "An honest certificate or request."),
    "Pin": Note("AUTH_BYPASS", "Not what the link names."),
    "Signature": Note("AUTH_BYPASS", "Signed by another, over something else, or changed."),
    "Time": Note("CONFORMANCE", "An hour before, at and after a bound."),
    "Field": Note("CONFORMANCE", "The authority signed a field that the table does not allow."),
    "KeyCheck": Note("KEY_CHECK", "The authority signed a key that must be refused."),
    "Length": Note("CONFORMANCE", "A length at or past its bound, or bytes missing or left."),
}


def issued(certificate: Certificate, seed: bytes = AUTHORITY_SEED) -> bytes:
    return certified(certificate.body(), seed)


def certified(body: bytes, seed: bytes = AUTHORITY_SEED) -> bytes:
    return body + ed25519_sign(seed, signed.certificate_message(body))


BAD_HANDLES = ["ab", "-abc", "abc-", "Abc", "a_b", "a.b", "a b", "caf\u00e9", "a" * 33, ""]
GOOD_HANDLES = ["abc", "a-b", "0-9", "a--b", "a" * 32]
BAD_NAMES = {
    "empty": "",
    "blank": "   ",
    "a no-break space alone": "\u00a0",
    "a line feed": "a\nb",
    "a control character of C1": "a\u0085b",
    "a zero byte": "a\0b",
    "not NFC": "Cafe\u0301",
}
GOOD_NAMES = {"NFC": "Caf\u00e9", "Japanese": "\u9280\u884c", "96 bytes": "\u00e9" * 48}
BAD_DOMAINS = ["", "Banque.example", "banque_example", "banque.example/", "caf\u00e9.example", "a" * 254]


def build() -> VectorFile:
    file = VectorFile(
        "certificate",
        "Certificates and requests",
        ["Signed by the authority."],
        NOTES,
        [CERTIFICATE, REQUEST],
    )
    certificates(file.group(CERTIFICATE))
    requests(file.group(REQUEST))
    return file


def certificates(group: Group) -> None:
    def add(result: str, comment: str, flag: str, data: bytes, **change) -> None:
        values = {
            "authority": AUTHORITY,
            "auth": sha256(AUTHORITY),
            "handle": GOOD.handle,
            "key": sha256(ACCOUNT),
            "nowHour": FROM + 24,
        }
        values = {k: v.hex() if isinstance(v, bytes) else v for k, v in {**values, **change}.items()}
        group.add(result, comment, flag, **values, certificate=data.hex())

    good = issued(GOOD)
    add("valid", "a certificate", "Normal", good)
    pins(add, good)
    for name, hour, result in (
        ("an hour before it begins", FROM - 1, "invalid"),
        ("its first hour", FROM, "valid"),
        ("its last hour", TO - 1, "valid"),
        ("at its end", TO, "invalid"),
        ("an hour later", TO + 1, "invalid"),
    ):
        add(result, name, "Time", good, nowHour=hour)
    add("valid", "one hour long", "Time", issued(replace(GOOD, valid_to=FROM + 1)), nowHour=FROM)
    add("invalid", "more than ninety days", "Time", issued(replace(GOOD, valid_to=TO + 1)))
    for offset in range(0, len(good), 16):
        add("invalid", f"bit of byte {offset}", "Signature", flip(good, offset, 1 << offset // 16 % 8))
    fields(add)
    add("invalid", "a trailing byte", "Length", good + b"\0")
    add("invalid", "a trailing byte in the body", "Length", certified(GOOD.body() + b"\0"))
    add("invalid", "one byte less", "Length", good[:-1])
    add("invalid", "the body alone", "Length", GOOD.body())
    add("invalid", "nothing", "Length", b"")


def pins(add, good: bytes) -> None:
    other = ed25519_public(rand("certificate other"))
    add(
        "invalid",
        "another authority, with its own certificate",
        "Pin",
        issued(GOOD, rand("certificate other")),
        authority=other,
    )
    both = {"authority": other, "auth": sha256(other)}
    add("invalid", "another authority's key beside it", "Signature", good, **both)
    add("invalid", "another account than the link's", "Pin", good, key=sha256(other))
    add("invalid", "another handle than the link's", "Pin", good, handle="banque-exemplo")
    body = GOOD.body()
    bare = body + ed25519_sign(AUTHORITY_SEED, body)
    add("invalid", "signed without the label", "Signature", bare)
    request = body + ed25519_sign(AUTHORITY_SEED, signed.request_message(body))
    add("invalid", "signed with a request's label", "Signature", request)


def fields(add) -> None:
    for handle in GOOD_HANDLES:
        add("valid", f"handle {handle!r}", "Field", issued(replace(GOOD, handle=handle)), handle=handle)
    for handle in BAD_HANDLES:
        add(
            "invalid", f"handle {ascii(handle)}", "Field", issued(replace(GOOD, handle=handle)), handle=handle
        )
    for comment, name in GOOD_NAMES.items():
        add("valid", f"name: {comment}", "Field", issued(replace(GOOD, display_name=name)))
    for comment, name in BAD_NAMES.items():
        add("invalid", f"name: {comment}", "Field", issued(replace(GOOD, display_name=name)))
    add("invalid", "name: 97 bytes", "Length", issued(replace(GOOD, display_name="a" * 97)))
    body = GOOD.body()
    at = body.index(b"Banque Exemple")
    add("invalid", "name: not UTF-8", "Field", certified(body[:at] + b"\xff" + body[at + 1 :]))
    add("valid", "domain of 253 bytes", "Length", issued(replace(GOOD, domain="a" * 253)))
    for domain in BAD_DOMAINS:
        comment = f"domain {ascii(domain) if len(domain) < 100 else len(domain)}"
        add("invalid", comment, "Field", issued(replace(GOOD, domain=domain)))
    changes = [("version", (0, 2)), ("domain_check", (0, 4)), ("categories", (0, 16, 19, 0x8001))]
    for field, values in changes:
        for value in values:
            add("invalid", f"{field} {value}", "Field", issued(replace(GOOD, **{field: value})))
    for value in (2, 3):
        add("valid", f"domain_check {value}", "Field", issued(replace(GOOD, domain_check=value)))
    high = (int.from_bytes(IDENTITY, "little") | 1 << 255).to_bytes(32, "little")
    torsion = curve.to_montgomery(curve.add(curve.from_montgomery(IDENTITY), curve.TORSION[1]))
    for field in ("identity", "hint"):
        for what, bad in (("the top bit set", high), ("torsion", torsion), ("zeros", bytes(32))):
            add("invalid", f"{field} key: {what}", "KeyCheck", issued(replace(GOOD, **{field: bad})))


def requests(group: Group) -> None:
    good = Request("banque-exemple", "Banque Exemple", "banque.example", ACCOUNT, IDENTITY, HINT, INBOX)

    def made(request: Request, account: bytes = ACCOUNT_SEED, inbox: bytes = INBOX_SEED) -> bytes:
        message = signed.request_message(request.body())
        return request.body() + ed25519_sign(account, message) + ed25519_sign(inbox, message)

    def add(result: str, comment: str, flag: str, data: bytes) -> None:
        group.add(result, comment, flag, request=data.hex())

    data = made(good)
    add("valid", "a request", "Normal", data)
    add("invalid", "both signatures by the account", "Signature", made(good, inbox=ACCOUNT_SEED))
    add("invalid", "both signatures by the inbox", "Signature", made(good, account=INBOX_SEED))
    add("invalid", "the signatures exchanged", "Signature", made(good, INBOX_SEED, ACCOUNT_SEED))
    message = signed.certificate_message(good.body())
    wrong = good.body() + ed25519_sign(ACCOUNT_SEED, message) + ed25519_sign(INBOX_SEED, message)
    add("invalid", "signed with a certificate's label", "Signature", wrong)
    for offset in range(0, len(data), 24):
        add("invalid", f"bit of byte {offset}", "Signature", flip(data, offset, 1 << offset // 24 % 8))
    for version in (0, 2):
        add("invalid", f"version {version}", "Field", made(replace(good, version=version)))
    for handle in BAD_HANDLES[:4]:
        add("invalid", f"handle {ascii(handle)}", "Field", made(replace(good, handle=handle)))
    for comment, name in BAD_NAMES.items():
        add("invalid", f"name: {comment}", "Field", made(replace(good, display_name=name)))
    for domain in BAD_DOMAINS[:3]:
        add("invalid", f"domain {domain!r}", "Field", made(replace(good, domain=domain)))
    add("invalid", "a trailing byte", "Length", data + b"\0")
    add("invalid", "one byte less", "Length", data[:-1])
    add("invalid", "one signature", "Length", data[:-64])
