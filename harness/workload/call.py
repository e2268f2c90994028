"""Work that is not a model: a callable without arguments, such as an evaluation loop, or a `Step`."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType

import torch
from torch import nn

from harness.workload.model import Model, WorkloadError
from harness.workload.step import Part, Step
from harness.workload.tensors import items_in


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of a callable: it runs in one way, its own."""

    name: str = "call"
    asks: str = "What does one call cost?"
    arms: tuple[str, ...] = ("call",)
    columns: tuple[str, ...] = ("peak", "saved", "nodes", "operators")


CALL = Call()


def as_call(made: object, name: str) -> Step | None:
    """Return what a factory made as a step, where it is a `Step` or a callable; None for models.

    The modules that a callable reaches by itself, through its closure, its globals, its arguments or the
    object that it is a method of, are those whose paths name what it saves; tensors there outlive a call.

    Raises:
        WorkloadError: the callable needs arguments.
    """
    if isinstance(made, Step):
        return made
    if isinstance(made, (Model, nn.Module, tuple)) or not callable(made):
        return None
    call: Callable[..., object] = made
    needed = _needed(call)
    if needed:
        raise WorkloadError(
            f"{name} returned a callable that needs the argument {needed!r}; one without arguments is timed"
        )
    reached = [part for name, value in _reached(call) for part in _parts(name, value)]
    tensors = tuple(value for _, value in reached if isinstance(value, torch.Tensor))
    model = Model(_holder(reached), tensors, surroundings=(call,))
    return Step((Part("call", call),), model, call)


class Called(nn.Module):
    """A callable as a module: its forward pass is the call, its parameters are what the call can reach.

    Args:
        call: takes no arguments.
        modules: those that it reaches, by name.
        leaves: tensors that it reaches and that need gradients, besides the modules' parameters, by name.
    """

    def __init__(
        self,
        call: Callable[..., object],
        modules: Mapping[str, nn.Module],
        leaves: Mapping[str, torch.Tensor],
    ) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name.replace(".", "_"), module)
        self.call = call
        self.leaves = dict(leaves)

    def forward(self) -> object:
        """Make the call."""
        return self.call()

    def named_parameters(
        self,
        prefix: str = "",
        recurse: bool = True,  # noqa: FBT001, FBT002 (the signature is that of torch)
        remove_duplicate: bool = True,  # noqa: FBT001, FBT002
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the modules' parameters, and the tensors that need gradients."""
        yield from super().named_parameters(prefix, recurse, remove_duplicate)
        yield from self.leaves.items()  # type: ignore[misc]  # tensors that train, whatever their class


def as_called(factory: Callable[..., object], made: object, name: str) -> Model:
    """Return a callable as a model: what a factory returned, or where that is an output, the factory itself.

    Raises:
        WorkloadError: the callable needs arguments.
    """
    call = made if callable(made) and not isinstance(made, torch.Tensor) else factory
    needed = _needed(call)
    if needed:
        raise WorkloadError(
            f"{name} gives a callable that needs the argument {needed!r}; one without arguments is measured"
        )
    reached = [part for path, value in _reached(call) for part in _parts(path, value)]
    modules = {path: value for path, value in reached if isinstance(value, nn.Module)}
    known = {id(each) for module in modules.values() for each in module.parameters()}
    leaves = {
        path.replace(".", "_"): value
        for path, value in reached
        if isinstance(value, torch.Tensor)
        and value.requires_grad
        and value.is_leaf
        and id(value) not in known
    }
    tensors = tuple(value for _, value in reached if isinstance(value, torch.Tensor))
    # Its inputs are where they are: the call takes none.
    return Model(Called(call, modules, leaves), (), surroundings=(call, tensors))


def _needed(call: Callable[..., object]) -> str:
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # built-in callables have no signature
        return ""
    return next(
        (
            parameter.name
            for parameter in parameters
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ),
        "",
    )


def _holder(reached: Iterable[tuple[str, object]]) -> nn.Module:
    """Return one module that holds those a callable reaches, by the names they have there."""
    modules = {name: value for name, value in reached if isinstance(value, nn.Module)}
    if len(modules) == 1:
        return next(iter(modules.values()))
    return nn.ModuleDict({name.replace(".", "_"): module for name, module in modules.items()})


def _parts(name: str, value: object, above: tuple[int, ...] = ()) -> Iterator[tuple[str, object]]:
    """Yield a value by its name, and what a dataclass, such as a `Model`, and nested containers hold."""
    if id(value) in above:  # it holds itself
        return
    yield name, value
    above = (*above, id(value))
    for index, item in items_in(value):
        yield from _parts(f"{name}.{index}", item, above)


def _reached(call: Callable[..., object]) -> Iterator[tuple[str, object]]:
    if isinstance(call, functools.partial):
        yield from ((f"argument {index}", item) for index, item in enumerate(call.args))
        yield from call.keywords.items()
        call = call.func
    call = inspect.unwrap(call)
    owner = getattr(call, "__self__", None)
    if owner is None and not inspect.isroutine(call):
        owner = call  # an object with `__call__`
    if owner is not None:
        yield from ((name, item) for name, item in getattr(owner, "__dict__", {}).items())
    function = getattr(call, "__func__", call)
    if inspect.isfunction(function):
        variables = inspect.getclosurevars(function)
        yield from variables.nonlocals.items()
        yield from variables.globals.items()
        for name in _names_inside(function.__code__):
            if name in function.__globals__ and name not in variables.globals:
                yield name, function.__globals__[name]


def _names_inside(code: CodeType) -> Iterator[str]:
    """Yield the names that generator expressions and functions inside a function use."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from dict.fromkeys(inner.co_names)
            yield from _names_inside(inner)
