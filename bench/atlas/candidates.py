"""From a subject to a small model that runs in plain torch: candidates are tried until one does."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from harness.workload.tensors import bytes_of

MOST_BYTES = 128 * 2**20  # of parameters: a ResNet-50 as backbone, which has one size, is 90 MiB
MOST_SECONDS = 15.0  # of the processor, to try the candidates of one subject


class RefusedError(Exception):
    """No candidate of a subject runs; in one line, why the one that came nearest does not."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to make a subject small.

    Attributes:
        built: the class.
        scale: how small, in words.
        build: makes the module; on the device `meta` too, where it can.
        inputs: yields what makes keyword arguments that its forward pass may take, the likeliest first.
    """

    built: str
    scale: str
    build: Callable[[], nn.Module]
    inputs: Callable[[nn.Module], Iterator[Callable[[], Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Running:
    """A candidate that ran.

    Attributes:
        candidate: which.
        module: built.
        inputs: keyword arguments of its forward pass.
        refused: why a mode does not run in plain torch, by the mode's name.
    """

    candidate: Candidate
    module: nn.Module
    inputs: Mapping[str, Any]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Failure:
    stage: int  # how far it came
    said: str


_SIZE, _BUILD, _INPUTS, _RUN = range(4)  # too large comes first: smaller ones have failed for a better reason


def in_one_line(error: BaseException) -> str:
    """Return what an error says, in one line of at most 160 characters."""
    said = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
    said = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return said if len(said) <= 160 else f"{said[:157]}..."  # noqa: PLR2004 (as the docstring says)


def running(candidates: Iterator[Candidate], clock: Callable[[], float] = time.process_time) -> Running:
    """Return the first candidate that runs in both modes, or else the first that runs in one.

    Raises:
        RefusedError: none runs.
    """
    deadline = clock() + MOST_SECONDS
    failures: list[_Failure] = []
    in_one_mode: Running | None = None
    given_up: set[tuple[str, object]] = set()
    while clock() < deadline:
        try:
            candidate = next(candidates, None)
        except Exception as error:  # whatever a library's configuration raises
            raise RefusedError(f"its configuration is refused: {in_one_line(error)}") from error
        if candidate is None:
            break
        if (candidate.built, candidate.inputs) in given_up:
            continue
        before = len(failures)
        for found in _tried(candidate, failures):
            if not found.refused:
                return found
            in_one_mode = in_one_mode or found
            if clock() > deadline:
                break
        if any(_is_final(failure, failures[:before]) for failure in failures[before:]):
            given_up.add((candidate.built, candidate.inputs))
    if in_one_mode is not None:
        return in_one_mode
    raise RefusedError(
        max(failures, key=lambda failure: failure.stage).said if failures else "no model class"
    )


def _is_final(failure: _Failure, earlier: list[_Failure]) -> bool:
    """Return whether a smaller or larger model would fail too: it did, and for a reason without numbers."""
    has_numbers = any(letter.isdigit() for letter in failure.said)
    return failure.stage >= _INPUTS and failure in earlier and not has_numbers


def _tried(candidate: Candidate, failures: list[_Failure]) -> Iterator[Running]:
    """Yield the inputs of a candidate that run in at least one mode, and list what fails."""
    module = _built(candidate, failures)
    if module is None:
        return
    count = 0
    for make in candidate.inputs(module):
        count += 1
        try:
            inputs = make()
        except Exception as error:  # noqa: BLE001 (whatever a model's own part raises that inputs are made with)
            failures.append(_Failure(_INPUTS, f"no inputs could be made: {in_one_line(error)}"))
            continue
        refused = _refused(module, inputs)
        fitting = _fitting(inputs, refused.get("eval", ""))
        if fitting is not None:
            inputs, refused = fitting, _refused(module, fitting)
        if len(refused) < len(_MODES):
            yield Running(candidate, module, inputs, refused)
        else:
            failures.append(_Failure(_RUN, f"does not run on the inputs made here: {refused['eval']}"))
    if not count:
        needed = getattr(module, "main_input_name", "inputs")
        failures.append(_Failure(_INPUTS, f"no inputs are made here for {candidate.built} ({needed})"))


_PRODUCT = re.compile(r"mat1 and mat2 shapes cannot be multiplied \(\d+x(\d+) and (\d+)x")


def _fitting(inputs: Mapping[str, Any], said: str) -> Mapping[str, Any] | None:
    """Return inputs whose last size is what the model's first matrix takes, if its error says that size."""
    product = _PRODUCT.search(said)
    if product is None:
        return None
    size, needed = map(int, product.groups())
    fitting = {
        name: torch.randn(*value.shape[:-1], needed)
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.shape[-1] == size
    }
    return {**inputs, **fitting} if fitting else None


def _built(candidate: Candidate, failures: list[_Failure]) -> nn.Module | None:
    try:
        with torch.device("meta"):
            size = _size(candidate.build())
    except Exception as error:  # noqa: BLE001 (whatever a model raises)
        if not _computes(error):
            failures.append(_Failure(_BUILD, f"cannot be built: {in_one_line(error)}"))
            return None
        size = 0
    try:
        module = None if size > MOST_BYTES else candidate.build()
    except Exception as error:  # noqa: BLE001 (whatever a model raises)
        failures.append(_Failure(_BUILD, f"cannot be built: {in_one_line(error)}"))
        return None
    size = size if module is None else _size(module)
    if size > MOST_BYTES:
        failures.append(
            _Failure(
                _SIZE, f"has {size / 2**20:.0f} MiB of parameters, and {MOST_BYTES >> 20} are the most here"
            )
        )
        return None
    return module


def _computes(error: Exception) -> bool:
    """Return whether a model computes while it is built, so that it cannot be described without numbers."""
    return isinstance(error, NotImplementedError) or "meta" in str(error)


def _size(module: nn.Module) -> int:
    return sum(bytes_of(parameter) for parameter in module.parameters())


_MODES = (("eval", False), ("train", True))


def _refused(module: nn.Module, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Run the forward pass in both modes, and return why a mode does not run."""
    refused: dict[str, str] = {}
    for mode, training in _MODES:
        module.train(training)
        try:
            module(**inputs)
        except Exception as error:  # noqa: BLE001 (whatever a model raises)
            refused[mode] = in_one_line(error)
    return refused
