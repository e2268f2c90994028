"""Amounts as people write them on a command line: bytes with units, lists of batch sizes."""

import re

from harness.errors import HarnessError

_SIZES = {"": 1, "B": 1}
_SIZES |= {f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)}
_SIZES |= {f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)}
_BARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT])\s*")  # a unit that two sizes go by


def parse_bytes(text: str) -> int:
    """Return a number of bytes written with or without a unit.

    Raises:
        HarnessError: it is no positive number of bytes.

    >>> parse_bytes("8GiB"), parse_bytes("500 MB")
    (8589934592, 500000000)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    size = float(match.group(1)) * _SIZES.get(match.group(2), 0) if match else 0
    if bare := _BARE.fullmatch(text):
        number, letter = bare.group(1), bare.group(2).upper()
        raise HarnessError(
            f"{text!r} can be read in two ways; write {number}{letter}iB (powers of 1024) or"
            f" {number}{letter}B (powers of 1000)"
        )
    if size < 1:
        raise HarnessError(f"{text!r} is no amount of memory; write 500MB, 8GiB, or a number of bytes")
    return int(size)


def parse_sizes(text: str) -> tuple[int, ...]:
    """Return the batch sizes of a comma-separated list.

    Raises:
        HarnessError: one of them is no whole number above 0.

    >>> parse_sizes("1,2,4")
    (1, 2, 4)
    """
    sizes = tuple(int(part) if part.strip().isdecimal() else 0 for part in text.split(","))
    if min(sizes) < 1:
        raise HarnessError(f"{text!r} are no batch sizes; write 8, or 1,2,4,8")
    return tuple(dict.fromkeys(sizes))
