"""SPEC §4: the encoding of everything that is hashed, signed or sent, but content."""

from collections.abc import Callable
from typing import TypeVar

from .primitives import need

T = TypeVar("T")


def u8(value: int) -> bytes:
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def sized(value: bytes) -> bytes:
    """`bytes(max)`; the bound is the reader's to check."""
    return u32(len(value)) + value


def text(value: str) -> bytes:
    """`text(max)`."""
    return sized(value.encode())


def optional(value: bytes | None) -> bytes:
    """`optional T`, T already encoded."""
    return u8(0) if value is None else u8(1) + value


def listed(values: list[bytes]) -> bytes:
    """`list(max) of T`, each T already encoded."""
    return u32(len(values)) + b"".join(values)


class Reader:
    """Reads the fields of one value in order; `end` refuses what is left."""

    def __init__(self, data: bytes):
        self.rest = data

    def take(self, count: int) -> bytes:
        need(len(self.rest) >= count, "too short")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def u8(self) -> int:
        return self.number(1)

    def u16(self) -> int:
        return self.number(2)

    def u32(self) -> int:
        return self.number(4)

    def u64(self) -> int:
        return self.number(8)

    def flag(self) -> bool:
        value = self.u8()
        need(value < 2, "flag")
        return value == 1

    def one_of(self, numbers: range) -> int:
        """An enumeration of one byte."""
        value = self.u8()
        need(value in numbers, "enumeration")
        return value

    def sized(self, bound: int) -> bytes:
        length = self.u32()
        need(length <= bound, "longer than its bound")
        return self.take(length)

    def text(self, bound: int) -> str:
        data = self.sized(bound)
        try:
            return data.decode("utf-8", "strict")
        except UnicodeDecodeError:
            need(False, "not UTF-8")
            raise

    def optional(self, read: Callable[[], T]) -> T | None:
        return read() if self.flag() else None

    def listed(self, bound: int, read: Callable[[], T]) -> list[T]:
        count = self.u32()
        need(count <= bound, "more than its bound")
        return [read() for _ in range(count)]

    def end(self) -> None:
        need(not self.rest, "trailing bytes")
