"""Which modules hooks may be put on, and hooks on all modules."""

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as modules

_COMPILED = "_orig_mod"  # the name that `torch.compile` gives the module it wraps; it is in state dicts too


def _compiling_door() -> Callable[[], bool]:
    """Return torch's own word for it, which Dynamo knows and does not read itself."""
    if hasattr(torch, "compiler"):
        return torch.compiler.is_compiling
    return _is_compiling_in_torch_2_0  # which has no torch.compiler; drop with that tox factor


def _is_compiling_in_torch_2_0() -> bool:
    dynamo: Any = sys.modules.get("torch._dynamo")
    return dynamo is not None and bool(dynamo.is_compiling())


is_compiling = _compiling_door()  # tells whether Dynamo is reading the caller


def forget_compiled() -> None:
    """Drop all that torch has compiled."""
    if hasattr(torch, "compiler"):
        torch.compiler.reset()
    elif "torch._dynamo" in sys.modules:  # torch 2.0; drop with that tox factor
        sys.modules["torch._dynamo"].reset()


def register_forward_hook(hook: Callable[..., None]) -> Any:
    """Register a global forward hook, called after an exception too where torch can (from 2.1)."""
    register = modules.register_module_forward_hook
    return register(hook, **always_called(register))


def always_called(register: Callable[..., Any]) -> dict[str, bool]:
    """Return the option with which a hook is called after an exception too, where torch has it (from 2.1)."""
    return {"always_call": True} if "always_call" in inspect.signature(register).parameters else {}


def is_compiled(module: nn.Module) -> bool:
    """Tell whether a module, or one inside it, is what `torch.compile` returned."""
    return any(hasattr(child, _COMPILED) for child in module.modules())


def is_scripted(module: nn.Module) -> bool:
    """Tell whether a module, or one inside it, is TorchScript, whose executor adapts to its first calls."""
    return any(isinstance(child, torch.jit.ScriptModule) for child in module.modules())


def hookable(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield a module and its submodules by path, without those that torch itself compiled.

    A hook in a compiled region would be compiled with it, and would have it compiled anew; a scripted
    module takes no hooks of Python.
    """
    for path, child in module.named_modules():
        if _COMPILED not in path.split(".") and not isinstance(child, torch.jit.ScriptModule):
            yield path, child
