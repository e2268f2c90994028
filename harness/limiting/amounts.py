"""The limits themselves: numbers a block must not exceed, as people write them; they need no torch."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.setting import parse_bytes

LIMIT_NAMES = ("peak", "saved", "nodes", "waits")
_OF_BYTES = frozenset({"peak", "saved"})


class BlockLimitError(HarnessError, ValueError):
    """A limit that cannot be used, in one sentence."""


@dataclass(frozen=True, slots=True)
class BlockLimits:
    """The most that a block may take; None where it does not matter.

    Attributes:
        peak: most bytes at one time of what the block allocated.
        saved: most bytes that graphs held for backward at one time.
        nodes: autograd nodes recorded.
        waits: times that a value was read back from a tensor, which on a device waits for it.
    """

    peak: int | None = None
    saved: int | None = None
    nodes: int | None = None
    waits: int | None = None

    def items(self) -> Iterator[tuple[str, int]]:
        """Yield the limits that were given, by name."""
        for name in LIMIT_NAMES:
            value = getattr(self, name)
            if value is not None:
                yield name, value


def parse_limits(**given: object) -> BlockLimits:
    """Return limits from numbers, or sizes such as "64 MiB".

    Raises:
        BlockLimitError: one is unknown, or is not a size or count; or none is given.

    >>> parse_limits(peak="64 KiB", saved=0)
    BlockLimits(peak=65536, saved=0, nodes=None, waits=None)
    """
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in LIMIT_NAMES:
            raise BlockLimitError(f"no limit {name!r}; there are {', '.join(LIMIT_NAMES)}")
    if not given:
        raise BlockLimitError(
            f'no limit is given; write one or more of {", ".join(LIMIT_NAMES)}, as in peak="64 MiB"'
        )
    return BlockLimits(**{name: _amount(name, value) for name, value in given.items()})


def _amount(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and name in _OF_BYTES:
        if value.strip(" B") == "0":
            return 0
        return parse_bytes(value)
    example = 'a size such as "64 MiB", or bytes' if name in _OF_BYTES else "a count"
    raise BlockLimitError(f"{name}={value!r} is not a limit; give {example}")
