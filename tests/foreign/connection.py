"""SPEC §3 to §5: a connection to a relay over aioquic, one request after the other.

Nothing runs beside it: the connection moves while somebody waits on it. Every wait has an end.
"""

import logging
import select
import socket
import time
from collections import deque
from typing import Any

from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from plico import frames, signed
from plico.link import Link
from plico.primitives import ed25519_sign, need

from tls import Context, Group

logging.getLogger("quic").setLevel(logging.CRITICAL)  # what fails is raised

WAIT_SECONDS = 20
NUMBERS = {name: number for number, (name, _) in frames.FRAMES.items()}

Frame = tuple[str, dict[str, Any]]


class RefusedByRelay(Exception):
    """`Refused` of §5.2; the numbers are those of §12."""

    def __init__(self, values: dict[str, Any]):
        super().__init__(f"refused {values['code']}: {values['text']}")
        self.code = values["code"]


class Gone(Exception):
    """The connection ended, or never was."""


class Quic(QuicConnection):
    """aioquic's connection with Plico's TLS, and without the spin bit (RFC 9000 §17.4)."""

    _spin_bit = property(lambda self: False, lambda self, value: None)

    def __init__(self, link: Link, group: Group):
        configuration = QuicConfiguration(
            alpn_protocols=["plico/1"],
            server_name=link.host.strip("[]"),
            supported_versions=[1],
            max_stream_data=131_072,
            verify_mode=0,
        )
        self.wanted = link.pin, group
        super().__init__(configuration=configuration)

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        Context.adopt(self.tls, *self.wanted)


class Connection:
    """One connection of one kind (§5.3): its first request fixes which."""

    def __init__(self, link: Link, group: Group = Group.X25519MLKEM768):
        self.quic = Quic(link, group)
        infos = socket.getaddrinfo(link.host.strip("[]"), link.port, type=socket.SOCK_DGRAM)
        family, _, _, _, self.relay = infos[0]
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.received: dict[int, bytes] = {}
        self.answers: deque[Frame] = deque()
        self.deliveries: deque[Frame] = deque()
        self.up = False
        self.ended: str | None = None
        self.requests = self.delivery = -1
        self.quic.connect(self.relay, now=time.monotonic())
        self.wait(lambda: self.up)
        self.requests = self.quic.get_next_available_stream_id()

    def prove(self, role: int, seed: bytes, key: bytes) -> None:
        """§10."""
        message = signed.proof_message(role, self.quic.tls.exporter(), key)
        self.ask("Prove", "Proved", role=role, key=key.hex(), signature=ed25519_sign(seed, message).hex())

    def ask(self, request: str, answer: str, **values: Any) -> dict[str, Any]:
        """One request and its answer (§5.4)."""
        data = frames.encode(NUMBERS[request], values)
        self.quic.send_stream_data(self.requests, data)
        return self._answered(self.answers, answer)

    def subscribe(self, address: bytes) -> int:
        """§5.5: the first stream with a `Subscribe` is the delivery stream. Returns the channel."""
        self.delivery = self.quic.get_next_available_stream_id()
        wish = frames.encode(NUMBERS["Subscribe"], {"address": address.hex()})
        self.quic.send_stream_data(self.delivery, wish)
        return self.told("Subscribed")["channel"]

    def acknowledge(self, channel: int, up_to: int, unreadable: list[int]) -> None:
        values = {"channel": channel, "upTo": up_to, "unreadable": unreadable}
        self.quic.send_stream_data(self.delivery, frames.encode(NUMBERS["Acknowledge"], values))
        answer = self.told("Acknowledged")
        need(answer == {"channel": channel, "upTo": up_to}, "another acknowledgement")

    def told(self, name: str) -> dict[str, Any]:
        """The next frame of this name on the delivery stream; others keep their order."""
        self.wait(lambda: any(frame[0] in (name, "Refused") for frame in self.deliveries))
        found = next(frame for frame in self.deliveries if frame[0] in (name, "Refused"))
        self.deliveries.remove(found)
        return self._answered(deque([found]), name)

    def _answered(self, queue: deque[Frame], wanted: str) -> dict[str, Any]:
        self.wait(lambda: queue)
        name, values = queue.popleft()
        if name == "Refused":
            raise RefusedByRelay(values)
        need(name == wanted, f"{name} instead of {wanted}")
        return values

    def close(self) -> None:
        """Close code 0: done; nothing is wrong (§3)."""
        self.quic.close(error_code=0)
        self._send()
        self.socket.close()

    def vanish(self) -> None:
        """As a phone that loses its network: not a word."""
        self.socket.close()

    # Moving bytes

    def wait(self, done) -> None:
        """Moves the connection until `done()`, for WAIT_SECONDS at most."""
        until = time.monotonic() + WAIT_SECONDS
        while not done():
            if self.ended is not None:
                raise Gone(self.ended)
            if time.monotonic() > until:
                raise TimeoutError(f"nothing in {WAIT_SECONDS} s")
            self._step(until)

    def _step(self, until: float) -> None:
        self._send()
        timer = min(filter(None, (self.quic.get_timer(), until)))
        if select.select([self.socket], [], [], max(0, timer - time.monotonic()))[0]:
            try:
                data, sender = self.socket.recvfrom(65536)
                self.quic.receive_datagram(data, sender, now=time.monotonic())
            except ConnectionRefusedError:
                pass  # nobody listens at this moment; QUIC sends again
        elif timer <= time.monotonic():
            self.quic.handle_timer(now=time.monotonic())
        while (event := self.quic.next_event()) is not None:
            self._handle(event)

    def _send(self) -> None:
        for data, to in self.quic.datagrams_to_send(now=time.monotonic()):
            self.socket.sendto(data, to)

    def _handle(self, event: events.QuicEvent) -> None:
        match event:
            case events.HandshakeCompleted(alpn_protocol=alpn):
                self.up = alpn == "plico/1"
            case events.ConnectionTerminated(error_code=code, reason_phrase=reason):
                self.ended = f"connection ended, code {code:#x}: {reason}"
            case events.StreamDataReceived(stream_id=stream, data=data):
                need(stream in (self.requests, self.delivery), "a stream nobody opened")
                self.received[stream] = self.received.get(stream, b"") + data
                self._frames(stream)

    def _frames(self, stream: int) -> None:
        """Every whole frame that has come (§4)."""
        data = self.received[stream]
        while len(data) >= 4:
            kind, length = data[0], int.from_bytes(data[1:4], "big")
            need(length <= frames.bound(kind), "a frame longer than its type allows")
            if len(data) < 4 + length:
                break
            number, values = frames.decode(data[: 4 + length])
            name = frames.FRAMES[number][0]
            (self.deliveries if stream == self.delivery else self.answers).append((name, values))
            data = data[4 + length :]
        self.received[stream] = data
