"""`python -m bench.passes.plain MODEL STEPS`: a training loop of torch alone, and what a step took."""

import json
import resource
import sys
import time

import torch

from harness.record.measured import Case
from harness.workload.sources import build, resolve

_KIB = 1024  # ru_maxrss counts these, on Linux


def trained(target: str, steps: int) -> dict[str, object]:
    """Train a model with AdamW on one thread.

    Returns:
        Seconds of each step after the first, wall and of the processor, and the process's peak in bytes.
    """
    torch.set_num_threads(1)
    entry = resolve(target)
    model = build(Case(question="passes", model=target, batch_size=entry.batch_size, mode="train"), 0, entry)
    optimizer = torch.optim.AdamW(model.module.parameters())
    wall, cpu = [], []
    for _ in range(steps + 1):
        began, used = time.perf_counter(), time.process_time()
        model.loss_of_forward().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    return {"wall": wall[1:], "cpu": cpu[1:], "peak": peak}


if __name__ == "__main__":
    print(json.dumps(trained(sys.argv[1], int(sys.argv[2]))))  # noqa: T201 (what asked reads it)
