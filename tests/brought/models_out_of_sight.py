"""Models with work that an instrument of one thread does not see, or that each first call does anew.

Shapes: 16 rows, 64 features in, 128 hidden, float32: a hidden activation has 8192 B, the output of 64
features 4096 B, a first layer (64 * 128 + 128) * 4 = 33280 B.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from harness import Model

ROWS = 16


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 64))


class InThreads(nn.Module):
    """Runs its layers in other threads, as a data-parallel wrapper does; they share no mode of torch's."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.net = _net()
        self.rows = rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with ThreadPoolExecutor(max_workers=2) as pool:
            parts = list(pool.map(self.net, x.split(self.rows)))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def in_a_thread() -> Model:
    """Tanh, 8192 B, and the output, 4096 B, are made where no instrument looks."""
    return Model(InThreads(ROWS), (torch.randn(ROWS, 64),))


def in_two_threads() -> Model:
    """Two tanh of half the rows, 8192 B in all, which two last layers save; the output is joined here."""
    return Model(InThreads(ROWS // 2), (torch.randn(ROWS, 64),))


class Watched(nn.Module):
    """Keeps a thread beside it that does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _net()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        return self.net(x)


def with_an_idle_thread() -> Model:
    """All work is in the calling thread: 8192 B saved, and nothing to be told."""
    return Model(Watched(), (torch.randn(ROWS, 64),))


_CONSTANT = torch.ones(ROWS, 64)


class Constant(nn.Module):
    """Returns what it computes with a tensor of the file, which no attribute leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.net = _net()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.net(x), _CONSTANT


def returns_a_constant() -> Model:
    """The constant, 4096 B, was there before."""
    return Model(Constant(), (torch.randn(ROWS, 64),))


class BuiltLayer(nn.Module):
    """Makes its first layer when it knows how wide its input is, without nn.LazyLinear."""

    def __init__(self) -> None:
        super().__init__()
        self.first: nn.Linear | None = None
        self.last = nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.first is None:
            self.first = nn.Linear(x.shape[-1], 128)
        return self.last(self.first(x).tanh())


class BuiltRow(nn.Module):
    """The same in a row of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.last = nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not len(self.layers):
            self.layers.append(nn.Linear(x.shape[-1], 128))
        return self.last(self.layers[0](x).tanh())


class BuiltParameter(nn.Module):
    """The same with a parameter alone."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(128, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not hasattr(self, "weight"):
            self.weight = nn.Parameter(torch.randn(x.shape[-1], 128))
        return self.last((x @ self.weight).tanh())


def builds_a_layer() -> Model:
    return Model(BuiltLayer(), (torch.randn(ROWS, 64),))


def builds_a_row() -> Model:
    return Model(BuiltRow(), (torch.randn(ROWS, 64),))


def builds_a_parameter() -> Model:
    return Model(BuiltParameter(), (torch.randn(ROWS, 64),))
