"""What pyperf runs in its workers: the shared work."""

from functools import cache
from typing import TYPE_CHECKING

import pyperf

if TYPE_CHECKING:
    from harness.workload.model import Model


@cache
def model() -> "Model":
    """Build the work at the first call, so that only the workers import torch."""
    from bench.peers.work import forward

    return forward()


def call() -> None:
    """Run the forward pass once."""
    model()()


pyperf.Runner().bench_func("forward", call)
