"""Models in a dtype, a mode or with `requires_grad` of their own, as people hand them over."""

from collections.abc import Callable

import torch
from torch import nn

from harness import Model


def bfloat16() -> Model:
    """GELU's input and output, 32 * 128 * 2 B each: 16384 B; parameters 66048 B."""
    net = nn.Sequential(nn.Linear(128, 128), nn.GELU(), nn.Linear(128, 128)).to(torch.bfloat16)
    return Model(net, (torch.randn(32, 128, dtype=torch.bfloat16),))


def float64() -> Model:
    """Tanh's output, 32 * 128 * 8 = 32768 B; parameters (128 * 128 + 128 + 128 + 1) * 8 = 133128 B."""
    net = nn.Sequential(nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 1)).double()
    return Model(net, (torch.randn(32, 128, dtype=torch.float64),))


def complex64() -> Model:
    """One layer saves its input alone, which was there: 0 B; parameters (64 * 32 + 64) * 8 = 16896 B."""
    return Model(
        nn.Linear(32, 64, dtype=torch.complex64),
        (torch.randn(8, 32, dtype=torch.complex64),),
        loss=lambda out: out.abs().square().mean(),
    )


def complex128() -> Model:
    """The first layer's output, for the second: 8 * 64 * 16 = 8192 B; parameters 36864 B."""
    net = nn.Sequential(
        nn.Linear(32, 64, bias=False, dtype=torch.complex128),
        nn.Linear(64, 4, bias=False, dtype=torch.complex128),
    )
    return Model(
        net,
        (torch.randn(8, 32, dtype=torch.complex128),),
        loss=lambda out: out.abs().square().mean(),
    )


class Spectral(nn.Module):
    """A Fourier layer: real in, complex weights, real out."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8, 16, dtype=torch.complex64) / 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        modes = torch.fft.rfft(x)[..., :16]
        return torch.fft.irfft(torch.einsum("bim,iom->bom", modes, self.weight), n=x.shape[-1])


def complex_weights() -> Model:
    """Parameters 8 * 8 * 16 * 8 = 8192 B."""
    return Model(Spectral(), (torch.randn(4, 8, 64),))


class Mixed(nn.Module):
    """Weights in bfloat16, the norm in float32, as large models are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(128, 128, dtype=torch.bfloat16)
        self.norm = nn.LayerNorm(128)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.fc(x).float())


def mixed() -> Model:
    """The norm's input and its mean and rstd: 32 * 128 * 4 + 2 * 32 * 4 = 16640 B.

    Parameters (128 * 128 + 128) * 2 + 2 * 128 * 4 = 34048 B.
    """
    return Model(Mixed(), (torch.randn(32, 128, dtype=torch.bfloat16),))


class MixedBuffers(nn.Module):
    """Parameters in bfloat16 beside a buffer that has to stay float64."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64, dtype=torch.bfloat16)
        self.register_buffer("frequencies", torch.rand(64, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.frequencies.dtype != torch.float64:
            raise TypeError("frequencies have to be float64")
        return torch.tanh(self.fc(x)) * self.frequencies.to(x.dtype)


def double_buffer() -> Model:
    """Tanh's output, saved by itself: 16 * 64 * 2 = 2048 B; and the buffer in bfloat16, 64 * 2 = 128 B."""
    return Model(MixedBuffers(), (torch.randn(16, 64, dtype=torch.bfloat16),))


DTYPES: tuple[tuple[Callable[[], Model], int, int, str], ...] = (
    (bfloat16, 16384, 66048, "bfloat16"),
    (float64, 32768, 133128, "float64"),
    (complex64, 0, 16896, "complex64"),
    (complex128, 8192, 36864, "complex128"),
    (mixed, 16640, 34048, "mixed"),
    (double_buffer, 2048 + 128, (64 * 64 + 64) * 2, "bfloat16"),
)


# Modes. Images of 4 * 3 * 16 * 16; sixteen channels: one activation has 4 * 16 * 16 * 16 * 4 = 65536 B.


class Trunk(nn.Module):
    """A frozen convolution and batch norm before a head that trains."""

    def __init__(self, *, overrides: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(16, 4)
        self.overrides = overrides
        self.conv.requires_grad_(requires_grad=False)
        self.norm.requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> "Trunk":  # noqa: FBT001, FBT002 (torch's own signature)
        super().train(mode)
        if self.overrides:
            self.norm.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(torch.relu(self.norm(self.conv(images))).mean((2, 3))))


def norm_in_eval() -> Model:
    """All before the head is frozen: only the head's input is held, and dropout's is not."""
    net = Trunk().train()
    net.norm.eval()
    return Model(net, (torch.randn(4, 3, 16, 16),))


def norm_in_eval_by_override() -> Model:
    return Model(Trunk(overrides=True).train(), (torch.randn(4, 3, 16, 16),))


def dropout_in_eval() -> Model:
    """GELU's input and its output, 2 * 16 * 64 * 4 = 8192 B; dropout in train mode holds a mask beside."""
    net = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Dropout(0.5), nn.Linear(64, 4)).train()
    net[2].eval()
    return Model(net, (torch.randn(16, 64),))


def dropout_in_train_alone() -> Model:
    """The reverse: all in eval, and dropout kept in train mode, as for Monte Carlo dropout.

    GELU's input, dropout's factors (float32 on the CPU), and its output, which the head saves: 3 * 4096 =
    12288 B. GELU's output is not kept.
    """
    net = nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Dropout(0.5), nn.Linear(64, 4)).eval()
    net[2].train()
    return Model(net, (torch.randn(16, 64),))


class CountsCalls(nn.Module):
    """A norm whose statistics must not move."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.norm.training:
            raise AssertionError("the norm was set to eval, and runs in train mode")
        return self.head(self.norm(x))


def refuses_train_mode() -> Model:
    net = CountsCalls().train()
    net.norm.eval()
    return Model(net, (torch.randn(16, 8),))


# requires_grad.


def frozen_base() -> Model:
    """Only the head is trainable: gradients (64 * 4 + 4) * 4 = 1040 B."""
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    net[0].requires_grad_(requires_grad=False)
    return Model(net, (torch.randn(16, 64),))


def input_requires_grad() -> Model:
    """Frozen weights, and an input that a gradient is taken of, as for saliency maps: ReLU 4096 B is held."""
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)).requires_grad_(requires_grad=False)
    return Model(net, (torch.randn(16, 64, requires_grad=True),))


def frozen_bias() -> Model:
    """One bias frozen: gradients (64 * 64 + 64 * 4 + 4) * 4 = 17424 B."""
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    net[0].bias.requires_grad_(requires_grad=False)
    return Model(net, (torch.randn(16, 64),))
