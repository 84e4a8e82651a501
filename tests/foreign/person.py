"""SPEC §8.7: what a person's device does, for one conversation. It keeps its state in memory."""

import os
import time
from dataclasses import dataclass, field
from typing import Any

from plico import content, envelope, handshake, report, signed, ticket
from plico import profile as profiles
from plico.link import Link
from plico.primitives import Refused, ed25519_public, need, sha256
from plico.ratchet import Session, encode_state
from plico.wire import Reader, u32

from connection import Connection

MAILBOX = 1
SERVICE_AND_UTILITY = 0b0011
TICKET_MINUTES = 30 * 24 * 60


def minute() -> int:
    return int(time.time()) // 60


def hour() -> int:
    return minute() // 60


@dataclass(frozen=True)
class Arrival:
    """One delivery, and what this device did with it."""

    sequence: int
    content: dict[str, Any]
    opened: envelope.Opened
    stamped: bytes
    """Origin and stamp (§11), for a report."""
    size_class: int


@dataclass
class Person:
    link: Link
    certificate: signed.Certificate | None = None
    profile: profiles.Profile | None = None
    session: Session | None = None
    tickets: dict[bytes, bytes] = field(default_factory=dict)
    """Address tags of the tickets it asked for, by ticket id."""
    openings: set[bytes] = field(default_factory=set)
    """C2 of what was opened: a repeated delivery is acknowledged alike (§8.7)."""

    def __post_init__(self) -> None:
        self.mailbox, self.identity = os.urandom(32), os.urandom(32)
        self.address = ed25519_public(self.mailbox)

    # §8.7, step 1

    def look_up(self) -> None:
        """The certificate, by the link's pins alone, and the profile by the certificate."""
        found = self._anonymously("LookUp", "Certified", handle=self.link.handle)
        self.certificate = signed.verify_certificate(
            bytes.fromhex(found["certificate"]),
            bytes.fromhex(found["authority"]),
            self.link.auth,
            self.link.handle,
            self.link.key,
            hour(),
        )
        try:
            told = bytes.fromhex(found["profile"] or "")
            self.profile = profiles.verify(told, self.certificate.account, minute())
        except Refused:
            self.profile = None  # §6.3: as if it were not there

    # Step 2

    def connect(self) -> None:
        """Proves the mailbox, opens it if need be, and subscribes."""
        self.own = Connection(self.link)
        self.own.prove(MAILBOX, self.mailbox, self.address)
        self.own.ask("Open", "Opened", address=self.address.hex())
        self.channel = self.own.subscribe(self.address)

    # Steps 3 to 7

    def say(self, composed: bool, **body: Any) -> bytes:
        """Seals and submits one message; returns its `submit_id`."""
        said: dict[str, Any] = {"id": os.urandom(16).hex(), "composedMs": int(time.time() * 1000), **body}
        first = self.session is None
        if composed or first:
            said["reply"] = self._mint(composed)
        if first and self.link.ref:
            said["ref"] = self.link.ref
        return self.submit(self.seal(content.encode(said)))

    def seal(self, said: bytes) -> bytes:
        """The session's step and the envelope; the step counts, whatever becomes of the envelope."""
        if self.session is None:
            self.session, sealed = self._begin(said)
        else:
            self.session, sealed = envelope.send_to_inbox(
                self.session, self.certificate.hint, said, os.urandom
            )
        return sealed

    def submit(self, sealed: bytes) -> bytes:
        submit_id = u32(hour()) + os.urandom(12)
        self.repeat(submit_id, sealed)
        return submit_id

    def repeat(self, submit_id: bytes, sealed: bytes) -> dict[str, Any]:
        """§5.6: the same bytes under the same id are answered alike."""
        accepted = self._anonymously(
            "Submit",
            "Accepted",
            submitId=submit_id.hex(),
            to=self.certificate.inbox.hex(),
            consent=None,
            envelope=sealed.hex(),
        )
        need(accepted["submitId"] == submit_id.hex(), "the answer to another submission")
        return accepted

    def status(self, submit_id: bytes) -> int:
        return self._anonymously("Status", "State", submitId=submit_id.hex())["state"]

    def _mint(self, window: bool) -> dict[str, str]:
        opening = os.urandom(32)
        minted = bytes.fromhex(
            self.own.ask(
                "Mint",
                "Minted",
                address=self.address.hex(),
                categories=SERVICE_AND_UTILITY,
                messagesMax=50,
                validUntil=minute() + TICKET_MINUTES,
                commitment=ticket.commitment(self.certificate.account, opening).hex(),
                window=window,
            )["ticket"]
        )
        self.tickets[minted[72:88]] = minted[24:40]
        self.free_until = ticket.number(minted, 12, 4)
        return {"address": self.address.hex(), "ticket": minted.hex(), "opening": opening.hex()}

    def _begin(self, said: bytes) -> tuple[Session, bytes]:
        """§7 and §8.1."""
        account = self.certificate.account
        found = bytes.fromhex(self._anonymously("FetchBundle", "Prekeys", account=account.hex())["bundle"])
        signed.verify_bundle(found, account, hour())
        _, spk, pq, opk = signed.decode_bundle(found)
        one_time = (0, None) if opk is None else (opk.id, opk.key)
        bundle = handshake.Bundle(account, self.certificate.identity, spk.id, spk.key, pq.id, pq.key, *one_time)
        session, sealed, _, _ = envelope.send_first(
            self.identity, bundle, self.certificate.hint, said, os.urandom
        )
        return session, sealed

    def _anonymously(self, request: str, answer: str, **values: Any) -> dict[str, Any]:
        """A connection for each, so that the relay sees no two together (§5.3)."""
        connection = Connection(self.link)
        try:
            return connection.ask(request, answer, **values)
        finally:
            connection.close()

    # Deliveries

    def receive(self) -> Arrival | None:
        """The next delivery, opened and acknowledged; None for a repeat."""
        told = self.own.told("Deliver")
        arrival = self.open(told)
        self.own.acknowledge(self.channel, told["sequence"], [])
        return arrival

    def open(self, told: dict[str, Any]) -> Arrival | None:
        """None for a repeat. What §8 or §13 refuses raises and changes nothing: `Refused`, or `Duplicate`
        of a message this device never opened, which comes from a business that was restored (§8.8)."""
        sealed = bytes.fromhex(told["envelope"])
        need(told["channel"] == self.channel and told["stampedOrigin"] is not None, "without an origin")
        stamped = bytes.fromhex(told["stampedOrigin"])
        origin = report.read_origin(Reader(stamped))
        need(origin.account == self.certificate.account, "from another account")
        need(self.tickets.get(origin.ticket_id) == origin.tag, "with a ticket nobody asked for")
        if sealed[:32] in self.openings:
            return None
        self.session, opened = envelope.receive_at_mailbox(self.session, sealed)
        self.openings.add(opened.c2)
        said = content.decode(opened.content)
        return Arrival(told["sequence"], said, opened, stamped, envelope.size_class_of(sealed))

    def report(self, arrival: Arrival) -> int:
        """§11.1, with what the message said."""
        disclosed = {"padded": arrival.opened.padded.hex(), "kF": arrival.opened.k_f.hex()}
        values = {
            "address": self.address.hex(),
            "c2": arrival.opened.c2.hex(),
            "sizeClass": arrival.size_class,
            "stampedOrigin": arrival.stamped.hex(),
            "disclosed": disclosed,
        }
        return self.own.ask("Report", "Reported", **values)["outcome"]

    def fingerprint(self) -> str:
        """Of the whole session, to show that it did not change."""
        return sha256(encode_state(self.session)).hex()
