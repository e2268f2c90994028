"""The heap that keeps what is freed."""

import ctypes
import resource
import subprocess
import sys

import pytest

from harness.measure.heap import keep_freed_memory

PAGES = (8 << 20) // resource.getpagesize()
FAULTS = """
import resource, statistics, torch
from harness.measure.heap import keep_freed_memory

assert keep_freed_memory()
faults = []
for _ in range(60):  # the first few find the heap still growing
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(8 << 20, dtype=torch.uint8)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(statistics.median(faults))
"""


@pytest.mark.process
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
def test_what_a_call_frees_is_there_for_the_next() -> None:
    # In a process of its own: in this one, what other tests left behind decides where a block is carved.
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)  # noqa: S603

    # One or the other block is carved anew; by itself glibc gives every one of them back.
    assert float(run.stdout) < PAGES / 4


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
