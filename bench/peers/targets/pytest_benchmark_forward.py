"""What pytest-benchmark runs: the shared work, as its first page shows it."""

from typing import Any

from bench.peers.work import forward

MODEL = forward()


def test_forward(benchmark: Any) -> None:
    """Time the forward pass."""
    benchmark(MODEL)
