"""Ten forward passes, with planted work after each; the file `planted` beside this one says how much.

Both sides of a duel import this from a working tree of their own, which `bench.duels` makes.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from harness.calibration.work import Planted, extra_work
from harness.measure.clock import clock_for
from harness.record.measured import Case
from harness.workload.sources import build, resolve

_SHARE = float(Path(__file__).with_name("planted").read_text())


def _planted(name: str, examples: int = 0) -> Callable[[], object]:
    model = build(Case(question="grad_mode", model=name, batch_size=examples or resolve(name).batch_size))
    extra = extra_work("cpu")

    def forward() -> object:
        with torch.no_grad():
            return model()

    forward()
    count = round(_SHARE * extra.counts_in(forward, clock_for("cpu"))) if _SHARE else 0
    work = Planted(model, extra, count)

    def call() -> object:
        with torch.no_grad():
            return work()

    return call


linear = partial(_planted, "linear")
relu = partial(_planted, "mlp-relu")
relu_8 = partial(_planted, "mlp-relu", 8)
gelu = partial(_planted, "mlp-gelu")
gelu_256 = partial(_planted, "mlp-gelu", 256)
conv = partial(_planted, "convnet")
conv_4 = partial(_planted, "convnet", 4)
lstm = partial(_planted, "lstm")
transformer = partial(_planted, "transformer")
transformer_2 = partial(_planted, "transformer", 2)
