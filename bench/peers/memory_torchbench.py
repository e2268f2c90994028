"""Resident memory as TorchBench takes it: a percentage, after the calls have returned.

Formula: `cpu_peak_mem` of torchbenchmark/util/experiment/metrics.py, and `warmup` of PyTorch's
benchmarks/dynamo/common.py: `memory_percent() * virtual_memory().total / 10**9`, stated in gigabytes. The
percentage is not divided by 100.
"""

import psutil

from bench.peers.tool import MemoryPeer
from harness.workload.model import Model

_CALLS = 2  # its MEMPROF_ITER


def _formula() -> int:
    return int(psutil.Process().memory_percent() * psutil.virtual_memory().total)


def read(model: Model) -> tuple[int, int | None]:
    """Return what it states after the calls, in bytes."""
    before = _formula()
    for _ in range(_CALLS):
        model()
    return _formula(), before


PEER = MemoryPeer(
    "TorchBench's formula",
    "psutil",
    "percent of memory that is resident after 2 calls, times all of it",
    __name__,
)
