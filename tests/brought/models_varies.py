"""Models in which no two calls need be alike: random depth, random shapes, caches that grow.

Shapes: 16 rows, 64 features, float32: one activation has 4096 B.
"""

import inspect
import random
from typing import Any

import numpy as np
import torch
from torch import nn

from harness import Model

ROWS, WIDTH, DEPTH = 16, 64, 6


class Dropped(nn.Module):
    """LayerDrop: a layer is skipped at random in train mode; the random source is told."""

    def __init__(self, draw: Any, drop: float = 0.5) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU()) for _ in range(DEPTH))
        self.head = nn.Linear(WIDTH, 4)
        self.draw, self.drop = draw, drop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            if self.training and self.draw() < self.drop:
                continue
            x = layer(x)
        return self.head(x)


def _torch_draw() -> float:
    return torch.rand(()).item()


def _python_draw() -> float:
    return random.random()


def _numpy_draw() -> float:
    return float(np.random.rand())  # noqa: NPY002 (the generator that older models share)


def layerdrop() -> Model:
    """A multiple of 2 * 4096 B in train mode; in eval mode 6 inputs and 6 outputs of GELU: 49152 B."""
    torch.manual_seed(0)
    return Model(Dropped(_torch_draw).train(), (torch.randn(ROWS, WIDTH),))


def layerdrop_in_eval() -> Model:
    torch.manual_seed(0)
    return Model(Dropped(_torch_draw).eval(), (torch.randn(ROWS, WIDTH),))


def drawn_by_python() -> Model:
    return Model(Dropped(_python_draw).train(), (torch.randn(ROWS, WIDTH),))


def drawn_by_numpy() -> Model:
    return Model(Dropped(_numpy_draw).train(), (torch.randn(ROWS, WIDTH),))


class _Clock:
    """A source that no seed restores: as a clock, a process number or a generator of its own are."""

    calls = 0

    @classmethod
    def draw(cls) -> float:
        cls.calls += 1
        return float(((cls.calls - 1) // DEPTH) % 2)  # every other call of the model skips all layers


def drawn_by_a_clock() -> Model:
    """0 B in one call, 49152 B in the next."""
    return Model(Dropped(_Clock.draw).train(), (torch.randn(ROWS, WIDTH),))


class OwnGenerator(nn.Module):
    """Random depth from a generator of the module's own, which torch.manual_seed does not reach."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH))
        self.generator = torch.Generator().manual_seed(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[: int(torch.randint(1, DEPTH + 1, (), generator=self.generator))]:
            x = torch.tanh(layer(x))
        return x


def own_generator() -> Model:
    """A multiple of 4096 B."""
    return Model(OwnGenerator(), (torch.randn(ROWS, WIDTH),))


class GrowingRows(nn.Module):
    """A sequence that is one row longer at each call, counted on the class, out of reach of the module."""

    rows = 0

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        GrowingRows.rows += 1
        longer = torch.cat([x, x.new_zeros(GrowingRows.rows, WIDTH)])
        return self.head(torch.tanh(self.body(longer)))


def growing_rows() -> Model:
    return Model(GrowingRows(), (torch.randn(ROWS, WIDTH),))


class Cache:
    """Keys of all tokens so far; of a class of the user's own."""

    def __init__(self) -> None:
        self.keys = torch.zeros(0, WIDTH)

    def append(self, keys: torch.Tensor) -> torch.Tensor:
        self.keys = torch.cat([self.keys, keys.detach()])
        return self.keys


class Decoder(nn.Module):
    """One token against the cache that it is passed, which it makes longer."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.query = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: torch.Tensor, cache: Cache) -> torch.Tensor:
        keys = cache.append(self.key(x))
        return torch.softmax(self.query(x) @ keys.T, -1).sum()


def decoder() -> Model:
    """From a cache of 0 tokens: softmax, 1 * 1 * 4 B, goes without a graph; the keys stay in the cache."""
    return Model(Decoder(), (torch.randn(1, WIDTH), Cache()))


def llama_decode_step() -> Model:
    """One step of transformers on a cache of 64 tokens, which forward makes longer."""
    from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=101, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=256,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    cache = DynamicCache(config=model.config)
    # transformers < 5.24 calls it past_key_values
    name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    with torch.no_grad():
        model(input_ids=torch.randint(0, 101, (2, 64)), use_cache=True, **{name: cache})
    return Model(model, {"input_ids": torch.randint(0, 101, (2, 1)), name: cache, "use_cache": True})


class Fills(nn.Module):
    """A table of positions that the first call makes and all others read."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(WIDTH, WIDTH)
        self.table: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.table is None:
            self.table = torch.linspace(0, 1, ROWS * WIDTH).view(ROWS, WIDTH)
        return torch.tanh(self.fc(x) * self.table)


def filled_at_the_first_call() -> Model:
    """The table outlives the call with and without a graph, so that no_grad spares 0 B."""
    return Model(Fills(), (torch.randn(ROWS, WIDTH),))


def wav2vec2() -> Model:
    """Transformers' own LayerDrop, drawn by torch."""
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64, conv_dim=[16, 16],
        conv_stride=[10, 8], conv_kernel=[10, 8], num_feat_extract_layers=2, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4, layerdrop=0.5, mask_time_prob=0.0,
    )  # fmt: skip
    return Model(Wav2Vec2Model(config).train(), {"input_values": torch.randn(1, 1600)})
