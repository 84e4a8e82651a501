"""padding.json: content of every length that matters, in each of the three layouts (SPEC §8.3, §8.4)."""

from plico import envelope, message, ratchet
from plico.envelope import Draws
from plico.primitives import need, sha256

from .format import Kind, Note, VectorFile, hexadecimal, integer, rand, string
from .world import BUSINESS_SCHEMA, Business, Pair


def ends(group: dict):
    return (ratchet.decode_state(bytes.fromhex(group[name])) for name in ("personState", "businessState"))


def travel(group: dict, test: dict) -> tuple[bytes, bytes]:
    """Seals and opens: (envelope, content)."""
    shop = Business.from_json(group["business"])
    person, business = ends(group)
    content = bytes.fromhex(test["byte"]) * test["length"]
    draw = Draws(bytes.fromhex(test["random"]))
    if test["layout"] == message.FIRST:
        ika = bytes.fromhex(group["identityPrivate"])
        _, sent, _, _ = envelope.send_first(ika, shop.bundle(True), shop.hint_key, content, draw)
        _, opened, _, _ = envelope.receive_first(sent, shop.secrets(), shop.hint)
    elif test["layout"] == message.TO_INBOX:
        _, sent = envelope.send_to_inbox(person, shop.hint_key, content, draw)
        _, opened = envelope.receive_at_inbox(business, sent, shop.hint)
    else:
        _, sent = envelope.send_to_mailbox(business, content, draw)
        _, opened = envelope.receive_at_mailbox(person, sent)
    assert draw.used == len(draw.data), "random bytes left"
    return sent, opened.content


def check(group: dict, test: dict) -> None:
    sent, content = travel(group, test)
    assert sha256(sent).hex() == test["envelopeSha256"]
    assert len(sent) == test["envelopeLength"]
    assert content == bytes.fromhex(test["byte"]) * test["length"]
    need(len(content) == test["length"], "length")


KIND = Kind(
    "Padding",
    "content of `length` times `byte` is sealed into the smallest size class and opened again; invalid: "
    "it fits none and must not be sent",
    {
        "business": BUSINESS_SCHEMA,
        "identityPrivate": hexadecimal("private half of IKA, for the layout `first`", 32),
        "personState": hexadecimal("the person's state, §8.6: sends to an inbox, receives from a mailbox"),
        "businessState": hexadecimal("the business's state, §8.6: the other way round"),
    },
    {
        "layout": string("the column of §8.3's table", [message.TO_MAILBOX, message.TO_INBOX, message.FIRST]),
        "byte": hexadecimal("what content consists of", 1),
        "length": integer("bytes of content"),
        "random": hexadecimal("what is drawn, in the order of §8.4; with the one-time key in `first`"),
        "envelopeLength": integer("bytes of the envelope; 0 if invalid"),
        "envelopeSha256": hexadecimal("SHA-256 of the envelope; empty if invalid"),
    },
    check,
)

NOTES = {
    "Edge": Note("PADDING", "The longest content of a size class, one byte less, and one byte more."),
    "LikePadding": Note("PADDING", "Content of bytes that also occur in padding."),
    "TooLong": Note("PADDING", "Content that fits no size class."),
}

RANDOM = {message.FIRST: 152, message.TO_INBOX: 88, message.TO_MAILBOX: 24}


def build() -> VectorFile:
    file = VectorFile(
        "padding", "Padding and size classes", ["One envelope for each length at an edge."], NOTES, [KIND]
    )
    pair = Pair.answered("padding")
    group = file.group(
        KIND,
        business=pair.shop.json(),
        identityPrivate=rand("padding ika").hex(),
        personState=ratchet.encode_state(pair.person).hex(),
        businessState=ratchet.encode_state(pair.shop_session).hex(),
    )

    def add(layout: str, byte: str, length: int, flag: str) -> None:
        random = rand(f"padding {layout} {byte} {length}", RANDOM[layout]).hex()
        test = {"layout": layout, "byte": byte, "length": length, "random": random}
        comment = f"{layout}, {length} bytes of {byte}"
        if flag == "TooLong":
            group.invalid(comment, flag, **test, envelopeLength=0, envelopeSha256="")
            return
        sent, _ = travel(group.values, test)
        group.valid(comment, flag, **test, envelopeLength=len(sent), envelopeSha256=sha256(sent).hex())

    for layout, overhead in message.OVERHEAD.items():
        for length in (0, 1):
            add(layout, "78", length, "Edge")
        for size in message.SIZES.values():
            longest = size - overhead - 1
            for length in (longest - 1, longest):
                add(layout, "78", length, "Edge")
            add(layout, "78", longest + 1, "TooLong" if size == 65536 else "Edge")
        for byte in ("00", "80"):
            for length in (1, 100, 2048 - overhead - 1):
                add(layout, byte, length, "LikePadding")
    return file
