"""The work behind `harness measure` and `harness.measure_model`: one model, every answer about it."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import nn

from harness.amounts import parse_bytes
from harness.errors import HarnessError
from harness.judge.verdict import DRAWN_FLOOR
from harness.measure.device import prepare
from harness.measure.environment import environment
from harness.measure.probes import METRICS
from harness.measure.study import Plan, Study, Watcher
from harness.measure.torch_compat import check_device
from harness.record.schema import Case, Record, Run
from harness.report.measurement import measurement_text
from harness.workload.factory import Copying, as_model, entry_of, entry_of_model
from harness.workload.losses import find_loss
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry
from harness.workload.questions import load_question
from harness.workload.sources import DTYPES, SOURCES, check_memory_format, resolve

QUESTIONS = ("grad_mode", "freezing", "decay_groups")

Mode = Literal["", "train", "eval"]
Target = str | Model | nn.Module | Callable[..., object]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of a model: tables as text, the page in a notebook, and the run itself.

    Attributes:
        run: everything, raw samples included.
        notes: what a reader of the numbers should know.
        problems: what could not be measured, and why.
    """

    run: Run
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        """Return the tables for a terminal."""
        return "\n".join([*self.notes, *self.problems, measurement_text(self.run)])

    def record(self, question: str, batch_size: int | None = None) -> Record:
        """Return the record of a question, at the first batch size unless told.

        Raises:
            HarnessError: it was not measured.
        """
        for record in self.run.records:
            if record.case.question == question and batch_size in (None, record.case.batch_size):
                return record
        asked = dict.fromkeys(record.case.question for record in self.run.records)
        raise HarnessError(f"no {question!r} was measured; there are {', '.join(asked)}")

    def to_html(self) -> str:
        """Return the page, whole and self-contained."""
        from harness.report.page import run_page  # matplotlib takes 0.8 s to import, and most need no page

        return run_page(self.run)

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own: its style stays away from the notebook's."""
        from markupsafe import escape

        return (
            f'<iframe srcdoc="{escape(self.to_html())}" style="width:100%;height:40rem;border:0"'
            ' sandbox title="autograd-harness"></iframe>'
        )


@dataclass(slots=True)
class Collecting:
    """A watcher that keeps what is said and shows nothing."""

    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def planned(self, arms: int, seconds: float = 0.0) -> None:
        """Take no notice."""

    def measuring(self, case: Case, arm: str) -> None:
        """Take no notice."""

    def kept(self, run: Run) -> None:
        """Take no notice."""

    def finished(self, record: Record) -> None:
        """Take no notice."""

    def note(self, line: str) -> None:
        """Keep it."""
        self.notes.append(line)

    def problem(self, line: str, error: BaseException | None = None) -> None:  # noqa: ARG002 (the protocol's)
        """Keep it."""
        self.problems.append(line)


def start_study(
    target: Target,
    inputs: object = None,
    *,
    questions: Sequence[str] = QUESTIONS,
    device: str = "cpu",
    dtype: str = "float32",
    memory_format: str = "",
    batch_sizes: Sequence[int] = (),
    mode: Mode = "",
    budget: float = 0.5,
    loss: str | Callable[[object], torch.Tensor] = "",
    memory_limit: int | str | None = None,
    curve: bool = True,
    seed: int = 0,
    command: str = "",
    began: float | None = None,
    watch: Watcher,
) -> Study:
    """Check what is asked, find the model, and return the study that will measure it.

    The session began at `began`, on the clock of `time.perf_counter`; by default now.

    Raises:
        HarnessError: something asked for cannot be had.
    """
    began = time.perf_counter() if began is None else began
    check_device(device)
    prepare(device)
    if dtype not in DTYPES:
        raise WorkloadError(f"no dtype {dtype!r}; there are {', '.join(DTYPES)}")
    check_memory_format(memory_format)
    if not 0 <= budget < math.inf:
        raise HarnessError(f"a budget of {budget} s cannot be spent; give 0 or more seconds")
    if mode not in {"", "train", "eval"}:
        raise HarnessError(f"no mode {mode!r}; there are 'train' and 'eval'")
    if any(size < 1 for size in batch_sizes):
        raise HarnessError("a batch holds one example or more")
    plan = Plan(
        questions=tuple(load_question(name) for name in dict.fromkeys(questions)),
        device=device,
        dtype=dtype,
        memory_format=memory_format,
        batch_sizes=tuple(batch_sizes),
        mode=mode,
        budget=budget,
        seed=seed,
        loss=find_loss(loss) if isinstance(loss, str) and loss else loss or None,
        curve=curve,
        memory_limit=parse_bytes(memory_limit) if isinstance(memory_limit, str) else memory_limit,
    )
    where = environment(device)
    stamp = where.started.replace(":", "").replace("+0000", "Z")
    run = Run(
        id=f"{stamp}-torch{where.torch}-{device.replace(':', '')}",
        environment=where,
        metrics=METRICS,
        command=command,
        floor=DRAWN_FLOOR,
        complete=False,
    )
    return Study(entry_of_target(target, inputs), plan, watch, run, began)


def entry_of_target(target: Target, inputs: object) -> Entry:
    """Return what builds a target: a name, a `Model`, a module with its inputs, or a factory.

    Raises:
        WorkloadError: it is none of these, or cannot be found.
    """
    if isinstance(target, str):
        entry = resolve(target)
        if target.partition(":")[0] in SOURCES:
            return replace(entry, build=Copying(entry.build))
        return entry
    if isinstance(target, nn.Module):
        if inputs is None:
            raise WorkloadError(
                "a module needs its inputs beside it: a tensor, a tuple, or a dict of keyword arguments"
            )
        return entry_of_model(type(target).__name__, as_model((target, inputs), type(target).__name__))
    if isinstance(target, Model):
        return entry_of_model(type(target.module).__name__, as_model(target, "the model"))
    if callable(target):
        return entry_of(getattr(target, "__name__", "factory"), target)
    raise WorkloadError(
        f"an object of class {type(target).__name__} is no target; give a name, a Model, a module with"
        " inputs, or a function that makes one"
    )


def measure_model(
    target: Target,
    inputs: object = None,
    *,
    questions: Sequence[str] = QUESTIONS,
    device: str = "cpu",
    dtype: str = "float32",
    memory_format: str = "",
    batch_sizes: Sequence[int] = (),
    mode: Mode = "",
    budget: float = 0.5,
    loss: str | Callable[[object], torch.Tensor] = "",
    memory_limit: int | str | None = None,
    curve: bool = True,
    seed: int = 0,
) -> Measurement:
    """Measure a model: what recording its graph costs, where its memory goes, what freezing would buy.

    A model at hand is copied for every arm and stays as it is.

    Args:
        target: a name as on the command line, a `Model`, a module, or a function that returns a `Model`
            or `(module, inputs)`.
        inputs: of a module: a tensor, a tuple, or a dict of keyword arguments.
        questions: by name.
        device: "cpu", "cuda", "cuda:1".
        dtype: "float32", "bfloat16", ..., or "autocast".
        memory_format: "channels_last", or "" for torch's own.
        batch_sizes: by default the model's own.
        mode: "train" or "eval"; by default each question's own.
        budget: seconds of timing for an arm and its reference together; 0 for exact numbers only.
        loss: a name, a function of the model's output, or "" for the model's own.
        memory_limit: bytes, or text such as "8GiB": also find the largest batch that fits.
        curve: also freeze the first k blocks, for every k.
        seed: of weights, inputs and the order of rounds.

    Raises:
        HarnessError: the model cannot be had, built or run; in one sentence.
    """
    watch = Collecting()
    study = start_study(
        target,
        inputs,
        questions=questions,
        device=device,
        dtype=dtype,
        memory_format=memory_format,
        batch_sizes=batch_sizes,
        mode=mode,
        budget=budget,
        loss=loss,
        memory_limit=memory_limit,
        curve=curve,
        seed=seed,
        watch=watch,
    )
    return Measurement(study.measure(), tuple(watch.notes), tuple(watch.problems))
