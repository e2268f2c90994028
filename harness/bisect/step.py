"""One step, in a process of its own: build a target here, run it once measured, and print what it took.

It needs torch and the standard library alone, as a version of torch that is tried has no more.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

METRICS = ("saved", "peak", "nodes", "operators", "waits")
_WARM = 2  # calls before the one that counts: what is made once is made by then


def call_of(target: str) -> Callable[[], object]:
    """Return what one call of a target is: a forward pass with its backward pass, or a callable's own.

    Raises:
        WorkloadError: the target cannot be built.
    """
    import torch

    from harness.workload.call import as_call
    from harness.workload.factory import attribute_of
    from harness.workload.models import MODELS
    from harness.workload.sources import SOURCES, resolve

    if target not in MODELS and target.partition(":")[0] not in SOURCES:
        resolve(target)  # it says in words what is wrong with a factory
        step = as_call(attribute_of(target)(), target)
        if step is not None:
            return step
    entry = resolve(target)
    model = entry.build(entry.batch_size)
    trains = any(parameter.requires_grad for parameter in model.module.parameters())

    def call() -> None:
        if not trains:
            model()
            return
        for parameter in model.module.parameters():
            parameter.grad = None
        torch.autograd.backward(model.loss_of_forward())

    return call


def main(target: str) -> dict[str, Any]:
    """Return what one call of a target takes, and by whom."""
    import torch

    from harness.limiting.block import measured
    from harness.limiting.seen import Seen

    torch.set_num_threads(1)
    torch.manual_seed(0)
    call = call_of(target)
    for _ in range(_WARM):
        call()
    seen = Seen()
    with measured(seen):
        call()
    return {
        "values": {name: getattr(seen, name) for name in METRICS},
        "holders": {name: dict(seen.holders.get(name, {})) for name in METRICS},
        "operators": {f"{module}\t{name}": count for (module, name), count in seen.calls.items()},
    }


if __name__ == "__main__":
    # What the target itself prints goes before; the last line is the answer.
    print(json.dumps(main(sys.argv[1])))  # noqa: T201 (read by the process that started this one)
