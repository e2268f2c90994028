"""Models whose calls, or whose factories, leave something behind for the next call or the next arm."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from harness import Model

ROWS, WIDTH = 16, 64


def _net() -> nn.Module:
    return nn.Sequential(
        nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 4)
    )


_MADE_ONCE = _net()
_BATCH = torch.randn(ROWS, WIDTH)


def handed_out() -> tuple[nn.Module, torch.Tensor]:
    """The natural file: made once at the top, handed out by the factory.

    Gradients as with a fresh model: all (64 * 64 + 64) * 2 * 4 + (64 * 4 + 4) * 4 = 34320 B, head frozen
    33280 B, biases (64 + 64 + 4) * 4 = 528 B.
    """
    return _MADE_ONCE, _BATCH


_READY = Model(_net(), (_BATCH,))


def handed_out_as_a_model() -> Model:
    """The same, as a `Model` that is made once."""
    return _READY


_TRUNK = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.GELU())


def handed_out_in_part() -> tuple[nn.Module, torch.Tensor]:
    """A fresh model around a trunk that is made once, as a pretrained one is."""
    return nn.Sequential(*_TRUNK, nn.Linear(WIDTH, 4)), torch.randn(ROWS, WIDTH)


# State between calls. GRU cell of 64 over 32 features, 4 rows.


class Streaming(nn.Module):
    """Keeps its hidden state for the next call, detached or not."""

    def __init__(self, *, detach: bool) -> None:
        super().__init__()
        self.cell, self.out = nn.GRUCell(32, WIDTH), nn.Linear(WIDTH, 8)
        self.hidden: torch.Tensor | None = None
        self.detach = detach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.hidden is None:
            self.hidden = x.new_zeros(len(x), WIDTH)
        self.hidden = self.cell(x, self.hidden)
        result = self.out(self.hidden)
        if self.detach:
            self.hidden = self.hidden.detach()
        return result


def hidden_state_detached() -> Model:
    return Model(Streaming(detach=True), (torch.randn(4, 32),))


def hidden_state_with_its_graph() -> Model:
    """The graph grows at every call."""
    return Model(Streaming(detach=False), (torch.randn(4, 32),))


class Counts(nn.Module):
    """Does other work at its second call: a plain counter decides."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        for _ in range(self.calls):
            x = torch.tanh(self.fc(x))
        return x


def counter() -> Model:
    """From the state that was handed over: one layer, whose tanh is the output: 0 B."""
    return Model(Counts(), (torch.randn(ROWS, WIDTH),))


class CountsInAList(Counts):
    """The same, with the counter in a list and in a dictionary that a plain object holds."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, list[int]] = {"calls": []}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.state["calls"].append(1)
        for _ in range(len(self.state["calls"])):
            x = torch.tanh(self.fc(x))
        return x


def counter_in_a_list() -> Model:
    return Model(CountsInAList(), (torch.randn(ROWS, WIDTH),))


class Averages(nn.Module):
    """Keeps averages: a buffer in place, a plain tensor attribute, and one in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.plain = torch.zeros(WIDTH)
        self.tables = {"mean": torch.zeros(WIDTH)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.fc(x))
        with torch.no_grad():
            batch = hidden.mean(0)
            self.mean.mul_(0.9).add_(batch, alpha=0.1)
            self.plain = self.plain * 0.9 + batch * 0.1
            self.tables["mean"].lerp_(batch, 0.1)
        return hidden - self.plain


def moving_average() -> Model:
    """Tanh is saved by itself and is no output: 4096 B."""
    return Model(Averages(), (torch.randn(ROWS, WIDTH),))


class RaisesWhenUsed(nn.Module):
    """Works from the state that it was handed over in, once."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.total = torch.zeros(())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.total.item() > 0:
            raise RuntimeError("called again on the state of an earlier call")
        self.total += 1
        return torch.tanh(self.fc(x))


def once_from_one_state() -> Model:
    return Model(RaisesWhenUsed(), (torch.randn(ROWS, WIDTH),))


class EmaTeacher(nn.Module):
    """A student and its average, a module that forward moves under `no_grad`: 2 * 4096 B of tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.teacher.requires_grad_(requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            for kept, new in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                kept.lerp_(new, 0.5)
            goal = torch.tanh(self.teacher(x))
        return functional.mse_loss(torch.tanh(self.student(x)), goal)


def teacher() -> Model:
    """Tanh of the student and of the teacher, which mse_loss saves: 2 * 4096 = 8192 B."""
    return Model(EmaTeacher(), (torch.randn(ROWS, WIDTH),))


# Inputs that a call changes.


class WritesItsInput(nn.Module):
    """Normalises its input in place."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.mul_(2.0)
        return self.fc(x)


def writes_its_input() -> Model:
    return Model(WritesItsInput(), (torch.ones(ROWS, WIDTH),))


class PopsItsLabels(nn.Module):
    """Takes its labels out of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 4)

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        labels = batch.pop("labels")
        return functional.cross_entropy(self.fc(batch["x"]), labels)


def pops_its_labels() -> Model:
    """log_softmax 6 * 4 * 4 = 96 B and the divisor 4 B."""
    batch = {"x": torch.randn(6, 8), "labels": torch.randint(0, 4, (6,))}
    return Model(PopsItsLabels(), (batch,))


class Batch:
    """A batch of the user's own class."""

    __slots__ = ("rows", "x")

    def __init__(self) -> None:
        self.x = torch.ones(ROWS, WIDTH)
        self.rows = [1, 2, 3]


class ChangesItsBatch(nn.Module):
    """Writes into a tensor, and takes from a list, of a batch of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, 4)

    def forward(self, batch: Batch) -> torch.Tensor:
        batch.rows.pop()
        batch.x += 1
        return self.fc(batch.x)


def changes_its_batch() -> Model:
    return Model(ChangesItsBatch(), (Batch(),))


class TakesNext(nn.Module):
    """Draws its batch from an iterator that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, 4)

    def forward(self, batches: Iterator[torch.Tensor]) -> torch.Tensor:
        return self.fc(next(batches))


def takes_next() -> Model:
    """An iterator of one batch is used up by the first call."""
    return Model(TakesNext(), (iter([torch.randn(ROWS, WIDTH)]),))


class Noisy(nn.Module):
    """Adds noise, and keeps what is positive alone: a shape that the random state decides."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        keep = torch.rand(len(x)) > 0.5
        return torch.tanh(self.fc(x[keep])).sum()


def random_rows() -> Model:
    """With and without a graph from one random state: the books balance."""
    torch.manual_seed(0)
    return Model(Noisy(), (torch.randn(ROWS, WIDTH),))


def fingerprint(value: Any) -> object:
    """Return the contents of nested containers and objects, to compare before and after."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().tolist()
    if isinstance(value, dict):
        return {key: fingerprint(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [fingerprint(item) for item in value]
    if isinstance(value, Batch):
        return [fingerprint(value.x), fingerprint(value.rows)]
    return value
