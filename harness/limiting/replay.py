"""One pass over the events of a profiled block: levels of memory, and who holds what at the highest."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.limiting.usage import BlockUsage
from harness.record.measured import Calls
from harness.record.names import short_name

PREFIX = "harness.limiting:"
_NO_MODULE = "outside modules"
# Operators that hand a value of a tensor to Python, for which a device has to be waited for.
_READS = frozenset(
    {
        "aten::_local_scalar_dense",  # item(), float() and `if tensor:` all end in it, once each
        "aten::nonzero",
        "aten::equal",
        "aten::_unique2",
        "aten::unique_consecutive",
        "aten::unique_dim",
        "aten::bincount",
    }
)


@dataclass(slots=True)
class _Block:
    bytes: int
    module: str
    graphs: int = 0  # that hold it


class _Level:
    """A sum of bytes by module, and how they stood at the highest sum."""

    def __init__(self) -> None:
        self.now = self.highest = 0
        self._by_module: dict[str, int] = defaultdict(int)
        self.at_highest: Mapping[str, int] = {}
        self._is_highest = False

    def add(self, size: int, module: str) -> None:
        if size < 0 and self._is_highest:  # what stood at the top is copied once, when it is left
            self.at_highest = dict(self._by_module)
            self._is_highest = False
        self.now += size
        self._by_module[module] += size
        if self.now > self.highest:
            self.highest, self._is_highest = self.now, True

    def end(self) -> None:
        if self._is_highest:
            self.at_highest = dict(self._by_module)

    def holders(self) -> Mapping[str, int]:
        return _most_first(self.at_highest)


def replay(events: Iterable[Mapping[str, Any]], counted: Mapping[str, int]) -> BlockUsage:
    """Return what a block did.

    Args:
        events: of an exported trace, in the trace-event format; notes begin with `PREFIX`.
        counted: the nodes that were recorded, by module.
    """
    ordered = _between_marks(events)
    live: dict[tuple[Any, Any, int], _Block] = {}
    # Each device has an allocator of its own: what counts is the highest level of any.
    levels: dict[tuple[Any, Any], _Level] = defaultdict(_Level)
    saved = _Level()
    inside: list[str] = []
    reads: dict[str, int] = defaultdict(int)
    calls: dict[tuple[str, str], int] = defaultdict(int)
    own_calls: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    end = float("-inf")  # of the last operator that lies in no other
    for event in ordered:
        name = event["name"]
        here = inside[-1] if inside else _NO_MODULE
        if name == "[memory]":
            _allocate(event["args"], live, levels, saved, here)
        elif name.startswith(PREFIX):
            _read_note(name[len(PREFIX) :], live, saved, inside)
        elif "::" in name and "dur" in event and not name.startswith("autograd::"):
            calls[here, name] += 1
            if event["ts"] >= end:
                end = event["ts"] + event["dur"]
                own_calls[here][short_name(name)] += 1
            if name in _READS:
                reads[here] += 1
    for level in (*levels.values(), saved):
        level.end()
    top = max(levels.values(), key=lambda level: level.highest, default=_Level())
    return BlockUsage(
        peak=top.highest,
        saved=saved.highest,
        nodes=sum(counted.values()),
        waits=sum(reads.values()),
        operators=sum(calls.values()),
        calls=dict(calls),
        own_calls=tuple(_calls_of(module, counted) for module, counted in own_calls.items()),
        holders={
            "peak": top.holders(),
            "saved": saved.holders(),
            "nodes": _most_first(counted),
            "waits": _most_first(reads),
        },
    )


def _calls_of(module: str, counted: Mapping[str, int]) -> Calls:
    """Return the calls of one module, which is named by path and class, or as being in none."""
    if module == _NO_MODULE:
        return Calls(modules=(module,), kind="", operators=dict(counted))
    path, is_inner, kind = module.rpartition(" (")
    kind = kind.removesuffix(")") if is_inner else module
    return Calls(modules=(path,), kind=kind, operators=dict(counted))


def _allocate(
    event: Mapping[str, Any],
    live: dict[tuple[Any, Any, int], _Block],
    levels: Mapping[tuple[Any, Any], _Level],
    saved: _Level,
    here: str,
) -> None:
    device = (event["Device Type"], event["Device Id"])
    key = (*device, event["Addr"])
    size = event["Bytes"]
    if size > 0:
        live[key] = _Block(size, here)
        levels[device].add(size, here)
        return
    block = live.pop(key, None)
    if block is None:
        # It was there before. That it goes is not always told, and under a size that an earlier block of the
        # same process had at that address: counted, the peak of equal blocks would differ.
        return
    levels[device].add(-block.bytes, block.module)
    if block.graphs:
        saved.add(-block.bytes, block.module)


def _read_note(
    note: str, live: Mapping[tuple[Any, Any, int], _Block], saved: _Level, inside: list[str]
) -> None:
    word, _, rest = note.partition(" ")
    if word == "enter":
        inside.append(rest)
    elif word == "leave":
        if inside:
            inside.pop()
    elif word in {"saved", "let-go"}:
        address = int(rest)
        block = next((each for key, each in live.items() if key[2] == address), None) if address else None
        if block is None:  # it was there before the block
            return
        block.graphs += 1 if word == "saved" else -1
        if word == "saved" and block.graphs == 1:
            saved.add(block.bytes, block.module)
        elif word == "let-go" and block.graphs == 0:
            saved.add(-block.bytes, block.module)


def _between_marks(events: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    ordered = sorted(
        (event for event in events if "ts" in event and event.get("cat") not in {"kernel", "gpu_memcpy"}),
        key=lambda event: (event["ts"], -event.get("dur", 0)),
    )
    marks = [index for index, event in enumerate(ordered) if event["name"] == f"{PREFIX}mark"]
    return ordered[marks[0] + 1 : marks[-1]] if marks else ()


def _most_first(sizes: Mapping[str, int]) -> Mapping[str, int]:
    return {name: size for name, size in sorted(sizes.items(), key=lambda item: -item[1]) if size > 0}
