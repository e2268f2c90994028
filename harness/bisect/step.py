"""One step, in a process of its own: build a target here, run it once measured, and print what it took.

It is run as a script, by its path, and needs torch and the standard library alone: an environment that is
tried may have no more, and its own packages are imported, not those beside this file.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

MEASURED = ("saved", "peak", "nodes", "operators", "waits")
_WARM = 2  # calls before the one that counts: what is made once is made by then


def call_of(target: str, setting: Any) -> Callable[[], object]:
    """Return what one call of a target is: a forward pass with its backward pass, or a callable's own.

    Args:
        target: as `harness measure` takes it.
        setting: a `Setting`: the model's device, dtype, layout, batch size, mode, loss and seed.

    Raises:
        HarnessError: the target cannot be built.
    """
    import torch

    from harness.workload.call import Called, as_call
    from harness.workload.factory import made_by
    from harness.workload.sources import SOURCES, build, resolve_with_loss

    torch.manual_seed(setting.seed)
    if ":" in target and target.partition(":")[0] not in SOURCES:
        step = as_call(made_by(target), target)
        if step is not None:
            return step
    entry = resolve_with_loss(target, setting.loss)
    model = build(setting.case("bisect", entry, entry.mode or "train"), setting.seed, entry)
    if isinstance(model.module, Called):
        return model.module.call
    trains = any(parameter.requires_grad for parameter in model.module.parameters())

    def call() -> None:
        if not trains:
            model()
            return
        for parameter in model.module.parameters():
            parameter.grad = None
        torch.autograd.backward(model.loss_of_forward())

    return call


def measure_target(target: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what one call of a target takes, and which modules and operators take it.

    Args:
        target: as `harness measure` takes it.
        fields: of a `Setting`.

    Raises:
        HarnessError: the target cannot be built.
    """
    import torch

    from harness.limiting.block import measured
    from harness.limiting.usage import BlockUsage
    from harness.setting import Setting

    setting = Setting(**fields)
    if setting.threads:
        torch.set_num_threads(setting.threads)
    call = call_of(target, setting)
    for _ in range(_WARM):
        call()
    usage = BlockUsage()
    with measured(usage):
        call()
    return {
        "values": {name: getattr(usage, name) for name in MEASURED},
        "holders": {name: dict(usage.holders.get(name, {})) for name in MEASURED},
        "operators": {f"{module}\t{name}": count for (module, name), count in usage.calls.items()},
    }


def main() -> None:
    """Print what a target takes, as the last line.

    Arguments of the script: the target, the fields of the setting as JSON, and the repository's own working
    tree, which a commit's step must not import from, or "".
    """
    target, fields, root = sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 (strings, as on the path)
    package = os.path.dirname(here)  # noqa: PTH120
    tree = os.getcwd()  # noqa: PTH109
    source = os.path.join(tree, "src")  # noqa: PTH118
    others = [item for item in sys.path if os.path.abspath(item or ".") != here]  # noqa: PTH100
    sys.path[:] = [tree, *([source] if os.path.isdir(source) else []), *others]  # noqa: PTH112
    start = _starting(package)
    reason = start.obstacle()
    if reason:
        sys.exit(reason)
    start.load_harness(package)
    from harness.duel.worker.strays import imported_from
    from harness.errors import HarnessError

    try:
        measured = measure_target(target, json.loads(fields))
    except HarnessError as error:
        sys.exit(str(error))
    strays = imported_from(root, tree)
    if strays:
        sys.exit(
            f"it imports {strays[0]} from {root}, which is the working tree and not that commit; what lies at"
            " the root of the repository or in its src/ is imported from a commit"
        )
    # What the target itself prints goes before.
    print(json.dumps(measured))  # noqa: T201 (read by the process that started this one)


def _starting(package: str) -> ModuleType:
    """Return the module that tells whether an interpreter can be used, and loads this package alone there."""
    path = os.path.join(package, "duel", "worker", "start.py")  # noqa: PTH118
    spec = importlib.util.spec_from_file_location("harness_start", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
