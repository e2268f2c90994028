"""The few uses of torch by the watcher that have no public door, each in one function."""

import sys
from collections.abc import Callable

import torch
from torch.nn.modules import module as modules


def is_recorded_otherwise() -> bool:
    """Tell whether what runs is traced or transformed, so that it makes no graph of its own."""
    # torch.jit.is_tracing asks the same, and is deprecated with the rest of torch.jit.
    return torch._C._get_tracing_state() is not None or _is_transformed()  # noqa: SLF001


def _is_transformed() -> bool:
    """Tell whether torch.func or vmap is at work; torch has no public word for it."""
    functorch = torch._C._functorch  # noqa: SLF001
    # torch 2.0 has the second alone; drop it with that tox factor.
    names = ("maybe_current_level", "peek_interpreter_stack")
    level = next((getattr(functorch, name) for name in names if hasattr(functorch, name)), None)
    return level is not None and level() is not None


def is_fake(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor has no memory: of the meta device, or of a tracer."""
    if tensor.is_meta:
        return True
    fakes = sys.modules.get("torch._subclasses.fake_tensor")
    return fakes is not None and isinstance(tensor, fakes.FakeTensor)


def hide_from_compile(hooks: set[int]) -> Callable[[], None]:
    """Let `torch.compile` not warn of global hooks where these are the only ones; return what undoes it.

    A suite whose warnings are errors would fail for a hook that it did not set.
    """
    name = "_has_any_global_hook"
    original = getattr(modules, name, None)
    if original is None:  # torch < 2.4 does not warn
        return lambda: None

    def any_other() -> bool:
        registries = [each for key, each in vars(modules).items() if key in _GLOBAL_HOOKS]
        return any(set(each) - hooks for each in registries)

    setattr(modules, name, any_other)
    return lambda: setattr(modules, name, original)


_GLOBAL_HOOKS = frozenset(
    {
        "_global_backward_pre_hooks",
        "_global_backward_hooks",
        "_global_forward_pre_hooks",
        "_global_forward_hooks",
    }
)
