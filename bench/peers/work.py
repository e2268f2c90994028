"""The work that every tool is given: the forward pass of a built-in model, with gradients recorded."""

import torch
from torch import nn

from harness.workload.model import Model
from harness.workload.models import MODELS

NAME = "mlp-relu"
BATCH_SIZE = 8
_SEED = 0
_WARM_CALLS = 100


def forward(batch_size: int = BATCH_SIZE) -> Model:
    """Build the model on one thread, warm; calling it runs the forward pass."""
    torch.set_num_threads(1)
    torch.manual_seed(_SEED)
    model = MODELS[NAME].build(batch_size)
    for _ in range(max(1, min(_WARM_CALLS, _WARM_CALLS * BATCH_SIZE // batch_size))):
        model()
    return model


def work_words() -> str:
    """Name the work."""
    return f"{NAME}, forward with gradients recorded, float32, 1 thread"


def peak_by_hand(model: Model, batch_size: int) -> int:
    """Return the peak of a forward pass in bytes, from the shapes alone.

    While the second ReLU runs, three activations live: what the first ReLU returned, which is kept for
    backward; its own input; and its result. Linear layers keep no other storage than their inputs.

    Raises:
        ValueError: the model is not the chain of layers that this was worked out for.
    """
    kinds = [type(layer) for layer in model.module.children()]
    if kinds != [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]:
        raise ValueError("the peak was worked out for Linear, ReLU, Linear, ReLU, Linear")
    first, second, last = (layer for layer in model.module.children() if isinstance(layer, nn.Linear))
    if last.out_features > first.out_features:
        raise ValueError("the peak was worked out for a last layer that is narrower than the others")
    size = first.weight.element_size()
    return batch_size * size * (first.out_features + 2 * second.out_features)
