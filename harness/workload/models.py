"""The built-in models, one entry each: a function from a batch size to a `Model`."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from harness.workload.model import Model


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that can be asked for by name.

    Attributes:
        name: what the command line and tables call it.
        build: makes the model and inputs of that many examples, from torch's seeded generator.
        batch_size: examples a batch unless told.
        named: parameters that the arm "frozen by name" freezes; empty where there is no such arm.
        sized: it makes batches of any size; else of `batch_size` only.
        dtype: what its parameters are made in; "mixed" where they differ.
        mode: "train" or "eval", as it is handed over, where that is how it is measured unless a question
            trains; "" where each question has its own.
        partly_frozen: some of its parameters need no gradient as they are handed over, and some do.
        trainable: patterns of the parameters that an arm of their own trains, such as "*lora_*".
        notes: what a reader of its numbers should know.
    """

    name: str
    build: Callable[[int], Model]
    batch_size: int
    named: tuple[str, ...] = ()
    sized: bool = True
    dtype: str = "float32"
    mode: str = ""
    partly_frozen: bool = False
    trainable: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _squared_error(output: object) -> torch.Tensor:
    """Return the book's squared loss against zeros: half the mean square."""
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"a tensor is expected, not {type(output).__name__}")
    return output.square().mean() / 2


def linear(batch_size: int) -> Model:
    """Build linear regression, 200 -> 1, as in the book's weight-decay example."""
    return Model(nn.Sequential(nn.Linear(200, 1)), (torch.randn(batch_size, 200),), loss=_squared_error)


def mlp(batch_size: int, activation: type[nn.Module]) -> Model:
    """Build a perceptron with two hidden layers, 256-512-512-10."""
    module = nn.Sequential(
        nn.Linear(256, 512), activation(), nn.Linear(512, 512), activation(), nn.Linear(512, 10)
    )
    return Model(module, (torch.randn(batch_size, 256),))


class ConvNet(nn.Module):
    """A small convolutional net: convolution, batch normalisation, ReLU, max-pooling, one classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(2)
        self.classifier = nn.Linear(16 * 16 * 16, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Take images (N, 3, 32, 32), return logits (N, 10)."""
        hidden = self.pool(torch.relu(self.norm(self.conv(images))))
        logits: torch.Tensor = self.classifier(hidden.flatten(1))
        return logits


def convnet(batch_size: int) -> Model:
    """Build the small convolutional net on 32 x 32 images."""
    return Model(ConvNet(), (torch.randn(batch_size, 3, 32, 32),), head="classifier")


class SequenceClassifier(nn.Module):
    """An LSTM over a sequence, and a linear layer on its last output."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(64, 128, batch_first=True)
        self.classifier = nn.Linear(128, 10)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Take a sequence (N, T, 64), return logits (N, 10)."""
        outputs, _ = self.lstm(sequence)
        logits: torch.Tensor = self.classifier(outputs[:, -1])
        return logits


def lstm(batch_size: int) -> Model:
    """Build the LSTM on sequences of 32 steps."""
    return Model(SequenceClassifier(), (torch.randn(batch_size, 32, 64),), head="classifier")


def transformer(batch_size: int) -> Model:
    """Build two transformer encoder layers, width 128, on sequences of 64, and a linear head."""
    # With `batch_first`, torch takes a fused path where nothing is recorded in eval mode: the grad
    # modes would not run the same operations, and their outputs would differ in the last bits.
    layer = nn.TransformerEncoderLayer(128, nhead=4, dim_feedforward=512)
    encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
    module = nn.Sequential(encoder, nn.Linear(128, 10))
    return Model(module, (torch.randn(64, batch_size, 128),), head="1")


MODELS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("linear", linear, 16),
        Entry("mlp-relu", lambda batch: mlp(batch, nn.ReLU), 64),
        Entry("mlp-gelu", lambda batch: mlp(batch, nn.GELU), 64),
        Entry("convnet", convnet, 16, named=("conv.weight", "conv.bias")),
        Entry("lstm", lstm, 16),
        Entry("transformer", transformer, 8),
    )
}
