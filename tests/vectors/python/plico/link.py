"""SPEC §2: links."""

import base64
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from .primitives import Refused, need

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
HANDLE = re.compile(r"[a-z0-9][a-z0-9-]{1,30}[a-z0-9]")


@dataclass(frozen=True)
class Link:
    host: str
    port: int
    pin: bytes
    auth: bytes
    handle: str | None = None
    key: bytes | None = None
    ref: str | None = None


def read_host(host: str) -> None:
    """A name, an IPv4 address, or an IPv6 address in brackets."""
    if host.startswith("["):
        need(host.endswith("]"), "host")
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise Refused("host") from None
    else:
        need(NAME.fullmatch(host) is not None, "host")


def read_pin(parameters: dict[str, str], name: str) -> bytes:
    """43 characters of base64url without padding."""
    value = parameters.get(name, "")
    need(re.fullmatch(r"[A-Za-z0-9_-]{43}", value) is not None, name)
    pin = base64.urlsafe_b64decode(value + "=")
    # The last character has bits to spare; only one of its four forms is the encoding (RFC 4648 §3.5).
    need(base64.urlsafe_b64encode(pin).decode().rstrip("=") == value, name)
    return pin


def read_ref(value: str | None) -> str | None:
    """UTF-8 of at most 256 bytes, percent-encoded where need be; an empty one is none."""
    if not value:
        return None
    need(re.fullmatch(r"(?:[^%]|%[0-9A-Fa-f]{2})+", value) is not None, "ref")
    data = unquote_to_bytes(value)
    need(len(data) <= 256, "ref is too long")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused("ref is not UTF-8") from None


def parse(text: str, relay_alone: bool) -> Link:
    """One of the two forms."""
    match = re.fullmatch(r"plico://(.*):([0-9]{1,5})/([^?]*)\?(.*)", text.strip())
    if match is None:
        raise Refused("not a link")
    host, port, path, query = match.groups()
    read_host(host)
    need(0 < int(port) < 65536, "port")
    parameters = read_parameters(query, {"pin", "auth"} if relay_alone else {"pin", "auth", "key", "ref"})
    pins = [read_pin(parameters, name) for name in ("pin", "auth")]
    if relay_alone:
        need(path == "", "a path where a relay alone is meant")
        return Link(host, int(port), *pins)
    need(HANDLE.fullmatch(path) is not None, "handle")
    return Link(host, int(port), *pins, path, read_pin(parameters, "key"), read_ref(parameters.get("ref")))


def read_parameters(query: str, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        need(equals == "=" and name in known and name not in found, "parameter")
        found[name] = value
    return found
