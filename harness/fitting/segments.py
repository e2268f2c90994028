"""A step cut into segments, block by block: what each changes in the level of allocated bytes."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch import nn

from harness.measure.recording import note
from harness.measure.trace import Trace
from harness.workload.tensors import tensors_in

FORWARD, BACKWARD = "forward", "backward"
_NOTE = "segment"


@dataclass(frozen=True, slots=True)
class Segment:
    """What one block did in one phase of a step, or what ran before or after all blocks.

    Attributes:
        phase: "forward" or "backward".
        block: its number; -1 before the first block, as many as there are blocks after the last.
        net: bytes that stay allocated at its end, relative to its start.
        high: the highest level in it, relative to its start.
        seconds: it took under the profiler.
    """

    phase: str
    block: int
    net: int
    high: int
    seconds: float


@contextmanager
def noting_blocks(module: nn.Module, paths: Sequence[str]) -> Iterator[None]:
    """Have every block note when its forward and its backward pass begin, and the last when it ends."""
    handles = []

    def begins(index: int) -> Callable[[nn.Module, object], None]:
        def hook(_module: nn.Module, _inputs: object) -> None:
            note(f"{_NOTE} {FORWARD} {index}")

        return hook

    def ends(index: int) -> Callable[[nn.Module, object, object], None]:
        def arrives(_gradient: torch.Tensor) -> None:
            note(f"{_NOTE} {BACKWARD} {index}")

        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            first = next((tensor for tensor in tensors_in(output) if tensor.requires_grad), None)
            if first is not None:
                first.register_hook(arrives)  # type: ignore[no-untyped-call]
            if index == len(paths) - 1:
                note(f"{_NOTE} {FORWARD} {len(paths)}")

        return hook

    for index, path in enumerate(paths):
        block = module.get_submodule(path)
        handles += [
            block.register_forward_pre_hook(begins(index)),
            block.register_forward_hook(ends(index)),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def segments_of(trace: Trace, blocks: int) -> tuple[Segment, ...]:
    """Cut a trace of a forward and a backward part at what the blocks noted.

    Args:
        trace: with one mark before, one after the forward part, and one after the backward part, if any.
        blocks: how many there are.
    """
    cuts = [(trace.marks[0], FORWARD, -1)]
    if len(trace.marks) > 2:  # noqa: PLR2004 (a second part)
        cuts.append((trace.marks[1], BACKWARD, blocks))
    for span in trace.notes:
        word, _, rest = span.name.partition(" ")
        if word == _NOTE:
            phase, _, index = rest.partition(" ")
            cuts.append((span.start, phase, int(index)))
    cuts.sort(key=lambda cut: cut[0])
    ends = [cut[0] for cut in cuts[1:]] + [trace.marks[min(2, len(trace.marks) - 1)]]
    segments = []
    events = iter(trace.allocations)
    event = next(events, None)
    for (start, phase, block), end in zip(cuts, ends, strict=True):
        level = high = 0
        while event is not None and event.time < end:
            level += event.bytes
            high = max(high, level)
            event = next(events, None)
        segments.append(Segment(phase, block, level, high, (end - start) * 1e-6))
    return evened(segments)


def evened(row: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return segments where alike ones take the same time, their median: one pass is a noisy clock.

    Alike are those of one phase whose bytes are the same.
    """
    times: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for one in row:
        times[one.phase, one.net, one.high].append(one.seconds)
    return tuple(replace(one, seconds=median(times[one.phase, one.net, one.high])) for one in row)
