"""Outermost forward passes that recorded a graph: whether a backward pass came, and where the graph ended.

Hooks on the nodes of what a pass returned tell of a backward pass. They also hold a token, whose end is the
end of the graph. Nothing of the graph itself is held or replaced.
"""

import sys
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness.watch.finding import FaultKind, WatchFinding
from harness.watch.frames import CallSite, Standing, find_call_site, is_running, is_standing
from harness.watch.held import held_bytes
from harness.watch.torch_doors import is_fake, is_recorded_otherwise

_TORCH = str(Path(torch.__file__).parent) + "/"
_REPEATED = 2  # calls of one line that make a loop
_KEPT = 3  # graphs of earlier steps that are more than the last one, about to be replaced
_DEEPEST = 8  # of nested values that a module returned


@dataclass(slots=True, weakref_slot=True, eq=False)
class Token:
    """Held by the hooks on a graph's nodes alone: it ends with the graph."""


@dataclass(slots=True, eq=False)
class Pass:
    """One outermost forward pass that recorded a graph.

    Attributes:
        place: that called the module.
        module: class of the module.
        key: of the module object, while it lives.
        test: node id of the test that ran.
        is_training: the mode of the module.
        bytes: that the graph held, where it was looked at.
        is_used: a backward pass ran through what the module returned.
        has_ended: the graph is gone.
        is_dropped: it went before the call from test code came back.
        is_replaced: it went while the function that called the module still ran.
    """

    place: CallSite
    module: str
    key: int
    test: str
    is_training: bool
    bytes: int | None = None
    is_used: bool = False
    has_ended: bool = False
    is_dropped: bool = False
    is_replaced: bool = False

    @property
    def line(self) -> tuple[str, int, int, str]:
        """The line, the module object and the test."""
        return (self.place.file, self.place.line, self.key, self.test)


class Depth(threading.local):
    """How many modules call each other in a thread."""

    depth = 0


_Line = tuple[str, int, int, str]


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: FaultKind
    one: Pass
    times: int
    bytes: int | None = None


class Passes:
    """Keeps the passes of a session, until they are judged."""

    def __init__(self, root: str) -> None:
        self._root = root
        self.here = Depth()
        self._lock = threading.RLock()
        self._tokens: dict[weakref.ref[Token], Pass] = {}
        self._of_test: dict[str, list[Pass]] = defaultdict(list)
        self._settled: list[_Fault] = []
        self._alive_used: dict[_Line, int] = defaultdict(int)
        self._kept: dict[_Line, Pass] = {}
        self._most_kept: dict[_Line, int] = defaultdict(int)
        self._looked_at: set[_Line] = set()
        self._dropped: set[_Line] = set()
        self.test = ""
        self.on_backward: Callable[[object], None] = lambda _noted: None
        self.noted: Callable[[], object] = lambda: None

    def leave(self, module: nn.Module, inputs: object, output: object) -> None:
        """Look at what the outermost of nested modules returned."""
        if output is None or not torch.is_grad_enabled() or is_recorded_otherwise():
            return
        recorded = tuple(_recorded_tensors(output))
        if recorded and any(parameter.requires_grad for parameter in module.parameters()):
            self._note(module, inputs, recorded)

    def reset(self) -> None:
        """Begin a test: the thread is in no module."""
        self.here.depth = 0

    def _note(self, module: nn.Module, inputs: object, outputs: tuple[torch.Tensor, ...]) -> None:
        place = find_call_site(sys._getframe(2), _TORCH, self._root)  # noqa: SLF001 (no other way is as quick)
        if place is None:
            return
        one = Pass(place, type(module).__name__, id(module), self.test, module.training)
        if self._wants_bytes(one):
            one.bytes = held_bytes(outputs, module, inputs)
        token = Token()
        noted = self.noted()

        def before(_gradients: object, _token: Token = token) -> None:
            if not one.is_used:
                one.is_used = True
                with self._lock:
                    self._alive_used[one.line] += 1
                self.on_backward(noted)

        for node in {tensor.grad_fn for tensor in outputs}:
            if node is not None:
                node.register_prehook(before)
        with self._lock:
            self._tokens[weakref.ref(token, self._ended)] = one
            self._of_test[self.test].append(one)
            self._count_kept(one)

    def _wants_bytes(self, one: Pass) -> bool:
        """Tell whether to look at a graph: the first of a line, where it may come to a finding."""
        if one.place.in_test_function or one.line in self._looked_at:
            return False
        # In training mode a region may be checkpointed: looking at what it saved would compute it anew.
        if one.is_training and one.line not in self._dropped:
            return False
        self._looked_at.add(one.line)
        return True

    def _count_kept(self, one: Pass) -> None:
        count = self._alive_used[one.line]
        if count >= _KEPT:
            self._kept.setdefault(one.line, one)
            self._most_kept[one.line] = max(count, self._most_kept[one.line])

    def _ended(self, reference: "weakref.ref[Token]") -> None:
        """Say where a graph ended; called by Python in whatever thread lets go of it."""
        with self._lock:
            one = self._tokens.pop(reference, None)
            if one is None:
                return
            one.has_ended = True
            if one.is_used:
                self._alive_used[one.line] -= 1
                return
        one.is_dropped = not one.place.in_test_code and is_standing(one.place.caller)
        one.is_replaced = is_running(one.place.owner)
        if one.is_dropped:
            self._dropped.add(one.line)

    def settle(self, test: str) -> int:
        """Judge the passes of a test that has ended, and forget them; return how many lines are at fault.

        Lines whose graphs still live are judged later.
        """
        with self._lock:
            passes = self._of_test.pop(test, [])
        lines: dict[_Line, list[Pass]] = defaultdict(list)
        for one in passes:
            lines[one.line].append(one)
        faults = 0
        for line, group in lines.items():
            if all(one.has_ended or one.is_used for one in group):
                faults += self._judge(line, group)
            else:
                self._of_test[test].extend(group)
        return faults

    def _judge(self, line: _Line, group: list[Pass]) -> int:
        faults = _faults(group)
        before = len(self._settled)
        if faults:
            self._settled.append(_Fault("unused", faults[0], len(faults), _most_bytes(group)))
        if line in self._kept:
            self._settled.append(_Fault("kept", self._kept.pop(line), self._most_kept.pop(line)))
        return len(self._settled) - before

    def findings(self, relative: Callable[[str], str]) -> Iterator[WatchFinding]:
        """Yield what the passes of all tests come to; the suite has ended."""
        for test, passes in list(self._of_test.items()):
            for one in passes:
                one.has_ended = True
            self.settle(test)
        for fault in self._settled:
            place = fault.one.place
            yield WatchFinding(
                kind=fault.kind,
                test=fault.one.test,
                file=relative(place.file),
                line=place.line,
                function=place.function,
                module=fault.one.module,
                times=fault.times,
                bytes=fault.bytes,
            )


def _most_bytes(group: list[Pass]) -> int | None:
    return max((each.bytes for each in group if each.bytes is not None), default=None)


def _faults(group: list[Pass]) -> list[Pass]:
    """Return those of a line's passes whose graph was recorded for nothing."""
    if any(one.is_used for one in group):
        # The line serves training too: what it dropped is at fault only where the mode says so.
        group = [one for one in group if not one.is_training and not one.is_used]
    dropped = [one for one in group if one.is_dropped]
    if dropped:
        return dropped
    if any(one.is_training or one.place.in_test_function for one in group) or len(group) < _REPEATED:
        return []
    replaced = [one for one in group if one.is_replaced]
    if len(replaced) >= _REPEATED - 1 and group[0].place.in_test_code:
        return group if _is_loop(group) else []
    if group[0].place.in_generator and _is_loop(group):
        return group
    return []


def _is_loop(group: list[Pass]) -> bool:
    owners: set[Standing] = {one.place.owner for one in group}
    return len(owners) == 1


def _recorded_tensors(value: object, depth: int = 0) -> Iterator[torch.Tensor]:
    """Yield the tensors with a graph in what a module returned: in containers and plain objects."""
    if isinstance(value, torch.Tensor):
        if value.grad_fn is not None and not is_fake(value):
            yield value
        return
    if depth >= _DEEPEST:
        return
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.values()
    elif isinstance(value, (tuple, list, set, frozenset)):
        items = value
    elif isinstance(value, (type, nn.Module, str, bytes, int, float)):
        return
    elif is_dataclass(value):
        items = [getattr(value, field.name, None) for field in fields(value)]
    elif type(value).__module__.partition(".")[0] not in {"torch", "builtins", "numpy"}:
        items = list(getattr(value, "__dict__", {}).values())
    for item in items:
        yield from _recorded_tensors(item, depth + 1)
