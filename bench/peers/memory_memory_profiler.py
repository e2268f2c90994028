"""memory_profiler: `memory_usage` on a function, with its defaults."""

import warnings

from bench.peers.tool import MemoryPeer
from harness.workload.model import Model

_MIB = 1024 * 1024


def read(model: Model) -> tuple[int, int | None]:
    """Return the highest of its samples, in bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own code; it is not maintained any more
        from memory_profiler import memory_usage

    before = memory_usage()[0]
    return round(max(memory_usage((model, (), {}))) * _MIB), round(before * _MIB)


PEER = MemoryPeer(
    "memory_profiler",
    "memory-profiler",
    "highest resident memory, sampled every 0.1 s (its default)",
    __name__,
)
