"""The worst case of the watch: training steps of many small modules, which leave torch little to do."""

import torch
from torch import nn

_STEPS = 6_000


def test_training_steps_of_seventeen_small_modules() -> None:
    """Train; every step is one that the watch notes."""
    torch.manual_seed(0)
    net = nn.Sequential(*(module for _ in range(8) for module in (nn.Linear(16, 16), nn.ReLU())))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    images = torch.randn(4, 16)

    for _ in range(_STEPS):
        optimizer.zero_grad()
        net(images).square().mean().backward()
        optimizer.step()

    assert all(parameter.isfinite().all() for parameter in net.parameters())  # noqa: S101 (a test)
