"""From a target's name to something that can be built."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from harness.record.measured import Case
from harness.setting import DTYPES, check_batch_size, check_memory_format
from harness.workload import factory, huggingface, vision
from harness.workload.losses import find_loss
from harness.workload.model import Model, UnsupportedError, WorkloadError, materialize
from harness.workload.models import MODELS, Entry
from harness.workload.tensors import tensors_in

SOURCES: dict[str, Callable[[str], Entry]] = {
    "hf": huggingface.huggingface_entry,
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
    if (
        name
        and not source.endswith(".py")
        and all(part.isidentifier() for part in (*source.split("."), *name.split(".")))
    ):
        return factory.entry_of_target(target)
    if source.endswith(".py"):
        module = source.removesuffix(".py").replace(os.sep, ".").strip(".")
        raise WorkloadError(f"a target names a module, not a file; write {module}:{name or 'factory'}")
    if not name and Path(f"{target.replace('.', os.sep)}.py").is_file():
        raise WorkloadError(f"{target} is a module; name the factory in it, as in {target}:factory")
    raise WorkloadError(
        f"no model {target!r}; there are {', '.join(every_target())}, and hf:NAME, timm:NAME,"
        " torchvision:NAME and package.module:factory"
    )


def resolve_with_loss(target: str, loss: str) -> Entry:
    """Find what a target names, with a loss that stands in for the model's own; "" leaves that.

    Raises:
        WorkloadError: nothing has the target's name, or the loss's.
    """
    entry = resolve(target)
    if not loss:
        return entry
    function = find_loss(loss)
    return replace(entry, build=lambda size: replace(entry.build(size), loss=function))


def every_target() -> tuple[str, ...]:
    """Return the names of all built-in models and presets."""
    return (*MODELS, *(f"hf:{preset}" for preset in huggingface.PRESETS))


def build(case: Case, seed: int = 0, entry: Entry | None = None) -> Model:
    """Build the case's model and inputs from a seed, on its device, in its dtype and mode.

    Args:
        case: of which model, in which setting.
        seed: of torch's generator.
        entry: the model, where it is at hand; by default what the case's name resolves to.

    Raises:
        WorkloadError: the case's model or dtype cannot be had.
        SettingError: its memory format or batch size cannot be had.
        UnsupportedError: the memory format says nothing of this model.
    """
    entry = entry or resolve(case.model)
    check_dtype(case.dtype, entry)
    check_memory_format(case.memory_format)
    check_batch_size(case.batch_size)
    if not entry.sized and case.batch_size != entry.batch_size:
        raise WorkloadError(
            f"{case.model} makes batches of {entry.batch_size} only; for {case.batch_size} examples, give its"
            " factory a parameter batch_size"
        )
    torch.manual_seed(seed)
    model = entry.build(case.batch_size)
    dtype = None if case.dtype in {"autocast", entry.dtype} else getattr(torch, case.dtype)
    if dtype is not None and _is_complex(model):
        raise WorkloadError(
            f"{case.model} has complex parameters, whose imaginary part a cast to {case.dtype} would drop;"
            " without --dtype it is measured as it is"
        )
    module = set_mode(model.module.to(device=case.device, dtype=dtype), case.mode)
    inputs = _placed(model.inputs, case.device, dtype)
    autocast = torch.bfloat16 if case.dtype == "autocast" else model.autocast
    placed = replace(model, module=module, inputs=inputs, autocast=autocast)
    materialize(placed)
    return _channels_last(placed, case.model) if case.memory_format else placed


def check_dtype(dtype: str, entry: Entry) -> None:
    """Check that an entry can be measured in a dtype: its own, or one that it can be cast to.

    Raises:
        WorkloadError: it cannot.
    """
    if dtype not in {*DTYPES, entry.dtype}:
        raise WorkloadError(
            f"no dtype {dtype!r}; there are {', '.join(DTYPES)}; without one it is the model's own,"
            f" {entry.dtype}"
        )


def _is_complex(model: Model) -> bool:
    return any(each.is_complex() for each in (*model.module.parameters(), *model.module.buffers()))


def set_mode(module: nn.Module, mode: str) -> nn.Module:
    """Put a module into train or eval mode; where it is in that mode already, submodules stay as they are.

    Without a mode it stays as it was handed over.
    """
    if not mode or module.training == (mode == "train"):
        return module
    return module.train(mode == "train")


def _channels_last(model: Model, name: str) -> Model:
    """Return a model whose tensors of four dimensions, inputs and parameters, have their channels last."""
    if not any(tensor.dim() == _IMAGES for tensor in model.lasting()):
        raise UnsupportedError(
            f"channels_last lays out tensors of four dimensions, and {name} has none among its parameters and"
            " inputs; convnet has"
        )
    module = model.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return replace(model, module=module, inputs=_mapped(model.inputs, _last))


_IMAGES = 4  # dimensions: images, channels, rows, columns


def _last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == _IMAGES else tensor


def _placed(value: Any, device: str, dtype: torch.dtype | None) -> Any:
    """Return nested inputs on a device, floating-point ones in a dtype."""
    home = torch.device(device)

    def change(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(device=device, dtype=dtype if tensor.is_floating_point() else None)

    tensors = list(tensors_in(value))
    if dtype is None and all(tensor.device.type == home.type == "cpu" for tensor in tensors):
        return value
    reached = {id(tensor) for tensor in tensors}
    placed = _mapped(value, change)
    strangers = [each for each in tensors_in(placed) if id(each) in reached and change(each) is not each]
    if strangers:
        raise WorkloadError(
            "the inputs hold tensors in an object of a class that is not known here, which cannot be put on"
            f" {device} as {dtype or 'they are'}; give tensors, tuples, lists, dicts or dataclasses, or make"
            " them there in the factory"
        )
    return placed


def _mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return nested inputs with every tensor changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(item, change) for name, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple takes its fields one by one
        return type(value)(*(_mapped(item, change) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_mapped(item, change) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value) if field.init]
        return replace(value, **{name: _mapped(getattr(value, name), change) for name in fields})
    return value
