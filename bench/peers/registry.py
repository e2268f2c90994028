"""The tools that are compared, in the order of the table."""

from bench.peers import (
    memory_benchmem,
    memory_ledger,
    memory_memory_profiler,
    memory_memray,
    memory_optimum_benchmark,
    memory_torchbench,
    time_benchmatrix,
    time_harness,
    time_pyperf,
    time_pytest_benchmark,
    time_torch_timer,
)
from bench.peers.tool import MemoryPeer, TimingPeer

TIMING: tuple[TimingPeer, ...] = (
    *time_harness.PEERS,
    *time_torch_timer.PEERS,
    *time_pytest_benchmark.PEERS,
    *time_benchmatrix.PEERS,
    *time_pyperf.PEERS,
)
MEMORY: tuple[MemoryPeer, ...] = (
    memory_ledger.PEER,
    memory_memray.PEER,
    memory_benchmem.PEER,
    memory_optimum_benchmark.PEER,
    memory_torchbench.PEER,
    memory_memory_profiler.PEER,
)
