"""From a target's name to something that can be built."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from harness.record.schema import Case
from harness.workload import huggingface
from harness.workload.model import Model, WorkloadError
from harness.workload.models import MODELS, Entry


def resolve(target: str) -> Entry:
    """Find what a target names: a built-in model, or `hf:NAME`.

    Raises:
        WorkloadError: nothing has that name, or an extra is missing.
    """
    if target in MODELS:
        return MODELS[target]
    source, _, name = target.partition(":")
    if source == "hf" and name:
        return huggingface.entry(name)
    known = ", ".join([*MODELS, *(f"hf:{preset}" for preset in huggingface.PRESETS)])
    raise WorkloadError(f"no model {target!r}; there are {known}")


def every_target() -> tuple[str, ...]:
    """Return the names of all built-in models and presets."""
    return (*MODELS, *(f"hf:{preset}" for preset in huggingface.PRESETS))


DTYPES = ("float32", "float64", "bfloat16", "float16", "autocast")


def build(case: Case, seed: int = 0) -> Model:
    """Build the case's model and inputs from a seed, on its device, in its dtype and mode.

    Raises:
        WorkloadError: the case's model, dtype or batch size cannot be had.
    """
    entry = resolve(case.model)
    if case.dtype not in DTYPES:
        raise WorkloadError(f"no dtype {case.dtype!r}; there are {', '.join(DTYPES)}")
    if case.batch_size < 1:
        raise WorkloadError(f"a batch size of {case.batch_size} holds no example; it has to be 1 or more")
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
    if isinstance(value, (tuple, list)):
        return type(value)(_placed(item, device, dtype) for item in value)
    return value
