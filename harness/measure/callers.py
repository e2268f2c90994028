"""The lines of code that call modules from outside, and whether what they call records a graph."""

import inspect
import os
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from sys import _getframe
from types import FrameType

import torch
from torch import nn

from harness.record.measured import CodeLine
from harness.workload.hooks import hookable
from harness.workload.tensors import tensors_in

_TORCH = str(Path(torch.__file__).parent) + os.sep
_HARNESS = str(Path(__file__).parent.parent) + os.sep
_INNER = re.compile(r"(\.<locals>\.<(genexpr|listcomp|setcomp|dictcomp|lambda)>)+$")

_Line = tuple[str, int, str]  # file, line, function


def calling_line(frame: FrameType | None) -> _Line | None:
    """Return what called into torch from a frame inside it; None where that is the harness itself."""
    while frame is not None and frame.f_code.co_filename.startswith(_TORCH):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith(_HARNESS):
        return None
    code = frame.f_code
    return code.co_filename, frame.f_lineno, _INNER.sub("", code.co_qualname)


def forward_line(module: nn.Module) -> _Line | None:
    """Return where the forward pass of a module's class begins; None where torch or the harness wrote it."""
    code = getattr(inspect.unwrap(type(module).forward), "__code__", None)
    if code is None or code.co_filename.startswith((_TORCH, _HARNESS)):
        return None
    return code.co_filename, code.co_firstlineno, code.co_qualname


def short_path(file: str) -> str:
    """Return a path below the project's root, or below the folder of installed packages it is in.

    The root is that of the repository around the working directory, or the folder of its pyproject.toml.
    Elsewhere a file is its name alone: where a project lies on a machine is nobody's business.

    >>> short_path("/opt/python/site-packages/timm/layers.py"), short_path("/elsewhere/nets.py")
    ('timm/layers.py', 'nets.py')
    """
    for folder in ("site-packages", "dist-packages"):
        _, separator, rest = file.rpartition(f"{os.sep}{folder}{os.sep}")
        if separator:
            return rest
    root = str(_root(Path.cwd())) + os.sep
    return file.removeprefix(root) if file.startswith(root) else Path(file).name


def _root(here: Path) -> Path:
    for name in (".git", "pyproject.toml"):
        for folder in (here, *here.parents):
            if (folder / name).exists():
                return folder
    return here


@dataclass(slots=True)
class OuterCalls:
    """The calls of modules that no other module makes, and how many of them recorded a graph."""

    _graphs: Counter[_Line] = field(default_factory=Counter)

    def add(self, line: _Line | None, *, graph: bool) -> None:
        """Count a call from a line, one that recorded no graph too."""
        if line is not None:
            self._graphs[line] += graph

    def lines(self) -> tuple[CodeLine, ...]:
        """Return the lines, those with most graphs first; a count of 0 is of one that recorded none."""
        ordered = sorted(self._graphs.items(), key=lambda item: (-item[1], item[0]))
        return tuple(
            CodeLine(file=short_path(file), line=line, count=count, function=function)
            for (file, line, function), count in ordered
        )


def records_graph(output: object) -> bool:
    """Tell whether a tensor in what a module returned has a graph behind it."""
    # A view of a parameter that is made under no_grad needs a gradient too, and has no graph.
    return any(tensor.requires_grad and not tensor.is_leaf for tensor in tensors_in(output))


@contextmanager
def outer_calls_of(module: nn.Module) -> Iterator[OuterCalls]:
    """Follow a module and those inside it, and note which lines call them from outside all of them."""
    calls = OuterCalls()
    depths: dict[int, int] = defaultdict(int)  # by thread

    def enter(_module: nn.Module, _inputs: object) -> None:
        depths[threading.get_ident()] += 1

    def leave(module: nn.Module, _inputs: object, output: object) -> None:
        thread = threading.get_ident()
        depths[thread] -= 1
        if not depths[thread]:
            # What the harness calls itself is told by its own code: a graph comes from nowhere else.
            line = calling_line(_getframe(1)) or forward_line(module)
            calls.add(line, graph=records_graph(output))

    handles = []
    for _, child in hookable(module):
        if not type(child).__module__.startswith(
            "harness."
        ):  # a callable's own, which is called by the harness
            handles += [child.register_forward_pre_hook(enter), child.register_forward_hook(leave)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
