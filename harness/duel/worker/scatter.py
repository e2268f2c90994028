"""Blocks of random size, held while a worker lives, so that what is built afterwards lies elsewhere."""

from random import Random

import torch

_BLOCKS = 64
_LARGEST = 1 << 20  # bytes: some are mapped by themselves, most come from the heap


def scatter(rng: Random) -> list[torch.Tensor]:
    """Take blocks of random size, give back every second one, and return those that are held."""
    taken = [torch.empty(int(_LARGEST ** rng.random()) + 64, dtype=torch.uint8) for _ in range(_BLOCKS)]
    return taken[::2]
