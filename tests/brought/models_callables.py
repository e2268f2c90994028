"""Work that is no model: bare functions, bound methods, closures, steps.

Shapes: 16 rows, 64 features, float32: one activation has 4096 B.
"""

import functools
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from harness import Model
from harness.workload.step import Part, Step

ROWS, WIDTH = 16, 64
_WEIGHT = torch.randn(WIDTH, WIDTH, requires_grad=True)
_BATCH = torch.randn(ROWS, WIDTH)


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 4))


def of_a_model() -> Callable[[], object]:
    """`lambda: net(x)`: tanh, 4096 B."""
    net, batch = _net(), torch.randn(ROWS, WIDTH)
    return lambda: net(batch)


def of_bare_leaves() -> Callable[[], object]:
    """Parameters are tensors in a closure; tanh, 4096 B, is saved, and the product is the output."""
    first = torch.randn(WIDTH, WIDTH, requires_grad=True)
    last = torch.randn(WIDTH, 4, requires_grad=True)
    batch = torch.randn(ROWS, WIDTH)
    return lambda: torch.tanh(batch @ first) @ last


def of_a_dictionary() -> Callable[[], object]:
    """The same with the parameters in a dictionary, as functional code has them."""
    weights = {"first": torch.randn(WIDTH, WIDTH, requires_grad=True), "rest": [torch.randn(WIDTH, 4)]}
    batch = torch.randn(ROWS, WIDTH)

    def call() -> object:
        return torch.tanh(batch @ weights["first"]) @ weights["rest"][0]  # type: ignore[operator]

    return call


def of_globals() -> Callable[[], object]:
    """Weight and batch are globals; exp, 4096 B, is saved, and its square is the output."""
    return lambda: torch.exp(_BATCH @ _WEIGHT * 0.01).square()


class Evaluation:
    """An object with `__call__`, and a method that does the same."""

    def __init__(self) -> None:
        self.net, self.batch = _net(), torch.randn(ROWS, WIDTH)

    def __call__(self) -> object:
        return self.net(self.batch)

    def run(self) -> object:
        return self.net(self.batch)


def of_an_object() -> Callable[[], object]:
    return Evaluation()


def of_a_method() -> Callable[[], object]:
    return Evaluation().run


def of_a_partial() -> Callable[[], object]:
    return functools.partial(_net(), torch.randn(ROWS, WIDTH))


def of_a_wrapped_function() -> Callable[[], object]:
    inner = of_a_model()

    @functools.wraps(inner)
    def outer(*_: object) -> object:
        return inner()

    return outer


CALLS: tuple[tuple[Callable[[], Callable[[], object]], int], ...] = (
    (of_a_model, 4096),
    (of_bare_leaves, 4096),
    (of_a_dictionary, 4096),  # the last weight needs no gradient: tanh saves its result by itself
    (of_globals, 4096),
    (of_an_object, 4096),
    (of_a_method, 4096),
    (of_a_partial, 4096),
    (of_a_wrapped_function, 4096),
)


def makes_its_own() -> Callable[[], object]:
    """Makes its model and its batch inside: what the graph needs of them is allocated by the call.

    The batch, which the first layer saves, 4096 B; tanh, 4096 B; and the last weight, 1024 B.
    """

    def call() -> object:
        return _net()(torch.randn(ROWS, WIDTH)).sum()

    return call


def without_grad() -> Callable[[], object]:
    """An evaluation under no_grad holds its output alone: 16 * 4 * 4 = 256 B."""
    net, batch = _net(), torch.randn(ROWS, WIDTH)

    @torch.no_grad()
    def evaluate() -> object:
        return net(batch)

    return evaluate


def lost_no_grad() -> Callable[[], object]:
    """The same without no_grad, in a list: the graph is there, 4096 B."""
    net, batch = _net(), torch.randn(ROWS, WIDTH)
    return lambda: [net(batch)]


_OF_THE_FILE = _net()


def names_a_net_of_its_file() -> torch.Tensor:
    """A loss by a network that its file holds, named in a generator expression alone."""
    return torch.stack([*(_OF_THE_FILE(batch).mean() for batch in (_BATCH, _BATCH))]).mean()


def training() -> Callable[[], object]:
    """A whole training step in a function, which returns a number."""
    net, batch, target = _net(), torch.randn(ROWS, WIDTH), torch.randn(ROWS, 4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def step() -> float:
        optimizer.zero_grad()
        loss = functional.mse_loss(net(batch), target)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def needs_an_argument() -> Callable[..., object]:
    net = _net()
    return lambda rows: net(rows * 2)


def returns_nothing() -> Callable[[], object]:
    net, batch = _net(), torch.randn(ROWS, WIDTH)

    def call() -> None:
        net(batch)

    return call


def as_step() -> Step:
    """A `Step` of one part: tanh, 4096 B."""
    model = Model(_net(), (torch.randn(ROWS, WIDTH),))
    return Step((Part("forward", model.__call__),), model, model.__call__)
