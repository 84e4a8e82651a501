"""A conversation between a client written from the specification and the sample business.

    run.py PROGRAMS    the folder of `plico-relay` and `plico`

Prints what it does, line by line, and ends with status 1 where something is not as SPEC.md says.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "vectors" / "python"))

from plico import link  # noqa: E402
from plico.primitives import Refused  # noqa: E402

from connection import WAIT_SECONDS, Connection, Gone, RefusedByRelay  # noqa: E402
from person import MAILBOX, Person, minute  # noqa: E402
from servers import Servers  # noqa: E402
from tls import Group  # noqa: E402

QUEUED, DELIVERED, UNREADABLE = 1, 2, 3
REPORTED_IN_WINDOW = 3
BAD_PROOF, NOT_PROVEN, REUSED = 6, 7, 24
TURNS = 4
BEGAN = time.monotonic()


def step(section: str, text: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.2f} s  {section:<8} {text}", flush=True)


def refuses(section: str, text: str, kind: type[Exception], action, code: int | None = None) -> None:
    """`action` must fail as this kind, with this number of §12."""
    try:
        action()
    except kind as refused:
        assert code is None or refused.code == code, f"{text}: {refused}"
        step(section, f"{text}: refused ({refused})")
        return
    raise AssertionError(f"{text}: not refused")


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def hears(person: Person, body: str) -> dict:
    """The next arrival with this body; marks of the business may come before."""
    while True:
        arrival = person.receive()
        if arrival is None:
            step("§8.7", "a repeated delivery: acknowledged, not shown")
        elif "marks" in arrival.content:
            step("§8.5", f"heard: {len(arrival.content['marks']['delivered'])} delivered")
        else:
            assert body in arrival.content, arrival.content
            person.last = arrival
            return arrival.content


def comes(person: Person, body: str) -> dict:
    """The next delivery with this body, as it came: looked into, and nothing changed by it."""
    while True:
        told = person.own.told("Deliver")
        session, openings = person.session, set(person.openings)
        if body in person.open(told).content:
            person.session, person.openings = session, openings
            return told
        person.own.acknowledge(person.channel, told["sequence"], [])


def becomes(person: Person, submit_id: bytes, expected: int) -> None:
    """The state of a submission, once the business has acknowledged it (§5.6)."""
    until = time.monotonic() + WAIT_SECONDS
    while (state := person.status(submit_id)) == QUEUED and time.monotonic() < until:
        pass  # each question is a connection of its own
    assert state == expected, state


def trust(person: Person) -> None:
    """§2, §3, §6 and §13: what the client refuses before it says anything."""
    address = person.link
    wrong = bytes(32)
    refuses("§3", "a relay with another key", Gone, lambda: Connection(replace(address, pin=wrong)))
    refuses("§3", "X25519 alone, to this relay", Gone, lambda: Connection(address, Group.X25519))
    for name in ("auth", "key"):
        stranger = Person(replace(address, **{name: wrong}))
        refuses("§13", f"a certificate that does not fit `{name}`", Refused, stranger.look_up)
    person.look_up()
    told = person.certificate
    step("§6.1", f"certificate: {told.display_name}, {told.domain}, serial {told.serial}")
    step("§6.3", f"profile: {person.profile.description}")


def arrive(person: Person) -> None:
    """§10 and §5.3: a mailbox, proven."""
    stranger = Connection(person.link)
    unproven = lambda: stranger.prove(MAILBOX, bytes(32), person.address)  # noqa: E731
    refuses("§10", "a proof by another key", RefusedByRelay, unproven, BAD_PROOF)
    stranger.close()
    person.connect()
    step("§10", "mailbox proven with the TLS exporter, opened, subscribed")
    other = bytes(31) + b"\1"
    opening = lambda: person.own.ask("Open", "Opened", address=other.hex())  # noqa: E731
    refuses("§5.3", "a mailbox that was not proven", RefusedByRelay, opening, NOT_PROVEN)


def converse(person: Person) -> None:
    """§8: the handshake, and a ratchet that turns both ways."""
    submit_id = person.say(True, text={"text": "Hello from Python"})
    hours = (person.free_until - minute()) / 60
    step("§8.1", f"first message accepted, with a ticket whose window ends in {hours:.1f} hours")
    answer = hears(person, "text")["text"]["text"]
    assert "counter 3" in answer, answer
    step("§8.4", f"heard: {' '.join(answer.split())}")
    becomes(person, submit_id, DELIVERED)
    step("§5.6", "status of the first message: delivered")
    for turn in range(1, TURNS + 1):
        before = person.session.nhk
        person.say(True, text={"text": f"Keys, please, number {turn}"})
        asked = hears(person, "choices")
        chosen = asked["choices"]["choices"][turn % 2]
        person.say(True, answer={"contentId": asked["id"], "choiceId": chosen["id"]})
        answer = hears(person, "text")["text"]["text"]
        assert person.session.nhk != before and chosen["label"].lower() in answer.lower(), answer
        step("§8.2", f"turn {turn}: chose {chosen['label']}, heard: {answer}")


def repeat(person: Person) -> None:
    """§5.6: what a sender that got no answer does."""
    sealed = person.seal(b"")  # content without an id: the business cannot read it
    submit_id = person.submit(sealed)
    assert person.repeat(submit_id, sealed)["submitId"] == submit_id.hex()
    step("§5.6", "the same submission again: answered alike")
    other = flip(sealed, len(sealed) - 1)
    refuses("§5.6", "another under its id", RefusedByRelay, lambda: person.repeat(submit_id, other), REUSED)


def forge(person: Person) -> None:
    """§8.2 and §8.4: what does not authenticate changes nothing, at either end."""
    person.say(True, text={"text": "Is there bread?"})
    told = comes(person, "text")
    before = person.fingerprint()
    size = len(told["envelope"]) // 2
    for part, at in (("C2", 0), ("header nonce", 40), ("header", 70), ("sealed", 500), ("tag", size - 1)):
        forged = {**told, "envelope": flip(bytes.fromhex(told["envelope"]), at).hex()}
        refuses("§8.4", f"one bit of the {part} changed", Refused, lambda: person.open(forged))
        assert person.fingerprint() == before
    stolen = {**told, "stampedOrigin": flip(bytes.fromhex(told["stampedOrigin"]), 50).hex()}
    refuses("§13", "a ticket nobody asked for", Refused, lambda: person.open(stolen))
    arrival = person.open(told)
    person.own.acknowledge(person.channel, told["sequence"], [])
    step("§8.4", f"the envelope as it came opens: {arrival.content['text']['text']}")
    sealed = person.seal(b"")
    forged_id = person.submit(flip(sealed, len(sealed) - 1))
    becomes(person, forged_id, UNREADABLE)
    step("§5.6", "a forged message to the business: unreadable there")
    person.say(True, text={"text": "Bread, then"})
    step("§8.2", f"its session goes on: {hears(person, 'text')['text']['text']}")


def come_back(person: Person, servers: Servers) -> None:
    """§5.5: delivery is at least once, over a lost network and a killed relay."""
    person.say(True, text={"text": "Keys once more"})
    told = comes(person, "choices")
    person.open(told)
    person.own.vanish()
    step("§5.5", f"opened sequence {told['sequence']}, and gone without acknowledging it")
    servers.kill_relay()
    servers.start_relay(f"{person.link.host}:{person.link.port}")
    person.connect()
    step("§3", "relay killed and started; connected, proven and subscribed again")
    again = person.own.told("Deliver")
    assert again["sequence"] == told["sequence"] and again["envelope"] == told["envelope"]
    assert person.open(again) is None
    person.own.acknowledge(person.channel, again["sequence"], [])
    step("§5.5", f"sequence {again['sequence']} came again, is known, and is acknowledged without a mark")
    person.say(True, text={"text": "Bread again"})
    step("§8.2", f"the session goes on: {hears(person, 'text')['text']['text']}")


def leave(person: Person) -> None:
    assert person.report(person.last) == REPORTED_IN_WINDOW
    step("§11.1", "a report with the words: proven, and in the window, so it counts for nothing")
    person.own.ask("Revoke", "Revoked", address=person.address.hex())
    step("§9", "every ticket revoked")
    person.say(False, goodbye={})
    person.own.ask("Close", "Closed", address=person.address.hex())
    step("§8.7", "goodbye accepted, mailbox closed")
    person.own.close()


def main(programs: str) -> None:
    with tempfile.TemporaryDirectory() as home, Servers(Path(programs).resolve(), Path(home)) as servers:
        person = Person(link.parse(servers.link("counter 3"), relay_alone=False))
        step("§2", f"link of {person.link.handle} at {person.link.host}:{person.link.port}")
        trust(person)
        arrive(person)
        converse(person)
        repeat(person)
        forge(person)
        come_back(person, servers)
        leave(person)
    step("", "all as the specification says")


if __name__ == "__main__":
    main(sys.argv[1])
