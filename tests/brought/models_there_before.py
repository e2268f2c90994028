"""Models and calls that read storages which were there before the call, wherever they live.

Shapes: 16 rows, 64 features, float32, so that one activation has 16 * 64 * 4 = 4096 B.
"""

import functools
import mmap
import threading
import types
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from harness import Model

ROWS, WIDTH = 16, 64
_CONSTANT = torch.rand(ROWS, WIDTH)


def classifier(classes: int) -> nn.Module:
    """Build a net whose only activation that is held for backward is that of its ReLU: 4096 B."""
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, classes))


def _batch() -> torch.Tensor:
    return torch.randn(ROWS, WIDTH)


# Losses. The prediction is 16 * 4 * 4 = 256 B, log_softmax of ten classes 16 * 10 * 4 = 640 B, and the
# divisor of nll_loss 4 B.


def squared_error() -> Model:
    """ReLU and prediction: 4096 + 256 B."""
    target = torch.randn(ROWS, 4)
    return Model(classifier(4), (_batch(),), loss=lambda out: functional.mse_loss(out, target))


def smooth_error() -> Model:
    """The same, by another loss."""
    target = torch.randn(ROWS, 4)
    return Model(classifier(4), (_batch(),), loss=lambda out: functional.smooth_l1_loss(out, target))


def two_targets_added() -> Model:
    """Two targets in one tuple of the closure; the prediction is one storage, saved twice: 4096 + 256 B."""
    targets = (torch.randn(ROWS, 4), torch.randn(ROWS, 4))
    return Model(
        classifier(4), (_batch(),), loss=lambda out: sum(functional.mse_loss(out, one) for one in targets)
    )


def labels() -> Model:
    """ReLU, log_softmax, divisor: 4096 + 640 + 4 B."""
    known = torch.randint(0, 10, (ROWS,))
    return Model(classifier(10), (_batch(),), loss=lambda out: functional.cross_entropy(out, known))


def labels_and_class_weights() -> Model:
    """The same with a weight for each class, held by the loss module: 4096 + 640 + 4 B."""
    known = torch.randint(0, 10, (ROWS,))
    criterion = nn.CrossEntropyLoss(weight=torch.rand(10))
    return Model(classifier(10), (_batch(),), loss=lambda out: criterion(out, known))


class Criterion:
    """A loss of the user's own class, with the target behind `__slots__`."""

    __slots__ = ("target",)

    def __init__(self) -> None:
        self.target = torch.randn(ROWS, 4)

    def __call__(self, out: torch.Tensor) -> torch.Tensor:
        return functional.mse_loss(out, self.target)


def target_behind_slots() -> Model:
    """ReLU and prediction: 4096 + 256 B."""
    return Model(classifier(4), (_batch(),), loss=Criterion())


def target_in_a_partial() -> Model:
    """ReLU and prediction: 4096 + 256 B."""
    return Model(
        classifier(4), (_batch(),), loss=functools.partial(functional.mse_loss, target=torch.randn(ROWS, 4))
    )


LOSSES: tuple[tuple[Callable[[], Model], int], ...] = (
    (squared_error, 4352),
    (smooth_error, 4352),
    (two_targets_added, 4352),
    (labels, 4740),
    (labels_and_class_weights, 4740),
    (target_behind_slots, 4352),
    (target_in_a_partial, 4352),
)


# Masks. Multiplying saves the mask, which was there; tanh saves what it returns, which is the output: 0 B.


class Masked(nn.Module):
    """`tanh(linear(x) * mask)`, with the mask from a function, so that it can live anywhere."""

    def __init__(self, mask: Callable[[], torch.Tensor], *, keep: object = None) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.mask = mask
        self.keep = keep

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.fc(x) * self.mask())


def _masked(mask: Callable[[], torch.Tensor]) -> Model:
    return Model(Masked(mask), (_batch(),))


def in_a_closure() -> Model:
    mask = torch.rand(ROWS, WIDTH)
    return _masked(lambda: mask)


def in_a_global() -> Model:
    return _masked(lambda: _CONSTANT)


def in_a_default_argument() -> Model:
    def mask(value: torch.Tensor = torch.rand(ROWS, WIDTH)) -> torch.Tensor:  # noqa: B008 (it is the case)
        return value

    return _masked(mask)


def in_a_deque() -> Model:
    masks = deque([torch.rand(ROWS, WIDTH)])
    return _masked(lambda: masks[0])


def in_an_array_of_objects() -> Model:
    masks = np.empty(1, dtype=object)
    masks[0] = torch.rand(ROWS, WIDTH)
    return _masked(lambda: masks[0])


def in_a_namespace() -> Model:
    config = types.SimpleNamespace(inner=types.SimpleNamespace(mask=torch.rand(ROWS, WIDTH)))
    return _masked(lambda: config.inner.mask)


def in_what_a_thread_keeps() -> Model:
    local = threading.local()
    local.mask = torch.rand(ROWS, WIDTH)
    return _masked(lambda: local.mask)


def from_numpy() -> Model:
    array = np.random.default_rng(0).random((ROWS, WIDTH), dtype=np.float32)
    mask = torch.from_numpy(array)
    return _masked(lambda: mask)


def from_numpy_at_each_call() -> Model:
    """A tensor that is new at each call, over memory that was there."""
    array = np.random.default_rng(0).random((ROWS, WIDTH), dtype=np.float32)
    return _masked(lambda: torch.from_numpy(array))


def from_a_buffer_of_bytes() -> Model:
    pages = mmap.mmap(-1, ROWS * WIDTH * 4)
    return _masked(lambda: torch.frombuffer(pages, dtype=torch.float32).view(ROWS, WIDTH))


def in_shared_memory() -> Model:
    mask = torch.rand(ROWS, WIDTH).share_memory_()
    return _masked(lambda: mask)


def a_view_of_something_larger() -> Model:
    large = torch.rand(8 * ROWS, WIDTH)
    return _masked(lambda: large[ROWS : 2 * ROWS])


class MaskInAttributes(nn.Module):
    """A mask as a plain attribute, one in a dictionary, one on the class."""

    shared = torch.rand(ROWS, WIDTH)

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.mask = torch.rand(ROWS, WIDTH)
        self.tables = {"deep": [torch.rand(ROWS, WIDTH)]}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.fc(x) * self.mask * self.tables["deep"][0] * self.shared)


def in_attributes() -> Model:
    return Model(MaskInAttributes(), (_batch(),))


MASKS: tuple[Callable[[], Model], ...] = (
    in_a_closure,
    in_a_global,
    in_a_default_argument,
    in_a_deque,
    in_an_array_of_objects,
    in_a_namespace,
    in_what_a_thread_keeps,
    from_numpy,
    from_numpy_at_each_call,
    from_a_buffer_of_bytes,
    in_shared_memory,
    a_view_of_something_larger,
    in_attributes,
)


def in_a_file(path: Path) -> Model:
    """A mask that is mapped from a file."""
    mask = torch.from_file(str(path), shared=True, size=ROWS * WIDTH).view(ROWS, WIDTH)
    return _masked(lambda: mask)


# Batches of a class of the user's own.


class SlottedBatch:
    """A batch as collate functions make them."""

    __slots__ = ("mask", "x")

    def __init__(self) -> None:
        self.x = _batch()
        self.mask = torch.rand(ROWS, WIDTH)


@dataclass
class NestedBatch:
    inner: SlottedBatch
    extra: object = None


class TakesBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)

    def forward(self, batch: SlottedBatch | NestedBatch) -> torch.Tensor:
        inner = batch.inner if isinstance(batch, NestedBatch) else batch
        return torch.tanh(self.fc(inner.x) * inner.mask)


def slotted_batch() -> Model:
    return Model(TakesBatch(), (SlottedBatch(),))


def nested_batch() -> Model:
    return Model(TakesBatch(), {"batch": NestedBatch(SlottedBatch())})


class Pool:
    """Keys and values of earlier tokens, as serving engines keep them: of no known class."""

    def __init__(self) -> None:
        self.pages = [(torch.randn(32, 16), torch.randn(32, 16))]


class Attends(nn.Module):
    """Attention of 4 new rows over 32 rows of a cache that is only read."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(16, 16)

    def forward(self, x: torch.Tensor, cache: Pool) -> torch.Tensor:
        keys, values = cache.pages[0]
        return torch.softmax(self.query(x) @ keys.T, dim=-1) @ values


def cache_passed_in() -> Model:
    """Only the softmax is new: 4 * 32 * 4 = 512 B."""
    return Model(Attends(), (torch.randn(4, 16), Pool()))


# What parameters() does not see.


class Listed(nn.Module):
    """Layers in a plain list, which `parameters()` does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden_layers = [nn.Linear(WIDTH, WIDTH) for _ in range(3)]
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.hidden_layers:
            x = torch.relu(layer(x))
        return self.head(x)


def layers_in_a_list() -> Model:
    """Three ReLU outputs: 3 * 4096 = 12288 B."""
    return Model(Listed(), (_batch(),))


class Routed(nn.Module):
    """Experts in a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = {"left": nn.Linear(WIDTH, WIDTH), "right": nn.Linear(WIDTH, WIDTH)}
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.experts["left"](x)) + torch.sigmoid(self.experts["right"](x)))


def layers_in_a_dictionary() -> Model:
    """ReLU, sigmoid, and the sum, which the head saves: 3 * 4096 = 12288 B."""
    return Model(Routed(), (_batch(),))


class PlainLeaf(nn.Module):
    """A tensor that requires grad and was never registered."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.temperature = torch.ones(WIDTH, requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.fc(x) * self.temperature)


def unregistered_leaf() -> Model:
    """The linear output, which the product saves for the gradient of the leaf: 4096 B."""
    return Model(PlainLeaf(), (_batch(),))


class MadeBefore(nn.Module):
    """A weight computed in the constructor, with its history: it has no copy, and its graph was there."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.randn(WIDTH, WIDTH))
        self.weight = torch.tanh(self.base)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


def computed_in_the_constructor() -> Model:
    """The product saves its input alone, which was there; so was what tanh saved: 0 B."""
    return Model(MadeBefore(), (_batch(),))
