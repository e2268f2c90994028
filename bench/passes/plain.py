"""`python -m bench.passes.plain MODEL BATCH STEPS`: a training loop of torch alone, and what a step took."""

import json
import os
import resource
import subprocess
import sys
import time

from harness.errors import HarnessError

_KIB = 1024  # ru_maxrss counts these, on Linux


def one_thread() -> dict[str, str]:
    """Return an environment for a process whose steps are timed."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def plain_steps(target: str, steps: int, batch_size: int = 0) -> dict[str, list[float]]:
    """Return what `trained` returns, of a process of its own.

    Raises:
        HarnessError: it failed.
    """
    done = subprocess.run(  # noqa: S603 (this interpreter)
        [sys.executable, "-m", "bench.passes.plain", target, str(batch_size), str(steps)],
        capture_output=True,
        text=True,
        check=False,
        env=one_thread(),
    )
    if done.returncode:
        raise HarnessError(f"the plain loop of {target} failed: {done.stderr.strip().splitlines()[-1:]}")
    said: dict[str, list[float]] = json.loads(done.stdout)
    return said


def trained(target: str, batch_size: int, steps: int) -> dict[str, object]:
    """Train a model with AdamW on one thread.

    Args:
        target: as `harness measure` takes it.
        batch_size: examples; 0 for the target's own.
        steps: that are timed, after a first one.

    Returns:
        Seconds of each step after the first, wall and of the processor, and the process's peak in bytes.
    """
    import torch

    from harness.record.measured import Case
    from harness.workload.sources import build, resolve

    torch.set_num_threads(1)
    entry = resolve(target)
    size = batch_size or entry.batch_size
    model = build(Case(question="passes", model=target, batch_size=size, mode="train"), 0, entry)
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
    print(json.dumps(trained(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201 (what asked reads it)
