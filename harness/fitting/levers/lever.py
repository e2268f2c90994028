"""What a lever is: it changes a training step, can be undone, and says what it gives up."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from harness.workload.model import WorkloadError

Undo = Callable[[], None]
_WIDTH = 76  # with four columns before it


class LeverError(WorkloadError):
    """A lever that this model, or this torch, does not take, and why."""


@dataclass(slots=True)
class TrainingSetup:
    """What the levers change: a module and how it is trained.

    Attributes:
        module: the module.
        optimizer: of all its trainable parameters.
        autocast: the dtype of an autocast region around the forward pass; None for none.
        micro_batches: parts that a batch is run in.
        casts_inputs: the dtype that floating-point inputs have to be given in; None for their own.
    """

    module: nn.Module
    optimizer: Optimizer
    autocast: torch.dtype | None = None
    micro_batches: int = 1
    casts_inputs: torch.dtype | None = None


class Lever(Protocol):
    """One thing that can be changed."""

    @property
    def gives_up(self) -> str:
        """What of the mathematics changes; "" for nothing."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What does the same in a script that has a `model`, an `optimizer` and a `loss_fn`."""

    def apply(self, training: TrainingSetup) -> Undo:
        """Change a training step, and return what puts everything back.

        Raises:
            LeverError: it cannot be done here.
        """


def in_lines(code: str) -> tuple[str, ...]:
    """Return a line of code with brackets as lines of a script that a terminal holds.

    >>> [len(line) for line in in_lines("if name in {" + ", ".join(["'layers.1.weight'"] * 5) + "}:")]
    [68, 46]
    """
    indent = code[: len(code) - len(code.lstrip())]
    return tuple(
        textwrap.wrap(
            code,
            _WIDTH,
            subsequent_indent=f"{indent}        ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def apply_all(levers: tuple[Lever, ...], training: TrainingSetup) -> Undo:
    """Apply levers in order; return what undoes them, last first. Where one refuses, nothing stays changed.

    Raises:
        LeverError: one of them cannot be applied.
    """
    undos: list[Undo] = []

    def undo() -> None:
        while undos:
            undos.pop()()

    try:
        for lever in levers:
            undo_one = lever.apply(training)
            undos.append(undo_one)
    except BaseException:
        undo()
        raise
    return undo
