"""A device whose time moves only when the work says so, and workloads that cost exactly what they say."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from harness.record.schema import Case
from harness.workload.model import Model
from harness.workload.models import Entry
from harness.workload.question import Cell, Question
from harness.workload.step import Part, Step


@dataclass(slots=True)
class FakeClock:
    """Seconds that pass only when told; reading them costs `read_s`, and they come in ticks of `tick_s`."""

    now: float = 0.0
    read_s: float = 0.0
    tick_s: float = 0.0
    reads: int = 0

    def __call__(self) -> float:
        self.reads += 1
        self.now += self.read_s
        return self.now // self.tick_s * self.tick_s if self.tick_s else self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass(slots=True)
class FakeDevice:
    """Runs work by moving its clock, and writes down what ran."""

    clock: FakeClock = field(default_factory=FakeClock)
    log: list[str] = field(default_factory=list)

    def work(self, name: str, seconds: float) -> Callable[[], None]:
        """Return a callable that takes exactly so many seconds."""

        def run() -> None:
            self.log.append(name)
            self.clock.advance(seconds)

        return run

    def ran(self, name: str) -> int:
        return self.log.count(name)


class Watched(nn.Module):
    """Doubles its input and tells a watcher each time it does."""

    def __init__(self, watch: Callable[[nn.Module], object]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))
        # On a class: what the module reaches by its objects is put back before each exact pass.
        self._watch = type("Watch", (), {"look": staticmethod(watch)})

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Take and return values (N, 4)."""
        self._watch.look(self)
        return values * self.weight * 2


def fake_entry(name: str, watch: Callable[[nn.Module], object] = lambda _module: None) -> Entry:
    """Return an entry whose forward pass tells `watch` that it runs."""
    return Entry(name, lambda batch_size: Model(Watched(watch), (torch.ones(batch_size, 4),)), batch_size=2)


def nan_entry(name: str) -> Entry:
    """Return an entry whose output is not a number."""
    return Entry(
        name,
        lambda batch_size: Model(nn.Linear(4, 4), (torch.full((batch_size, 4), float("nan")),)),
        batch_size=2,
    )


def _plain(_case: Case, _arm: str, model: Model) -> Step:
    return Step((Part("forward", model),), model, model)


def fake_question(*arms: str, arms_share_model: bool = False) -> Question:
    """Return a question whose arms all run the plain forward pass; the first is the reference."""
    return Question(
        name="fake",
        asks="Is anything different?",
        arms=lambda _entry: arms,
        cells=lambda entry, _every: (Cell(entry, "eval"),),
        build=_plain,
        models=(),
        columns=("peak",),
        arms_share_model=arms_share_model,
    )
