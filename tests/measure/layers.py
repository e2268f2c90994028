"""Layers of random modules that are more than one function of torch: own classes, regions, recurrences."""

from collections.abc import Callable
from random import Random
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint


class Constant(nn.Module):
    """Combines its input with a tensor that was there before: a plain attribute, or a buffer."""

    def __init__(self, constant: torch.Tensor, combine: Callable[..., torch.Tensor], *, plain: bool) -> None:
        super().__init__()
        if plain:
            self.constant = constant
        else:
            self.register_buffer("constant", constant)
        self.combine = combine

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.combine(values, self.constant)


class Bare:
    """A layer that is no module: parameters in plain containers, which `parameters()` does not see."""

    def __init__(self, rows: int, columns: int, dtype: torch.dtype) -> None:
        self.weights = [nn.Parameter(torch.randn(rows, columns, dtype=dtype) / columns)]
        self.rest = {"bias": nn.Parameter(torch.randn(rows, dtype=dtype))}

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        return functional.linear(values, self.weights[0], self.rest["bias"]) * self.rest["bias"].abs()


class Registered(nn.Module):
    """The same, with its parameters where torch looks for them."""

    def __init__(self, bare: Bare) -> None:
        super().__init__()
        self.weights = nn.ParameterList(bare.weights)
        self.rest = nn.ParameterDict(bare.rest)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return functional.linear(values, self.weights[0], self.rest["bias"]) * self.rest["bias"].abs()


def registered(rows: int, columns: int, dtype: torch.dtype) -> Registered:
    """Return a layer with its parameters where torch looks for them."""
    return Registered(Bare(rows, columns, dtype))


class Swish(torch.autograd.Function):
    """Saves its input, an intermediate result and its output."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        gate = values.sigmoid()
        result = values * gate
        ctx.save_for_backward(values, gate, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        _, gate, result = ctx.saved_tensors
        return gradient * (gate + result * (1 - gate))


class Straight(torch.autograd.Function):
    """Keeps nothing: rounds, and passes the gradient on."""

    @staticmethod
    def forward(_ctx: Any, values: torch.Tensor) -> torch.Tensor:
        return values.round()

    @staticmethod
    def backward(_ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


class Unannounced(torch.autograd.Function):
    """Keeps an intermediate result as an attribute of its context, of which no hook is told."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        ctx.gate = values.sigmoid()
        return values * 2

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * ctx.gate


class Packed(nn.Module):
    """Keeps what is saved in another dtype, by hooks of its own."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        packing = torch.autograd.graph.saved_tensors_hooks(
            lambda saved: saved.to(self.dtype), lambda packed: packed.to(values.dtype)
        )
        with packing:
            return (values.sigmoid() * values).tanh()


class Checkpointed(nn.Module):
    """A region that is computed again in backward."""

    def __init__(self, inner: nn.Module, *, keep_state: bool, reentrant: bool = False) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.inner = inner
        self.keep_state = keep_state

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return checkpoint(
            self.inner, values, use_reentrant=self.reentrant, preserve_rng_state=self.keep_state
        )


class Autocast(nn.Module):
    """A region in which torch chooses bfloat16 for some operations."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.inner(values)


class Called(nn.Module):
    """A region that is called with parameters that are computed in the call."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        parameters = {name: parameter * 2 for name, parameter in self.inner.named_parameters()}
        return torch.func.functional_call(self.inner, parameters, (values,))


class Recurrent(nn.Module):
    """A recurrent layer over the last two dimensions, whose outputs are a tensor and its states."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, values: torch.Tensor) -> object:
        return self.inner(values.reshape(-1, *values.shape[-2:]))


class Attention(nn.Module):
    """Attention of a sequence to itself, with or without its weights as a second output."""

    def __init__(self, width: int, dtype: torch.dtype, *, weights: bool) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(width, 2, dropout=0.1, batch_first=True, dtype=dtype)
        self.weights = weights

    def forward(self, values: torch.Tensor) -> object:
        values = values.reshape(-1, *values.shape[-2:])
        return self.inner(values, values, values, need_weights=self.weights)


class Decoder(nn.Module):
    """A decoder layer that attends to its own input, masked and shifted."""

    def __init__(self, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner = nn.TransformerDecoderLayer(width, 2, 8, batch_first=True, dtype=dtype)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        length = values.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, dtype=values.dtype)
        return self.inner(values, values.roll(1, 1), tgt_mask=mask)


class PackedSequences(nn.Module):
    """A recurrent layer over sequences of unlike lengths, in both directions."""

    def __init__(self, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner = nn.LSTM(width, 3, batch_first=True, bidirectional=True, dtype=dtype)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        lengths = torch.arange(len(values)) % values.shape[1] + 1
        packed = nn.utils.rnn.pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False)
        output, _ = self.inner(packed)
        return nn.utils.rnn.pad_packed_sequence(output, batch_first=True)[0]


class Heads(nn.Module):
    """Fused attention of heads, causal or masked by a tensor that is made in the call."""

    def __init__(self, *, causal: bool, masked: bool) -> None:
        super().__init__()
        self.causal, self.masked = causal, masked

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        values = values.reshape(1, -1, *values.shape[-2:])
        mask = None
        if self.masked:
            mask = torch.ones(values.shape[-2], values.shape[-2], dtype=torch.bool).tril()
        return functional.scaled_dot_product_attention(
            values, values, values, attn_mask=mask, is_causal=self.causal and not self.masked
        )


class Tied(nn.Module):
    """One weight, used twice, the second time transposed."""

    def __init__(self, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.encode = nn.Linear(width, 5, bias=False, dtype=dtype)
        self.decode = nn.Linear(5, width, bias=False, dtype=dtype)
        self.decode.weight = nn.Parameter(self.encode.weight.detach().t().clone())
        self.last = nn.Linear(width, 5, bias=False, dtype=dtype)
        self.last.weight = self.encode.weight

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.last(self.decode(self.encode(values).tanh()))


class Embedded(nn.Module):
    """Looks up rows by numbers that come from its input."""

    def __init__(self, rng: Random, dtype: torch.dtype) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4, padding_idx=rng.choice((None, 0)), dtype=dtype)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.table(values.reshape(values.shape[0], -1)[:, :3].long().abs() % 7)


class Bag(nn.Module):
    """Sums rows of a table."""

    def __init__(self, dtype: torch.dtype, mode: str) -> None:
        super().__init__()
        self.table = nn.EmbeddingBag(7, 4, mode=mode, dtype=dtype)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.table(values.reshape(values.shape[0], -1)[:, :3].long().abs() % 7)


class Inside(nn.Module):
    """Runs one function in a grad mode of its own."""

    def __init__(self, mode: type, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.mode, self.function = mode, function

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        with self.mode():
            return self.function(values)


def region_of(rng: Random, x: torch.Tensor) -> nn.Module:
    """Return a few layers that keep the shape of their input."""
    width = x.shape[-1]
    middle = rng.choice((nn.GELU(), nn.ReLU(inplace=True), nn.Tanh(), nn.LayerNorm(5, dtype=x.dtype)))
    return nn.Sequential(nn.Linear(width, 5, dtype=x.dtype), middle, nn.Linear(5, width, dtype=x.dtype))


class Residual(nn.Module):
    """Adds what a layer makes of its input to the input."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values + self.inner(values)


class Folded(nn.Module):
    """Treats the last two dimensions as an image of one or more channels, and applies a layer to it."""

    def __init__(self, inner: Callable[..., object], dimensions: int, *, channels: bool = False) -> None:
        super().__init__()
        self.inner, self.dimensions, self.channels = inner, dimensions, channels

    def forward(self, values: torch.Tensor) -> object:
        sizes = (1,) * self.channels + tuple(values.shape[-self.dimensions :])
        return self.inner(values.reshape(-1, *sizes))
