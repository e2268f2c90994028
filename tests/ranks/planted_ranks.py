"""Models of which one rank dies, hangs, or is another one; the tests name them on torchrun's command line."""

import os
import signal
import time

import torch
from torch import nn

from harness import Model

SOUND_PASSES = 30  # by then the ranks are being timed


class Planted(nn.Module):
    """A linear layer that goes wrong on rank 1."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.what = what
        self.passes = 0

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Take and return values (N, 8)."""
        self.passes += 1
        if os.environ["RANK"] == "1" and self.passes > SOUND_PASSES:
            if self.what == "dies":
                raise KeyError("planted")
            if self.what == "is killed":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(1000)
        result: torch.Tensor = self.linear(values)
        return result


def dies() -> Model:
    return Model(Planted("dies"), (torch.randn(4, 8),))


def hangs() -> Model:
    return Model(Planted("hangs"), (torch.randn(4, 8),))


def is_killed() -> Model:
    return Model(Planted("is killed"), (torch.randn(4, 8),))


def differs() -> Model:
    return Model(nn.Linear(8, 8 + int(os.environ["RANK"])), (torch.randn(4, 8),))
