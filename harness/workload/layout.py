"""Where tensors lie in memory, and how they are moved."""

from collections.abc import Iterable
from random import Random

import torch
from torch import nn


def move(tensors: Iterable[torch.Tensor], rng: Random) -> list[torch.Tensor]:
    """Move the data of tensors to fresh addresses, with blocks of random size between them.

    Where parameters and inputs lie in memory is worth up to 1 % of the time of a call, so a
    comparison that is meant to hold for the code has to be taken over several layouts.

    Returns:
        What holds the old addresses: while it is kept, nothing else can take their place.
    """
    old = []
    pads = []
    for tensor in tensors:
        old.append(tensor.data)
        pads.append(torch.empty(rng.randrange(64, 65536, 64), dtype=torch.uint8, device=tensor.device))
        tensor.data = tensor.data.clone()
    del pads
    return old


def settle(module: nn.Module) -> None:
    """Let modules that keep all their weights in one block make it anew after their weights were moved.

    Recurrent layers do, on CUDA: without it every call copies the weights together. On a CPU it does nothing.
    """
    for child in module.modules():
        if isinstance(child, nn.RNNBase):
            child.flatten_parameters()
