"""What other tools estimate of a training step's memory; each that is missing says so."""

import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any

import torch

from bench.fits.record import Said
from harness.workload.model import Model
from harness.workload.tensors import bytes_of, tensors_in


def ask_all(model: Model, name: str, batch_size: int) -> list[Said]:
    """Return what each tool says of a training step of a model with AdamW in float32."""
    return [ask(tool, model, name, batch_size) for tool in TOOLS]


def ask(tool: str, model: Model, name: str, batch_size: int) -> Said:
    """Return what one tool says; why it says nothing, where it is missing or refuses."""
    if importlib.util.find_spec(tool.replace("-", "_")) is None:
        return Said(tool, name, None, f"not installed: pip install {tool}")
    called = f"{tool} {importlib.metadata.version(tool)}"
    try:
        size, note = TOOLS[tool](model, batch_size)
    except Exception as error:  # noqa: BLE001 (another tool's refusal is its answer, whatever its class)
        return Said(called, name, None, f"{type(error).__name__}: {error}".splitlines()[0][:160])
    return Said(called, name, size, note)


def _accelerate(model: Model, _batch_size: int) -> tuple[int, str]:
    from accelerate.commands.estimate import estimate_training_usage
    from accelerate.utils import calculate_maximum_sizes

    total, _largest = calculate_maximum_sizes(model.module)
    usage = estimate_training_usage(total, "float32")
    return max(usage.values()), "estimate_training_usage, the largest of its parts; for a batch of 1"


def _preflight(model: Model, batch_size: int) -> tuple[int, str]:
    from torch_preflight import vram
    from torch_preflight.vram import guard

    profile: Any = guard.profile_live_model(model.module)
    inputs: Any = model.inputs
    profile.activation_bytes_per_sample = None
    saved = _saved_on_meta(model)
    # Its cost model holds activations against 2 bytes a number.
    profile.activation_bytes_per_sample = saved // batch_size // 2
    del inputs
    config = vram.RunConfig(
        batch_size=batch_size, optimizer=vram.OptimizerKind.ADAMW, precision=vram.PrecisionMode.FP32
    )
    parts = vram.estimate(profile, config).breakdown
    counted = parts.total - parts.cuda_context - parts.fragmentation
    return counted, "estimate of the live module, saved tensors measured as it does; without CUDA's context"


def _saved_on_meta(model: Model) -> int:
    """Return the bytes of unique saved storages, parameters and buffers apart, after the forward pass."""
    own = {t.untyped_storage().data_ptr() for t in (*model.module.parameters(), *model.module.buffers())}
    storages: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model()
    del output
    return sum(storage.nbytes() for storage in storages.values())


def _ckptplan(model: Model, _batch_size: int) -> tuple[int, str]:
    import ckptplan

    from harness.workload.blocks import find_blocks

    paths = find_blocks(model).paths
    calls: list[tuple[Any, ...]] = []
    first = model.module.get_submodule(paths[0])
    handle = first.register_forward_pre_hook(lambda _module, inputs: calls.append(inputs))
    try:
        with torch.no_grad():
            model()
    finally:
        handle.remove()
    blocks = ckptplan.declare_blocks(
        model.module, [(path.replace(".", "_"), model.module.get_submodule(path)) for path in paths]
    )
    example = tuple(tensor.detach() for tensor in tensors_in(calls[0]))
    profiles = ckptplan.profile_blocks(blocks, example, device="cpu", dtype=torch.float32)
    ckptplan.plan_checkpoints(
        profiles,
        blocks,
        target_kind="activation_budget_bytes",
        target_value=sum(map(bytes_of, example)),
        planner="dynamic_programming",
    )
    return sum(profile.activation_bytes_estimate or 0 for profile in profiles), "its blocks' activations"


TOOLS: dict[str, Callable[[Model, int], tuple[int, str]]] = {
    "accelerate": _accelerate,
    "torch-preflight": _preflight,
    "ckptplan": _ckptplan,
}
