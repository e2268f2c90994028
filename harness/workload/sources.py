"""From a target's name to something that can be built."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from harness.record.schema import Case
from harness.workload import factory, huggingface, vision
from harness.workload.model import Model, WorkloadError
from harness.workload.models import MODELS, Entry

SOURCES: dict[str, Callable[[str], Entry]] = {
    "hf": huggingface.entry,
    "timm": vision.timm_entry,
    "torchvision": vision.torchvision_entry,
}


def resolve(target: str) -> Entry:
    """Find what a target names.

    A built-in model, `hf:NAME`, `timm:NAME`, `torchvision:NAME`, or `package.module:factory`, where the
    factory returns a `Model`, or `(module, inputs)`.

    Raises:
        WorkloadError: nothing has that name, an extra is missing, or the factory cannot be used.
    """
    if target in MODELS:
        return MODELS[target]
    source, _, name = target.partition(":")
    if name and source in SOURCES:
        return SOURCES[source](name)
    if name and all(part.isidentifier() for part in (*source.split("."), *name.split("."))):
        return factory.entry(target)
    raise WorkloadError(
        f"no model {target!r}; there are {', '.join(every_target())}, and hf:NAME, timm:NAME,"
        " torchvision:NAME and package.module:factory"
    )


def every_target() -> tuple[str, ...]:
    """Return the names of all built-in models and presets."""
    return (*MODELS, *(f"hf:{preset}" for preset in huggingface.PRESETS))


DTYPES = ("float32", "float64", "bfloat16", "float16", "autocast")


def build(case: Case, seed: int = 0, entry: Entry | None = None) -> Model:
    """Build the case's model and inputs from a seed, on its device, in its dtype and mode.

    Args:
        case: of which model, in which setting.
        seed: of torch's generator.
        entry: the model, where it is at hand; by default what the case's name resolves to.

    Raises:
        WorkloadError: the case's model, dtype or batch size cannot be had.
    """
    entry = entry or resolve(case.model)
    if case.dtype not in DTYPES:
        raise WorkloadError(f"no dtype {case.dtype!r}; there are {', '.join(DTYPES)}")
    if case.batch_size < 1:
        raise WorkloadError(f"a batch size of {case.batch_size} holds no example; it has to be 1 or more")
    if not entry.sized and case.batch_size != entry.batch_size:
        raise WorkloadError(
            f"{case.model} makes batches of {entry.batch_size} only; for {case.batch_size} examples, give its"
            " factory a parameter batch_size"
        )
    torch.manual_seed(seed)
    model = entry.build(case.batch_size)
    dtype = None if case.dtype == "autocast" else getattr(torch, case.dtype)
    module = model.module.to(device=case.device, dtype=dtype).train(case.mode == "train")
    inputs = _placed(model.inputs, case.device, dtype)
    return replace(model, module=module, inputs=inputs, autocast=None if dtype else torch.bfloat16)


def _placed(value: Any, device: str, dtype: torch.dtype | None) -> Any:
    """Return nested inputs on a device, floating-point ones in a dtype."""
    if isinstance(value, torch.Tensor):
        return value.to(device=device, dtype=dtype if value.is_floating_point() else None)
    if isinstance(value, Mapping):
        return {name: _placed(item, device, dtype) for name, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple takes its fields one by one
        return type(value)(*(_placed(item, device, dtype) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_placed(item, device, dtype) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return replace(value, **{name: _placed(getattr(value, name), device, dtype) for name in fields})
    return value
