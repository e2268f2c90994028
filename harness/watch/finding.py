"""What the watcher found: one finding a place and kind, as data; it imports no torch."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

FaultKind = Literal["unused", "kept", "thawed", "moving"]

# Worst first, where the bytes do not tell.
_ORDER: tuple[FaultKind, ...] = ("unused", "kept", "thawed", "moving")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFinding:
    """One fault at one line.

    Attributes:
        kind: `unused`: a graph was recorded, and no backward pass used it; `kept`: graphs of earlier steps
            are held; `thawed`: parameters that were frozen when an optimizer was made got a gradient or
            changed; `moving`: buffers of a frozen batch normalization moved.
        test: node id of the test in which it was seen most.
        file: of the call, relative to the root of the suite where it lies in it.
        line: of the call.
        function: that the call stands in.
        module: class of the module that was called, or of what owns the parameters.
        times: how often, over all tests.
        bytes: that one graph held for backward, at most; None where it was not looked at.
        names: of parameters or buffers.
        tests: how many tests it was seen in.
    """

    kind: FaultKind
    test: str
    file: str
    line: int
    function: str
    module: str
    times: int
    bytes: int | None = None
    names: tuple[str, ...] = ()
    tests: int = 1

    @property
    def place(self) -> str:
        """Where it is, as editors read it."""
        return f"{self.file}:{self.line}"

    @property
    def held(self) -> int:
        """Bytes that all calls of one test recorded, as far as is known."""
        return (self.bytes or 0) * self.times


def merge(findings: Iterable[WatchFinding]) -> tuple[WatchFinding, ...]:
    """Make one finding of those of one kind and line, worst first."""
    merged: dict[tuple[str, str, int], WatchFinding] = {}
    for finding in findings:
        key = (finding.kind, finding.file, finding.line)
        other = merged.get(key)
        merged[key] = finding if other is None else _together(other, finding)
    return tuple(sorted(merged.values(), key=lambda each: (_ORDER.index(each.kind), -each.held, each.place)))


def _together(one: WatchFinding, other: WatchFinding) -> WatchFinding:
    first = one if one.held >= other.held else other
    sizes = [each.bytes for each in (one, other) if each.bytes is not None]
    return replace(
        first,
        times=one.times + other.times,
        tests=one.tests + other.tests,
        bytes=max(sizes, default=None),
        names=tuple(dict.fromkeys((*one.names, *other.names))),
    )


def as_data(finding: WatchFinding) -> dict[str, Any]:
    """Return a finding as plain values, which survive the way between processes."""
    return asdict(finding) | {"names": list(finding.names)}


def from_data(data: dict[str, Any]) -> WatchFinding:
    """Return the finding that `as_data` made plain values of."""
    known = {field.name for field in fields(WatchFinding)}
    values = {name: value for name, value in data.items() if name in known}
    return WatchFinding(**values | {"names": tuple(values["names"])})
