"""How long a device works for a step, beside what other ways say of it; run by `session.sh`.

    python tests/device/compare_times.py

One line a step: seconds of the wall and of the host, the busy time, a CUDA graph's replay where the step can
be captured, `triton.testing.do_bench`, how often the host waits and at which lines.
"""

import statistics
import time
from collections.abc import Callable
from random import Random

import torch

from harness.judge.times import median_seconds
from harness.measure.block import Pair
from harness.measure.devices.protocol import Device
from harness.measure.devices.registry import device_of, prepare
from harness.measure.limit import Work, limit_of
from harness.measure.sampling import Side
from harness.measure.traced import traced_work
from harness.measure.waits import waits_on_device
from harness.record.schema import Case
from harness.workload.sources import build, resolve
from harness.workload.step import Part, Step
from harness.workload.training import training_step

STEPS = (  # model, mode, batch size, whether a graph can hold it: transformers branches otherwise in one
    ("mlp-relu", "eval", 64, True),
    ("transformer", "eval", 8, True),
    ("transformer", "train", 8, False),
    ("hf:gpt2", "eval", 2, False),
    ("hf:bert-base", "eval", 4, False),
    ("hf:resnet-50", "eval", 4, False),
)
HEAD = f"{'step':24}{'wall':>9}{'host':>9}{'busy':>9}{'graph':>9}{'do_bench':>9}  waits, what limits"


def main() -> None:
    """Print the lines."""
    if not torch.cuda.is_available():
        raise SystemExit("torch sees no CUDA device here")
    prepare("cuda")
    device = device_of("cuda")
    if device is None:
        raise SystemExit("a CUDA device has a queue")
    print(HEAD)
    for model, mode, batch, capturable in STEPS:
        case = Case(question="grad_mode", model=model, device="cuda", batch_size=batch, mode=mode)
        built = build(case, 0, resolve(model))
        step = training_step(built) if mode == "train" else Step((Part("forward", built),), built, built)
        print(line(f"{model} {mode}", step, device, capturable=capturable), flush=True)


def line(name: str, step: Step, device: Device, *, capturable: bool) -> str:
    """Return the line of a step."""
    for _ in range(3):
        step()
    waits = waits_on_device(step, device)
    wall, host = walls(step, device)
    side = Side((("call", step),))
    traced = traced_work(Pair(side, side, Random(0)), device, Random(1), 10)
    busy = None if traced.samples is None else median_seconds(traced.samples.arm)
    others = (replayed(step, device) if capturable else None, benched(step))
    limit = limit_of(Work(wall, host, busy, waits.count, waits.places))
    places = ", ".join(place.text for place in waits.places)
    columns = "".join(
        f"{'-' if each is None else f'{each * 1e3:.3f}':>9}" for each in (wall, host, busy, *others)
    )
    return f"{name:24}{columns}  {waits.count} {places} {limit} {traced.refusal}"


def walls(step: Callable[[], object], device: Device) -> tuple[float, float]:
    """Return the medians of 20: seconds until the device is done, and until the host has issued all."""
    ends, issues = [], []
    for _ in range(20):
        device.synchronize()
        start = time.perf_counter()
        step()
        issues.append(time.perf_counter() - start)
        device.synchronize()
        ends.append(time.perf_counter() - start)
    return statistics.median(ends), statistics.median(issues)


def replayed(step: Callable[[], object], device: Device) -> float:
    """Return the seconds of a replay of a CUDA graph of the step, the median of 20."""
    side_stream = torch.cuda.Stream()
    with torch.cuda.stream(side_stream):
        for _ in range(3):
            step()
    device.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    costs = []
    for _ in range(20):
        start, _replay, end = device.record(), graph.replay(), device.record()
        device.synchronize()
        costs.append(device.seconds(start, end))
    return statistics.median(costs)


def benched(step: Callable[[], object]) -> float | None:
    """Return what Triton's `do_bench` says, in seconds; None where Triton is missing."""
    try:
        from triton.testing import do_bench
    except ImportError:
        return None
    return float(do_bench(step, return_mode="median")) * 1e-3


if __name__ == "__main__":
    main()
