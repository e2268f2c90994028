"""Which modules hooks may be put on."""

from collections.abc import Iterator

import torch
from torch import nn

_COMPILED = "_orig_mod"  # the name that `torch.compile` gives the module it wraps; it is in state dicts too


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
