"""Which modules hooks may be put on."""

from collections.abc import Iterator

from torch import nn

_COMPILED = "_orig_mod"  # the name that `torch.compile` gives the module it wraps; it is in state dicts too


def is_compiled(module: nn.Module) -> bool:
    """Tell whether a module, or one inside it, is what `torch.compile` returned."""
    return any(hasattr(child, _COMPILED) for child in module.modules())


def hookable(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield a module and its submodules by path, without those inside a compiled region.

    A hook in there would be compiled with it, and would have it compiled anew.
    """
    for path, child in module.named_modules():
        if _COMPILED not in path.split("."):
            yield path, child
