"""Models that return what they compute in objects of any class.

Shapes: 32 rows, 64 features, float32: one activation has 32 * 64 * 4 = 8192 B.
"""

import functools
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from harness import Model

ROWS, WIDTH = 32, 64


class Policy(nn.Module):
    """A normal distribution over eight actions."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(WIDTH, WIDTH)
        self.mean = nn.Linear(WIDTH, 8)
        self.scale = nn.Linear(WIDTH, 8)

    def forward(self, x: torch.Tensor) -> torch.distributions.Distribution:
        hidden = torch.tanh(self.body(x))
        return torch.distributions.Normal(self.mean(hidden), self.scale(hidden).exp(), validate_args=False)


def _policy_loss(actions: torch.Tensor) -> Callable[[Any], torch.Tensor]:
    return lambda policy: -policy.log_prob(actions).mean()


def distribution() -> Model:
    """tanh: 8192 B. exp saves its result, which is the distribution's scale: an output."""
    return Model(Policy(), (torch.randn(ROWS, WIDTH),), loss=_policy_loss(torch.zeros(ROWS, 8)))


class Independent(Policy):
    """A distribution inside a distribution."""

    def forward(self, x: torch.Tensor) -> torch.distributions.Distribution:
        return torch.distributions.Independent(super().forward(x), 1, validate_args=False)


def distribution_in_a_distribution() -> Model:
    """As above: 8192 B."""
    return Model(Independent(), (torch.randn(ROWS, WIDTH),))


class Two(nn.Module):
    """Two linear layers with tanh between; what is returned, and in what, is a function's."""

    def __init__(self, wrap: Callable[[torch.Tensor, torch.Tensor], object]) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 8)
        self.wrap = wrap

    def forward(self, x: torch.Tensor) -> object:
        hidden = torch.tanh(self.first(x))
        return self.wrap(self.last(hidden), hidden)


class Box:
    """Any object that holds an activation."""

    def __init__(self, *values: object) -> None:
        self.values = values


class Slotted:
    """One without a `__dict__`."""

    __slots__ = ("out", "rest")

    def __init__(self, out: object, rest: object) -> None:
        self.out, self.rest = out, rest


class SlottedBelow(Slotted):
    """One whose slots are those of the class above."""

    __slots__ = ()


class Pair(NamedTuple):
    out: torch.Tensor
    hidden: torch.Tensor


@dataclass
class Record:
    out: torch.Tensor
    extra: dict[str, object] = field(default_factory=dict)


class Grown(dict):  # type: ignore[type-arg]
    """A dictionary that holds something beside its items."""

    def __init__(self, out: object, hidden: object) -> None:
        super().__init__(out=out)
        self.hidden = hidden


class GuardedAttributes:
    """One whose attributes must not be asked for: a property that raises, and one that allocates."""

    def __init__(self, out: torch.Tensor, hidden: torch.Tensor) -> None:
        self._out, self._hidden = out, hidden

    @property
    def raises(self) -> object:
        raise RuntimeError("not to be asked for")

    @property
    def copied(self) -> torch.Tensor:
        raise AssertionError("a walk that calls code of the user's")

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"a walk that asks for {name}")

    def __len__(self) -> int:
        raise AssertionError("a walk that asks for the length")

    def __iter__(self) -> Iterator[object]:
        raise AssertionError("a walk that iterates")


class Ring:
    """An object that holds itself."""

    def __init__(self, out: torch.Tensor, hidden: torch.Tensor) -> None:
        self.out, self.hidden, self.again = out, hidden, self


def _array(out: torch.Tensor, hidden: torch.Tensor) -> object:
    array = np.empty(2, dtype=object)
    array[0], array[1] = out, hidden
    return array


def _deep(out: torch.Tensor, hidden: torch.Tensor) -> object:
    return {"a": [(Box(out), Slotted(Pair(out, hidden), {"b": Record(out, {"c": Box([hidden])})}))]}


def _closure(out: torch.Tensor, hidden: torch.Tensor) -> object:
    return lambda: out + hidden.sum()


def _two(wrap: Callable[[torch.Tensor, torch.Tensor], object]) -> Model:
    return Model(Two(wrap), (torch.randn(ROWS, WIDTH),))


WAYS: dict[str, Callable[[torch.Tensor, torch.Tensor], object]] = {
    "box": Box,
    "slots": Slotted,
    "slots below": SlottedBelow,
    "named tuple": Pair,
    "dataclass": lambda out, hidden: Record(out, {"hidden": hidden}),
    "ordered dictionary": lambda out, hidden: OrderedDict(out=out, hidden=hidden),
    "dictionary with attributes": Grown,
    "namespace": lambda out, hidden: types.SimpleNamespace(out=out, more=types.SimpleNamespace(h=hidden)),
    "deque": lambda out, hidden: deque([out, hidden]),
    "set": lambda out, hidden: {out, hidden},
    "guarded attributes": GuardedAttributes,
    "ring": Ring,
    "array of objects": _array,
    "deep": _deep,
    "closure": _closure,
    "partial": lambda out, hidden: functools.partial(torch.add, out, hidden),
    "keys of a dictionary": lambda out, hidden: {out: "out", hidden: "hidden"},
    "mapping proxy": lambda out, hidden: types.MappingProxyType({"out": out, "hidden": hidden}),
}


def returned_in(way: str) -> Model:
    """Tanh is held for the last layer and returned: an output, so that nothing else is saved: 0 B."""
    return _two(WAYS[way])


def returned_alone_in(way: str) -> Model:
    """The last layer's output only, in the same classes: tanh is saved: 8192 B."""
    return _two(lambda out, _hidden: WAYS[way](out, out.view(-1)))


class Module(nn.Module):
    """Returns its output beside a module, as some return themselves: their parameters are no output."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 8)

    def forward(self, x: torch.Tensor) -> object:
        return Box(self.last(torch.tanh(self.first(x))), self)


def module_beside_the_output() -> Model:
    """tanh: 8192 B; nodes: two of addmm, two of the transposed weights, tanh, and four of parameters: 9."""
    return Model(Module(), (torch.randn(ROWS, WIDTH),))


class Lines(nn.Module):
    """A generator, which has run nothing when it is returned."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        for _ in range(3):
            x = torch.tanh(self.fc(x))
            yield x


class Lazy(Lines):
    """The same, as an iterator of `map`."""

    def forward(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        return map(self.fc, [x, x])


class BoxedLines(Lines):
    """A generator inside an object."""

    def forward(self, x: torch.Tensor) -> object:  # type: ignore[override]
        return {"lines": super().forward(x)}


def generator() -> Model:
    return Model(Lines(), (torch.randn(8, WIDTH),))


def lazy_map() -> Model:
    return Model(Lazy(), (torch.randn(8, WIDTH),))


def generator_in_a_dictionary() -> Model:
    return Model(BoxedLines(), (torch.randn(8, WIDTH),))


class Returns(nn.Module):
    """Runs a layer and returns something that is no tensor."""

    def __init__(self, left: Callable[[torch.Tensor], object]) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.left = left

    def forward(self, x: torch.Tensor) -> object:
        return self.left(torch.tanh(self.fc(x)))


def nothing() -> Model:
    return Model(Returns(lambda _hidden: None), (torch.randn(8, WIDTH),))


def a_number() -> Model:
    return Model(Returns(lambda hidden: hidden.sum().item()), (torch.randn(8, WIDTH),))


def an_array() -> Model:
    return Model(Returns(lambda hidden: hidden.detach().numpy()), (torch.randn(8, WIDTH),))


def classes() -> Model:
    return Model(Returns(lambda hidden: hidden.argmax(1)), (torch.randn(8, WIDTH),))


# Decoders of transformers at their defaults, whose output holds a DynamicCache.


def llama(*, use_cache: bool = True) -> Model:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=101, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, use_cache=use_cache,
    )  # fmt: skip
    return Model(LlamaForCausalLM(config).eval(), {"input_ids": torch.randint(0, 101, (2, 17))})


def gpt2() -> Model:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(n_layer=2, n_embd=32, n_head=4, vocab_size=101, n_positions=32)
    return Model(GPT2LMHeadModel(config).eval(), {"input_ids": torch.randint(0, 101, (2, 17))})


def t5() -> Model:
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(vocab_size=101, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    ids = torch.randint(0, 101, (2, 9))
    return Model(
        T5ForConditionalGeneration(config).eval(), {"input_ids": ids, "decoder_input_ids": ids.clone()}
    )
