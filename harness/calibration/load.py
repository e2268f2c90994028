"""Bursty processes that run beside a calibration, as neighbours on a shared machine do."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_HOG = """
import os, random, sys, time
parent = os.getppid()
while os.getppid() == parent:
    end = time.perf_counter() + random.uniform(0.005, 0.05)
    while time.perf_counter() < end:
        pass
    time.sleep(random.uniform(0.005, 0.05))
"""


@contextmanager
def bursty_load(processes: int) -> Iterator[None]:
    """Run so many processes that work and rest in bursts of 5 to 50 ms; stop them whatever happens."""
    with ExitStack() as hogs:
        for _ in range(processes):
            hogs.callback(_stop, subprocess.Popen([sys.executable, "-c", _HOG]))  # noqa: S603 (own code)
        yield


def _stop(hog: subprocess.Popen[bytes]) -> None:
    hog.kill()
    hog.wait()
