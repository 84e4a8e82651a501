"""link.json: links of businesses and of relays (SPEC §2)."""

import base64

from plico import link
from plico.primitives import sha256

from .format import Kind, Note, VectorFile, hexadecimal, integer, rand, string


def check(_group: dict, test: dict) -> None:
    found = link.parse(test["link"], False)
    pins = (found.pin.hex(), found.auth.hex(), found.key.hex())
    assert pins == (test["pin"], test["auth"], test["key"])
    assert (found.host, found.port, found.handle) == (test["host"], test["port"], test["handle"])
    assert (found.ref or "") == test["ref"]


def check_relay(_group: dict, test: dict) -> None:
    found = link.parse(test["link"], True)
    assert (found.host, found.port) == (test["host"], test["port"])
    assert (found.pin.hex(), found.auth.hex()) == (test["pin"], test["auth"])


PLACE = {
    "link": string("the link"),
    "host": string("HOST, an IPv6 address in its brackets"),
    "port": integer("PORT"),
    "pin": hexadecimal("SHA-256 of the relay's SubjectPublicKeyInfo", 32),
    "auth": hexadecimal("SHA-256 of the authority key", 32),
}
PARTS = ("host", "port", "pin", "auth")
LINK = Kind(
    "Link",
    "a business at a relay; the parts are absent if invalid",
    {},
    {
        **PLACE,
        "handle": string("HANDLE"),
        "key": hexadecimal("SHA-256 of the account key", 32),
        "ref": string("the decoded reference, empty for none"),
    },
    check,
    (*PARTS, "handle", "key", "ref"),
)
RELAY = Kind("RelayLink", "a relay alone; the parts are absent if invalid", {}, PLACE, check_relay, PARTS)

NOTES = {
    "Normal": Note("BASIC", "A link as it is made."),
    "Reference": Note("CONFORMANCE", "What `ref` may be."),
    "Pin": Note("AUTH_BYPASS", "A pin is missing or is no hash; without pins there is no trust root."),
    "Parameter": Note("CONFORMANCE", "Unknown, repeated or misplaced parameters."),
    "Place": Note("CONFORMANCE", "Scheme, host, port or path."),
}

HASHES = {name: sha256(rand(f"link {name}")) for name in ("pin", "auth", "key")}


def text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


PIN, AUTH, KEY = (text(HASHES[name]) for name in ("pin", "auth", "key"))
QUERY = f"pin={PIN}&auth={AUTH}"
BUSINESS = f"{QUERY}&key={KEY}"
HOST = "relay.example:4433"


def build() -> VectorFile:
    file = VectorFile("link", "Links", ["What a QR code holds."], NOTES, [LINK, RELAY])
    links(file.group(LINK))
    relays(file.group(RELAY))
    return file


def links(group) -> None:
    hashes = {name: value.hex() for name, value in HASHES.items()}

    def good(
        comment: str, flag: str, made: str, host: str = "relay.example", port: int = 4433, **more
    ) -> None:
        fields = {"host": host, "port": port, "handle": "banque-exemple", "ref": "", **hashes, **more}
        group.valid(comment, flag, link=made, **fields)

    base = f"plico://{HOST}/banque-exemple?{BUSINESS}"
    good("a link", "Normal", base)
    good(
        "parameters in another order",
        "Normal",
        f"plico://{HOST}/banque-exemple?key={KEY}&auth={AUTH}&pin={PIN}",
    )
    for host in ("192.0.2.7", "[2001:db8::7]", "localhost"):
        good(host, "Normal", f"plico://{host}:4433/banque-exemple?{BUSINESS}", host)
    for port in (1, 65535):
        good(f"port {port}", "Place", f"plico://relay.example:{port}/banque-exemple?{BUSINESS}", port=port)
    for handle in ("abc", "a" * 32):
        good(f"handle {handle}", "Normal", f"plico://{HOST}/{handle}?{BUSINESS}", handle=handle)
    references(group, good, base)
    places(group)
    for name in ("pin", "auth", "key"):
        value = text(HASHES[name])
        bad_pins = {
            "missing": base.replace(f"{name}={value}", "").replace("?&", "?").replace("&&", "&").rstrip("&"),
            "empty": base.replace(value, ""),
            "of 42 characters": base.replace(value, value[:-1]),
            "of 44 characters": base.replace(value, value + "A"),
            "with padding": base.replace(value, value + "="),
            "with a character of base64 that is not of base64url": base.replace(value, "+" + value[1:]),
            "with spare bits set": base.replace(value, value[:-1] + spare(value[-1])),
        }
        for comment, made in bad_pins.items():
            group.invalid(f"{name} {comment}", "Pin", link=made)
    for comment, made in {
        "an unknown parameter": base + "&colour=red",
        "pin twice": base + f"&pin={PIN}",
        "ref twice": base + "&ref=a&ref=a",
        "a parameter without value": base + "&ref",
        "a parameter in capitals": base.replace("pin=", "PIN="),
        "a fragment": base + "#top",
    }.items():
        group.invalid(comment, "Parameter", link=made)


def spare(last: str) -> str:
    """The next of the four characters that stand for the same bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(last) + 1]


def references(group, good, base: str) -> None:
    for comment, encoded, decoded in (
        ("a word", "ORDER-77", "ORDER-77"),
        ("empty", "", ""),
        ("percent-encoded", "caf%C3%A9%20%26%20bar", "caf\u00e9 & bar"),
        ("lower-case percent-encoding", "%c3%a9", "\u00e9"),
        ("not encoded where it need not be", "table/12?caf\u00e9", "table/12?caf\u00e9"),
        ("256 bytes", "a" * 256, "a" * 256),
        ("256 bytes of two-byte characters", "%C3%A9" * 128, "\u00e9" * 128),
    ):
        good(f"ref: {comment}", "Reference", f"{base}&ref={encoded}", ref=decoded)
    for comment, encoded in (
        ("257 bytes", "a" * 257),
        ("258 bytes of two-byte characters", "%C3%A9" * 129),
        ("not UTF-8", "%FF"),
        ("half an encoding", "a%C"),
        ("no hex", "%ZZ"),
        ("a percent sign", "100%"),
    ):
        group.invalid(f"ref: {comment}", "Reference", link=f"{base}&ref={encoded}")


def places(group) -> None:
    for comment, made in {
        "another scheme": f"https://{HOST}/banque-exemple?{BUSINESS}",
        "no scheme": f"{HOST}/banque-exemple?{BUSINESS}",
        "no port": f"plico://relay.example/banque-exemple?{BUSINESS}",
        "an empty port": f"plico://relay.example:/banque-exemple?{BUSINESS}",
        "port 0": f"plico://relay.example:0/banque-exemple?{BUSINESS}",
        "port 65536": f"plico://relay.example:65536/banque-exemple?{BUSINESS}",
        "port with a sign": f"plico://relay.example:+4433/banque-exemple?{BUSINESS}",
        "port in words": f"plico://relay.example:quic/banque-exemple?{BUSINESS}",
        "no host": f"plico://:4433/banque-exemple?{BUSINESS}",
        "an IPv6 address without brackets": f"plico://2001:db8::7:4433/banque-exemple?{BUSINESS}",
        "no IPv6 address in brackets": f"plico://[relay]:4433/banque-exemple?{BUSINESS}",
        "a user": f"plico://user@{HOST}/banque-exemple?{BUSINESS}",
        "a space in the host": f"plico://relay example:4433/banque-exemple?{BUSINESS}",
        "no handle": f"plico://{HOST}/?{BUSINESS}",
        "a handle in capitals": f"plico://{HOST}/Banque?{BUSINESS}",
        "a handle of two characters": f"plico://{HOST}/ab?{BUSINESS}",
        "a longer path": f"plico://{HOST}/banque-exemple/card?{BUSINESS}",
        "a slash after the handle": f"plico://{HOST}/banque-exemple/?{BUSINESS}",
        "no query": f"plico://{HOST}/banque-exemple",
        "an empty text": "",
    }.items():
        group.invalid(comment, "Place", link=made)


def relays(group) -> None:
    place = {"pin": HASHES["pin"].hex(), "auth": HASHES["auth"].hex()}
    base = f"plico://{HOST}/?{QUERY}"
    group.valid("a relay", "Normal", link=base, host="relay.example", port=4433, **place)
    made = f"plico://[::1]:1/?{QUERY}"
    group.valid("by address", "Normal", link=made, host="[::1]", port=1, **place)
    group.invalid("a business", "Place", link=f"plico://{HOST}/banque-exemple?{BUSINESS}")
    group.invalid("a path", "Place", link=f"plico://{HOST}/banque-exemple?{QUERY}")
    group.invalid("a key", "Parameter", link=f"{base}&key={KEY}")
    group.invalid("a ref", "Parameter", link=f"{base}&ref=a")
    group.invalid("no pin", "Pin", link=f"plico://{HOST}/?auth={AUTH}")
    group.invalid("no auth", "Pin", link=f"plico://{HOST}/?pin={PIN}")
    group.invalid("port 0", "Place", link=f"plico://relay.example:0/?{QUERY}")
