"""What a module may return its tensors in: torch's, Python's and a user's own classes, nested."""

from collections import OrderedDict, UserDict, deque, namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch

Values = Sequence[torch.Tensor]


class Named(NamedTuple):
    first: object
    rest: object


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - the older way, which people still use


@dataclass
class Fields:
    first: object
    rest: object = None
    note: str = "one"


@dataclass(frozen=True, slots=True)
class Frozen:
    values: tuple[object, ...]


class Slots:
    __slots__ = ("unset", "values")

    def __init__(self, values: object) -> None:
        self.values = values


class MoreSlots(Slots):
    __slots__ = ("more",)

    def __init__(self, values: object, more: object) -> None:
        super().__init__(values)
        self.more = more


class Attributes:
    def __init__(self, values: Values) -> None:
        self.first = values[0]
        self._rest = dict(enumerate(values[1:]))

    def __len__(self) -> int:  # an object that is false, as an empty cache is
        return 0


class Layer:
    def __init__(self, value: torch.Tensor) -> None:
        self.value = value


class Layers:
    """As a cache of a decoder: a list of objects, each with a tensor."""

    def __init__(self, values: Values) -> None:
        self.layers = [Layer(value) for value in values]


class Unfriendly:
    """An object on which most of what can be asked fails."""

    def __init__(self, values: object) -> None:
        self.values = values

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)

    def __eq__(self, _other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> object:
        raise RuntimeError

    def __repr__(self) -> str:
        raise RuntimeError


class Circle:
    """An object that refers to itself."""

    def __init__(self, values: object) -> None:
        self.values = [values, self]


class Items(dict[str, object]):
    """A dict with attributes beside its items."""

    def __init__(self, values: Values) -> None:
        super().__init__(first=values[0])
        self.rest = tuple(values[1:])


class Longer(list[object]):
    """A list of the user's own class."""


@dataclass
class Tree:
    """A dataclass whose fields are objects of own classes."""

    leaves: list[object] = field(default_factory=list)
    branch: object = None


def _closure(values: Values) -> Callable[[], Values]:
    return lambda: values


KNOWN: dict[str, Callable[[Values], Any]] = {
    "tensor": lambda values: values[0],
    "tuple": tuple,
    "list": list,
    "dict": lambda values: {f"key{index}": value for index, value in enumerate(values)},
    "ordered dict": lambda values: OrderedDict(enumerate(values)),
    "named tuple": lambda values: Named(values[0], list(values[1:])),
    "older named tuple": lambda values: Pair(values[0], {"rest": values[1:]}),
    "dataclass": lambda values: Fields(values[0], list(values[1:])),
    "frozen dataclass": lambda values: Frozen(tuple(values)),
    "nested": lambda values: {"a": [values[0], None, (3, "text")], "b": {"c": tuple(values[1:])}},
    "named tuple in a list": lambda values: [Pair(value, None) for value in values],
}

OWN: dict[str, Callable[[Values], Any]] = {
    "slots": lambda values: Slots(list(values)),
    "inherited slots": lambda values: MoreSlots(values[0], tuple(values[1:])),
    "attributes": Attributes,
    "list of objects": Layers,
    "object in a dict": lambda values: {"cache": Layers(values[1:]), "hidden": values[0]},
    "object in a tuple": lambda values: (values[0], Layers(values)),
    "unfriendly": lambda values: Unfriendly(list(values)),
    "circle": lambda values: Circle(tuple(values)),
    "dict with attributes": Items,
    "own list": Longer,
    "namespace": lambda values: SimpleNamespace(a=values[0], b=SimpleNamespace(rest=list(values[1:]))),
    "tree": lambda values: Tree([Layer(value) for value in values], Slots(Tree([values[0]]))),
    "queue": deque,
    "user dict": lambda values: UserDict(enumerate(values)),
    "closure": _closure,
    "iterator": lambda values: iter(list(values)),
    "set": set,
    "object array of slots in dataclass": lambda values: Fields(
        Slots(values[0]), Slots(Frozen(tuple(values[1:])))
    ),
    "method": lambda values: Slots(list(values)).__init__,
}


def draw_container(rng: Random, *, own: bool) -> str:
    """Draw the name of a container; with `own`, mostly one of a class that the harness cannot know."""
    return rng.choice(sorted(OWN)) if own and rng.random() < 0.6 else rng.choice(sorted(KNOWN))
