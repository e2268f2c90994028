"""Models that a user's own function makes: `package.module:factory`, or objects at hand."""

import copy
import gc
import importlib
import inspect
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from harness.errors import HarnessError
from harness.workload.call import Called, as_called
from harness.workload.first_call import made_whole
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry
from harness.workload.tensors import objects_in, tensors_in

_WANTED = "a harness.Model, or (module, inputs) with inputs a tensor, a tuple, or a dict of keyword arguments"
_SIZE = "batch_size"


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line; of a package that is missing deep below, its own name."""
    missing = _missing_module(error) if isinstance(error, ImportError) else ""
    if missing:
        return f"ModuleNotFoundError: it needs {missing!r}, which is not installed"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def raised_by_model(error: BaseException) -> Exception:
    """Return what a model raised; an exit as an error, for it would end who measures.

    >>> raised_by_model(SystemExit(0))
    WorkloadError('it ended the program: SystemExit: 0')
    """
    return (
        error if isinstance(error, Exception) else WorkloadError(f"it ended the program: {first_line(error)}")
    )


def _missing_module(error: BaseException) -> str:
    """Return the name of the module whose absence an error began with; "" where it began otherwise."""
    name, inner = "", error
    chain: set[int] = set()
    while inner is not None and id(inner) not in chain:
        chain.add(id(inner))
        if isinstance(inner, ModuleNotFoundError) and inner.name:
            name = inner.name
        inner = inner.__cause__ or inner.__context__  # type: ignore[assignment]  # None ends it
    return name


def attribute_of(target: str) -> Any:
    """Import what `package.module:name` names; the working directory is looked in as Python itself would.

    Raises:
        WorkloadError: no such module or name, or the module raises while it is imported.
    """
    path, _, name = target.partition(":")
    value: Any = _import(path, target)
    for part in name.split("."):
        if not hasattr(value, part):
            callables = [
                key for key, member in vars(value).items() if callable(member) and not key.startswith("_")
            ]
            known = f"; there are {', '.join(callables)}" if callables else ""
            raise WorkloadError(f"{path} has no {part!r}{known}")
        value = getattr(value, part)
    return value


def _import(path: str, target: str) -> ModuleType:
    # A command that pip installed has its own folder first on the path, not the one it is run in.
    here = os.getcwd()  # noqa: PTH109 (sys.path holds strings)
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is not None and (path == error.name or path.startswith(error.name + ".")):
            near = get_close_matches(error.name, [file.stem for file in Path(here).glob("*.py")], n=1)
            advice = f"did you mean {near[0]}?" if near else "run from the folder that holds it"
            raise WorkloadError(
                f"no module {error.name!r} for {target}, neither in {here} nor installed; {advice}"
            ) from error
        raise WorkloadError(f"{path} imports {error.name!r}, which is not installed") from error
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        raise WorkloadError(f"importing {path} raised {first_line(error)}") from error


def entry_of_target(target: str) -> Entry:
    """Return the entry of a factory, `package.module:factory`.

    A factory with a parameter `batch_size` makes batches of any size; another is called once here, to
    learn the size of the batch that it makes.

    Raises:
        WorkloadError: it cannot be imported, cannot be called, needs arguments, raises, or returns
            something else.
    """
    factory = attribute_of(target)
    if isinstance(factory, nn.Module):
        kind = type(factory).__name__
        raise WorkloadError(
            f"{target} is a {kind}, a module; write a function that returns it and its inputs"
        )
    if not callable(factory):
        raise WorkloadError(f"{target} is a {type(factory).__name__}; it has to be a function")
    return entry_of(target, factory)


def entry_of(name: str, factory: Callable[..., object]) -> Entry:
    """Return the entry of a factory that is at hand, or of a callable that is measured itself.

    A factory that hands out one module again and again is noticed: every arm then runs a copy.
    """
    sizes = _size_parameter(name, factory)
    default = sizes.default if sizes is not None and isinstance(sizes.default, int) else 1
    was_recording = torch.is_grad_enabled()
    made = _made(name, factory, **({} if sizes is None else {_SIZE: default}))
    model = as_model(made, name) if _is_model(made) else as_called(factory, made, name)
    notes = [*_recording_noted(name, was_recording=was_recording)]
    build = partial(_make, name, factory, sized=sizes is not None)
    # A callable goes on calling the modules that it names: a copy of them would never run.
    may_be_copied = not isinstance(model.module, Called)
    if may_be_copied and _is_handed_out(model, made) and _is_shared(model, build(default)):
        notes.append(f"{name} hands out the same module each time; every arm runs a copy of its own")
        build = partial(_copied, name, build if sizes is not None else lambda _size: model)
    built, noted = made_whole(name, build, model) if _is_model(made) else (build, ())
    return Entry(
        name,
        built,
        batch_size_of(model) if sizes is None else default,
        sized=sizes is not None,
        dtype=dtype_of(model),
        mode="train" if model.module.training else "eval",
        partly_frozen=is_partly_frozen(model),
        notes=(*notes, *noted),
    )


def entry_of_model(name: str, model: Model) -> Entry:
    """Return the entry of a model at hand; every arm runs a copy, and the model itself stays as it is.

    Raises:
        WorkloadError: the model cannot be copied.
    """
    copied = partial(_copied, name, lambda _size: model)
    build, notes = made_whole(name, copied, copied(1))
    return Entry(
        name,
        build,
        batch_size_of(model),
        sized=False,
        dtype=dtype_of(model),
        mode="train" if model.module.training else "eval",
        partly_frozen=is_partly_frozen(model),
        notes=notes,
    )


def _copied(name: str, build: Callable[[int], Model], batch_size: int) -> Model:
    model = build(batch_size)
    try:
        module, inputs = copy.deepcopy((model.module, model.inputs))
    except Exception as error:  # whatever a module's own copying raises
        raise WorkloadError(
            f"{name} cannot be copied ({first_line(error)}); pass a function that makes it anew at each call"
        ) from error
    return replace(model, module=module, inputs=inputs)


def _is_handed_out(model: Model, made: object) -> bool:
    """Return whether something beside what a factory returned holds it or one of its modules, or may do."""
    # Who is set aside from collections is not among the referrers. The oldest objects are, where any is; to
    # count them takes 50 ms.
    if not any(each is vars(sys) for each in gc.get_referrers(sys.modules)):
        return True
    modules = list(model.module.modules())
    own = {id(made), id(model), id(modules)}
    for _, value in objects_in({"": model.module}, enter_modules=True):
        own |= {id(value), id(getattr(value, "__dict__", None))}
    holders = gc.get_referrers(made, *modules)
    return any(id(each) not in own and not isinstance(each, types.FrameType) for each in holders)


def _is_shared(first: Model, second: Model) -> bool:
    """Return whether two models have a parameter, a buffer or the module itself in common."""
    tensors = {id(each) for each in (*first.module.parameters(), *first.module.buffers())}
    others = (*second.module.parameters(), *second.module.buffers())
    return first.module is second.module or any(id(each) in tensors for each in others)


def _recording_noted(name: str, *, was_recording: bool) -> Iterator[str]:
    """Switch recording on again where importing or calling a factory switched it off, and say so."""
    if not torch.is_grad_enabled():
        torch.set_grad_enabled(True)
        when = "is run" if was_recording else "is imported"
        yield f"{name} switches recording of gradients off when it {when}; it is switched on again here"


def dtype_of(model: Model) -> str:
    """Return the dtype of a model's parameters, or of its buffers and inputs where it has none.

    Returns:
        A name such as "bfloat16"; "mixed" where there are several, "float32" where nothing has one.
    """
    rows = (model.module.parameters(), model.module.buffers(), tensors_in(model.inputs))
    for tensors in rows:
        names = {
            str(each.dtype).removeprefix("torch.")
            for each in tensors
            if each.is_floating_point() or each.is_complex()
        }
        if names:
            return names.pop() if len(names) == 1 else "mixed"
    return "float32"


def is_partly_frozen(model: Model) -> bool:
    """Return whether some parameters of a model need a gradient and some do not."""
    return len({parameter.requires_grad for parameter in model.module.parameters()}) > 1


def _size_parameter(name: str, factory: Callable[..., object]) -> inspect.Parameter | None:
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # built-in callables have no signature
        return None
    needed = [
        parameter.name
        for parameter in parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and parameter.name != _SIZE
    ]
    if needed:
        raise WorkloadError(
            f"{name} needs the argument {needed[0]!r}; a factory is called without arguments, or with"
            f" {_SIZE} where it has that parameter: give {needed[0]!r} a default"
        )
    return parameters.get(_SIZE)


def made_by(target: str) -> object:
    """Return what the factory of a target makes, of whatever class, for a batch of its default size.

    Raises:
        WorkloadError: it cannot be imported, cannot be called, needs arguments, or raises.
    """
    factory = attribute_of(target)
    if isinstance(factory, nn.Module):
        kind = type(factory).__name__
        raise WorkloadError(
            f"{target} is a {kind}, a module; write a function that returns it and its inputs"
        )
    if not callable(factory):
        raise WorkloadError(f"{target} is a {type(factory).__name__}; it has to be a function")
    sizes = _size_parameter(target, factory)
    needs_size = sizes is not None and sizes.default is sizes.empty
    return _made(target, factory, **({_SIZE: 1} if needs_size else {}))


def _make(name: str, factory: Callable[..., object], batch_size: int, *, sized: bool) -> Model:
    made = _made(name, factory, **({_SIZE: batch_size} if sized else {}))
    return as_model(made, name) if _is_model(made) else as_called(factory, made, name)


def _is_model(made: object) -> bool:
    """Return whether a factory made a model, or tried to: then what is wrong with it is told."""
    if isinstance(made, tuple):
        return bool(made) and (isinstance(made[0], nn.Module) or not _holds_tensor(made[0]))
    return isinstance(made, (Model, nn.Module)) or made is None or not _holds_tensor(made)


def _holds_tensor(made: object) -> bool:
    return callable(made) or any(True for _ in tensors_in(made))


def _made(name: str, factory: Callable[..., object], **options: int) -> object:
    try:
        return factory(**options)
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's factory raises
        raise WorkloadError(f"{name} raised {first_line(error)}") from error


def as_model(made: object, name: str) -> Model:
    """Return what a factory gave as a `Model`.

    Raises:
        WorkloadError: it is neither a model nor `(module, inputs)`.
    """
    if isinstance(made, Model):
        model = made
    elif isinstance(made, tuple) and len(made) == 2:  # noqa: PLR2004 (a module and its inputs)
        model = Model(*made)
    else:
        raise WorkloadError(f"{name} returned {_described(made)}; it has to return {_WANTED}")
    if not isinstance(model.module, nn.Module):
        raise WorkloadError(
            f"{name} returned {_described(model.module)} as the module; it has to return {_WANTED}"
        )
    if isinstance(model.inputs, torch.Tensor):
        model = replace(model, inputs=(model.inputs,))
    if isinstance(model.inputs, list):
        model = replace(model, inputs=tuple(model.inputs))
    if not isinstance(model.inputs, (tuple, Mapping)):
        raise WorkloadError(
            f"{name} returned {_described(model.inputs)} as inputs; it has to return {_WANTED}"
        )
    return model


def _described(value: object) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"an object of class {type(value).__name__}" if value is not None else "nothing (None)"


def batch_size_of(model: Model) -> int:
    """Return the leading dimension of the first input that has one; 1 where none has."""
    return next((tensor.shape[0] for tensor in tensors_in(model.inputs) if tensor.dim() > 0), 1)
