"""pytest-benchmem: its one-line door, with its own repeats."""

from bench.peers.tool import MemoryPeer
from harness.workload.model import Model


def read(model: Model) -> tuple[int, int | None]:
    """Return the lowest memray peak of its passes, in bytes."""
    from pytest_benchmem import measure_peak

    return int(measure_peak(model)), None


PEER = MemoryPeer("pytest-benchmem", "pytest-benchmem", "lowest memray peak of a few passes", __name__)
