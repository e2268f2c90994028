"""Random modules with inputs, each from a seed: programs of operations on a pool of tensors."""

import warnings
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any
from weakref import ref

import torch
from measure.algebra import ALGEBRA
from measure.containers import KNOWN, OWN, draw_container
from measure.kinds import Kind, Layer
from measure.networks import NETWORKS
from measure.pointwise import POINTWISE
from measure.recording import AUTOGRAD, IN_PLACE
from measure.reshaping import REDUCTIONS, SHAPES
from torch import nn

KINDS: dict[str, Kind] = {
    **POINTWISE,
    **REDUCTIONS,
    **SHAPES,
    **ALGEBRA,
    **NETWORKS,
    **IN_PLACE,
    **AUTOGRAD,
}
_GROUPS = (POINTWISE, REDUCTIONS, SHAPES, ALGEBRA, NETWORKS, NETWORKS, IN_PLACE, AUTOGRAD)
_LARGEST = 3000  # elements of a tensor in a pool
_DTYPES = (
    torch.float32,
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.float16,
    torch.complex64,
    torch.complex128,
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a random module may have.

    Attributes:
        plain: constants, layers and parameters that are neither buffers nor registered.
        own: outputs in objects of classes of the user's own.
        hidden: operations whose memory saved-tensor hooks are not told of.
        steps: the most operations.
    """

    plain: bool = True
    own: bool = True
    hidden: bool = True
    steps: int = 16


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation of a program: its kind, and the numbers of its operands in the pool."""

    kind: str
    operands: tuple[int, ...]


class RandomModule(nn.Module):
    """Runs its instructions one after another on a growing list of tensors, and returns some of them.

    Attributes:
        outputs: weak references to the tensors that the last call returned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.registered = nn.ModuleList()
        self.layers: list[Layer] = []  # in the order of the instructions, the registered ones among them
        self.instructions: list[Instruction] = []
        self.choice: tuple[int, ...] = (0,)
        self.container = "tensor"
        self.outputs: list[ref[torch.Tensor]] = []

    def pool(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        """Run the instructions, and return the inputs and all that was made of them."""
        pool = list(inputs)
        for instruction, layer in zip(self.instructions, self.layers, strict=True):
            pool.extend(tensors_of(layer(*(pool[number] for number in instruction.operands))))
        return pool

    def forward(self, *inputs: torch.Tensor) -> Any:
        pool = self.pool(*inputs)
        values = [pool[number] for number in self.choice]
        result = {**KNOWN, **OWN}[self.container](values)
        self.outputs = [ref(value) for value in values]
        return result

    def results(self) -> list[torch.Tensor]:
        """Return the tensors that the last call chose to return, as long as somebody holds them."""
        tensors = [reference() for reference in self.outputs]
        return [tensor for tensor in tensors if tensor is not None]

    def __str__(self) -> str:
        steps = ", ".join(instruction.kind for instruction in self.instructions)
        return f"{steps}; returned in: {self.container}"


def tensors_of(result: object) -> Iterator[torch.Tensor]:
    """Yield the tensors that an operation returned."""
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for item in result:
            yield from tensors_of(item)


def random_module(seed: int, options: Options = Options()) -> tuple[RandomModule, tuple[torch.Tensor, ...]]:
    """Return the module and the inputs of a seed: always the same ones."""
    torch.manual_seed(seed)
    rng = Random(seed)
    while True:
        composer = _Composer(rng, options)
        with torch.enable_grad():  # also where a caller asks without: a seed has one module
            module, inputs = composer.compose()
            if composer.is_differentiable() and composer.is_steady(inputs):
                return module, inputs


def _nodes(tensors: list[torch.Tensor]) -> set[Any]:
    """Return the nodes behind tensors."""
    nodes: set[Any] = set()
    waiting = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if node not in nodes:
            nodes.add(node)
            waiting.extend(edge for edge, _ in node.next_functions if edge is not None)
    return nodes


class UnusableError(Exception):
    """An operation that torch refuses on the tensors that were drawn, or whose values are not finite."""


# What torch raises for a dtype, a shape or a leaf that an operation cannot work on, or its warning.
_REFUSALS = (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError, AssertionError, Warning)


class _Composer:
    """Draws a module, operation by operation, each tried on real tensors while recording."""

    def __init__(self, rng: Random, options: Options) -> None:
        self.rng = rng
        self.options = options
        self.kinds = {name: kind for name, kind in KINDS.items() if options.hidden or not kind.hidden}
        self.groups = [[name for name in group if name in self.kinds] for group in _GROUPS]
        self.module = RandomModule()
        self.pool: list[torch.Tensor] = []
        self.foreign: set[int] = set()  # storages that were there before: nothing is written to them
        self.frozen = rng.choice((0.0, 0.2, 0.2, 0.5, 1.0))

    def compose(self) -> tuple[RandomModule, tuple[torch.Tensor, ...]]:
        rng = self.rng
        inputs = tuple(self._input() for _ in range(rng.choice((1, 1, 2, 3))))
        self.pool = list(inputs)
        self.foreign = {value.untyped_storage().data_ptr() for value in inputs}
        length = rng.randint(3, self.options.steps)
        always_warn = torch.is_warn_always_enabled()
        torch.set_warn_always(True)  # else an operation would be refused only where it is met first
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                while len(self.module.instructions) < length:
                    self._extend()
        finally:
            torch.set_warn_always(always_warn)
        self.module.container = draw_container(rng, own=self.options.own)
        count = 1 if self.module.container == "tensor" else rng.randint(1, min(4, len(self.pool)))
        self.module.choice = (
            *rng.sample(range(len(self.pool)), count - 1),
            len(self.pool) - 1,
        )
        return self.module, inputs

    def is_differentiable(self) -> bool:
        """Tell whether nothing was written to that backward needs: such a graph may hold itself for ever."""
        try:
            ends = [value.abs().sum() for value in self.pool if value.requires_grad]
            leaves = [node.variable for node in _nodes(ends) if hasattr(node, "variable")]
            torch.autograd.backward(ends)
        except RuntimeError:
            return False
        for leaf in leaves:
            leaf.grad = None
        return True

    def is_steady(self, inputs: tuple[torch.Tensor, ...]) -> bool:
        """Tell whether the module runs in both grad modes, with sizes that no random number decides."""
        for recording in (True, False):
            with torch.set_grad_enabled(recording):
                try:
                    pool = self.module.pool(*inputs)
                except (RuntimeError, ValueError, IndexError):
                    return False
            if len(pool) != len(self.pool):
                return False
            steady = [torch.equal(old, new) for old, new in zip(self.pool, pool, strict=True)]
            for instruction in self.module.instructions:
                if self.kinds[instruction.kind].sized and not all(
                    steady[number] for number in instruction.operands
                ):
                    return False
        return True

    def _input(self) -> torch.Tensor:
        rng = self.rng
        shape = rng.choice(((4, 6), (3, 4, 6), (2, 3, 4, 6), (3, 4, 6)))
        value = torch.randn(shape, dtype=rng.choice(_DTYPES))
        return value.requires_grad_(rng.random() < 0.2)

    def _extend(self) -> None:
        """Add one operation, unless torch refuses the one that was drawn."""
        rng = self.rng
        name = rng.choice(rng.choice(self.groups))
        kind = self.kinds[name]
        candidates = [number for number, value in enumerate(self.pool) if kind.takes(value)]
        if not candidates:
            return
        first = rng.choice(candidates[-6:])
        operands = (first, *self._partners(first, kind.operands - 1))
        try:
            layer = self._layer(name, self.pool[first])
            results = self._try(kind, layer, operands)
        except (UnusableError, *_REFUSALS):
            return
        self.pool.extend(results)
        self.module.instructions.append(Instruction(name, operands))
        self.module.layers.append(layer)
        if isinstance(layer, nn.Module) and not (self.options.plain and rng.random() < 0.2):
            self.module.registered.append(layer)

    def _partners(self, first: int, count: int) -> tuple[int, ...]:
        value = self.pool[first]
        same = [number for number, other in enumerate(self.pool) if other.dtype is value.dtype]
        shaped = [number for number in same if self.pool[number].shape == value.shape]
        return tuple(self.rng.choice(shaped if self.rng.random() < 0.7 else same) for _ in range(count))

    def _layer(self, name: str, value: torch.Tensor) -> Layer:
        """Return a new layer of a kind, some of its parameters frozen, or one that is there already."""
        rng = self.rng
        pairs = zip(self.module.instructions, self.module.layers, strict=True)
        earlier = [layer for instruction, layer in pairs if instruction.kind == name]
        if earlier and rng.random() < 0.5:
            return rng.choice(earlier)
        layer = self.kinds[name].draw(rng, value, self.options.plain)
        if isinstance(layer, nn.Module):
            layer = deepcopy(layer)  # the table's own layers are everybody's
            for parameter in layer.parameters():
                parameter.requires_grad_(rng.random() >= self.frozen)
        return layer

    def _try(self, kind: Kind, layer: Layer, operands: tuple[int, ...]) -> list[torch.Tensor]:
        """Run an operation on real tensors, and return what it makes.

        Raises:
            UnusableError: it would write to what was there before, or makes nothing, much, or no numbers.
        """
        values = [self.pool[number] for number in operands]
        if kind.writes:
            target, *others = (value.untyped_storage().data_ptr() for value in values)
            # torch's graph of `x.mul_(x)` refers to itself and is never freed
            if target in self.foreign or target in others:
                raise UnusableError
        results = list(tensors_of(layer(*values)))
        for result in results:
            if not 0 < result.numel() < _LARGEST or not result.isfinite().all():
                raise UnusableError
        return results
