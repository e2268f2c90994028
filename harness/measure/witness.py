"""The fresh process that the resident-memory probe watches: build, wait, run one step, say what it held."""

import ctypes
import sys
from pathlib import Path

import msgspec
import torch

from harness.measure.probes.rss import Request, Seen
from harness.processes.ending import end_without_search
from harness.workload.questions import load_question
from harness.workload.sources import build

_RESET_PEAK = "5"  # what /proc/PID/clear_refs takes to reset VmHWM (proc(5))


def _resident(field: str) -> int:
    """Return VmRSS or VmHWM of this process, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def main() -> None:
    """Serve one request from standard input."""
    end_without_search()
    request = msgspec.json.decode(sys.stdin.readline(), type=Request)
    if request.threads:
        torch.set_num_threads(request.threads)
    step = load_question(request.case.question).build(
        request.case, request.arm, build(request.case, request.seed)
    )
    step()  # libraries take their scratch at the first call
    ctypes.CDLL(None).malloc_trim(0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    step()
    sys.stdout.write(msgspec.json.encode(Seen(before, _resident("VmHWM"))).decode() + "\n")


if __name__ == "__main__":
    main()
