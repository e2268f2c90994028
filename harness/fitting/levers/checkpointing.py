"""Checkpointing: what a block saves for backward is thrown away, and computed again when it is needed."""

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase  # torch has no public name for all of them
from torch.utils.checkpoint import checkpoint

from harness.fitting.levers.lever import LeverError, TrainingSetup, Undo, in_lines
from harness.workload.hooks import is_compiled


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """Checkpoint submodules by path, by `torch.utils.checkpoint` without reentrance.

    The state of random numbers is kept and set again, so that dropout drops the same. A normalisation with
    running statistics would count a batch twice in train mode; they are kept still meanwhile.

    Attributes:
        paths: of submodules.
        normalises: one of them holds a normalisation with running statistics in train mode.
    """

    paths: tuple[str, ...]
    normalises: bool = False

    @property
    def gives_up(self) -> str:
        """Nothing but time."""
        return ""

    @property
    def lines(self) -> tuple[str, ...]:
        """A loop that wraps the blocks' forward."""
        contexts = ", context_fn=partial(still_statistics, block)" if self.normalises else ""
        return (
            "from functools import partial",
            "from torch.utils.checkpoint import checkpoint",
            *(_STILL if self.normalises else ()),
            *in_lines(f"for path in {self.paths!r}:"),
            "    block = model.get_submodule(path)",
            *in_lines(
                f"    block.forward = partial(checkpoint, block.forward, use_reentrant=False{contexts})"
            ),
        )

    def apply(self, training: TrainingSetup) -> Undo:
        """Wrap the forward of these submodules, each of this instance alone."""
        blocks = [training.module.get_submodule(path) for path in self.paths]
        for path, block in zip(self.paths, blocks, strict=True):
            if is_compiled(block) or is_compiled(training.module):
                raise LeverError("a compiled model chooses by itself what it computes again")
            if keeps_statistics(block) and not _takes_contexts():
                raise LeverError(
                    f"{path} holds a normalisation in train mode, whose running statistics would count each"
                    " batch twice; torch 2.1 and later can keep them still"
                )
        own = [block.__dict__.get("forward") for block in blocks]
        for block in blocks:
            options: dict[str, Any] = {"use_reentrant": False}
            if keeps_statistics(block):
                options["context_fn"] = partial(_contexts, block)
            block.forward = partial(checkpoint, block.forward, **options)

        def undo() -> None:
            for block, forward in zip(blocks, own, strict=True):
                if forward is None:
                    del block.forward
                else:
                    block.forward = forward

        return undo


def normalises(module: nn.Module) -> bool:
    """Tell whether a module holds batch normalisation that counts batches."""
    return any(True for _ in counting(module))


def counting(module: nn.Module) -> Iterator[str]:
    """Yield the paths of batch normalisation that counts batches."""
    for path, child in module.named_modules():
        if isinstance(child, _BatchNorm) and child.training and child.track_running_stats:
            yield path


def keeps_statistics(module: nn.Module) -> bool:
    """Tell whether a module holds a normalisation that updates running statistics, that of instances too."""
    return any(True for _ in _updating(module))


def _updating(module: nn.Module) -> Iterator[_NormBase]:
    for child in module.modules():
        if isinstance(child, _NormBase) and child.training and child.track_running_stats:
            yield child


def _takes_contexts() -> bool:
    """Tell whether checkpoint takes what surrounds the second pass; torch < 2.1 does not."""
    return "context_fn" in inspect.signature(checkpoint).parameters


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[object], AbstractContextManager[object]]:
    """Return what surrounds the forward pass, and what surrounds its repetition."""
    return nullcontext(), _still(block)


@contextmanager
def _still(block: nn.Module) -> Iterator[None]:
    """Keep running statistics as they are: with a momentum of 0 they are written, and stay the same."""
    layers = [(layer, layer.momentum, layer.num_batches_tracked) for layer in _updating(block)]
    for layer, _, _ in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, momentum, counted in layers:
            layer.momentum, layer.num_batches_tracked = momentum, counted


_STILL = (
    "from contextlib import contextmanager, nullcontext",
    "from torch.nn.modules.batchnorm import _NormBase",
    "@contextmanager",
    "def still(block):  # else a batch would count twice in running statistics",
    "    norms = [m for m in block.modules() if isinstance(m, _NormBase)]",
    "    kept = [(m, m.momentum, m.num_batches_tracked) for m in norms]",
    "    for m in norms:",
    "        m.momentum, m.num_batches_tracked = 0.0, None",
    "    try:",
    "        yield",
    "    finally:",
    "        for m, momentum, counted in kept:",
    "            m.momentum, m.num_batches_tracked = momentum, counted",
    "def still_statistics(block):",
    "    return nullcontext(), still(block)",
)
