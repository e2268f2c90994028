"""Every difference between torch versions and builds; nothing else asks for the version."""

import inspect
from typing import Any

import torch


def build_flavour() -> str:
    """Return what torch was built for: "cpu", "cu126", "rocm6.2"."""
    if torch.version.cuda:
        return "cu" + torch.version.cuda.replace(".", "")
    hip = getattr(torch.version, "hip", None)  # absent before torch 1.8's ROCm builds and on some forks
    return f"rocm{hip}" if hip else "cpu"


def release() -> str:
    """Return the version without its build, as in "2.13.0"."""
    return torch.__version__.partition("+")[0]


def cpu_capability() -> str:
    """Return the instruction set that torch's kernels take: "AVX2", "AVX512", "DEFAULT"."""
    if hasattr(torch.backends, "cpu"):
        return str(torch.backends.cpu.get_cpu_capability())
    # torch < 2.1 says it only in this text; drop with that tox factor.
    said = torch.__config__.show().partition("CPU capability usage: ")[2].split()
    return said[0] if said else "DEFAULT"


def writes_memory_history() -> bool:
    """Return whether this torch writes its allocator's history as the later ones do."""
    return not release().startswith("2.0.")  # which takes other arguments; drop with that tox factor


def events_kept() -> dict[str, Any]:
    """Return the argument with which torch's profiler keeps its events, where it has one: else it warns."""
    from torch import profiler

    # Older ones, such as torch 2.0, do not; drop with their tox factors.
    has_it = "acc_events" in inspect.signature(profiler.profile).parameters
    return {"acc_events": True} if has_it else {}


def operator_recorder() -> Any:
    """Return torch's recorder of operators with their tensors' sizes, which it writes to a file."""
    from torch import profiler

    if hasattr(profiler, "ExecutionTraceObserver"):
        return profiler.ExecutionTraceObserver()
    return profiler.ExecutionGraphObserver()  # type: ignore[attr-defined]  # its name in torch < 2.1; drop with that tox factor
