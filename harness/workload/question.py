"""What a question is: its arms, its default cells, and how a step is built."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.record.measured import Case
from harness.setting import HOST
from harness.workload.model import Model
from harness.workload.models import Entry
from harness.workload.step import Step


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a question is put: a model's entry, train or eval, and the question's own variant."""

    entry: Entry
    mode: str
    variant: str = ""
    off_host: bool = False  # it is put on a device other than the CPU alone

    def is_for(self, device: str) -> bool:
        """Return whether it is put on a device, by its name as torch takes it."""
        return device != HOST or not self.off_host


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that is asked of a model.

    Attributes:
        name: its module's name.
        asks: the question, in one sentence.
        arms: the names of the ways to run it at one cell, the reference first.
        cells: the settings it is put in for one entry; the flag asks for every one of them.
        build: makes an arm's step.
        models: targets asked by default.
        columns: the metrics that its tables show.
        arms_share_model: the arms run one model that they leave as it was, so that all of them, but
            the A/A control, may run the very same one.
        arms_are_undone: what an arm changes of its model (what is trained, gradients, methods; not which
            modules there are) is put back with the model's state: all exact passes may run one model.
        ranks: processes that run a step together; more than one have to be started together.
    """

    name: str
    asks: str
    arms: Callable[[Entry], tuple[str, ...]]
    cells: Callable[[Entry, bool], tuple[Cell, ...]]
    build: Callable[[Case, str, Model], Step]
    models: tuple[str, ...]
    columns: tuple[str, ...]
    arms_share_model: bool = False
    arms_are_undone: bool = False
    ranks: int = 1
