"""Resident memory as optimum-benchmark takes it: a second process samples this one once a millisecond.

Formula: `monitor_cpu_ram_memory` of optimum_benchmark/trackers/memory.py (max_ram). The package itself
cannot be asked for one call of a module that is not on a hub.
"""

import os
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection

import psutil

from bench.peers.tool import MemoryPeer
from harness.workload.model import Model

_INTERVAL_S = 0.001  # its default


def _monitor(pid: int, connection: Connection) -> None:
    watched = psutil.Process(pid)
    highest = 0
    connection.send(None)
    stopped = False
    while not stopped:
        highest = max(highest, watched.memory_info().rss)
        stopped = connection.poll(_INTERVAL_S)
    connection.send(highest)


def read(model: Model) -> tuple[int, int | None]:
    """Return the highest resident memory that was sampled while the call ran, in bytes."""
    before = psutil.Process().memory_info().rss
    here, there = Pipe()
    process = Process(target=_monitor, args=(os.getpid(), there), daemon=True)
    process.start()
    here.recv()  # it is ready
    model()
    here.send("stop")
    highest: int = here.recv()
    process.join()
    return highest, before


PEER = MemoryPeer(
    "optimum-benchmark's formula", "psutil", "highest resident memory, sampled every 1 ms", __name__
)
