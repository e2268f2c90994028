"""A session that measures one model: from what is asked to the study that will measure it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from harness.judge.verdict import LAYOUT_FLOOR
from harness.measure.devices.registry import check_device, prepare
from harness.measure.environment import environment
from harness.measure.guard import check_room, memory_guarded
from harness.measure.plan import Plan
from harness.measure.probes import METRICS
from harness.measure.study import Study, Watcher
from harness.record.begin import begun_run
from harness.setting import QUESTIONS, Setting
from harness.workload.copying import Copying
from harness.workload.factory import as_model, entry_of, entry_of_model
from harness.workload.losses import find_loss
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry
from harness.workload.questions import load_question
from harness.workload.sources import SOURCES, resolve

Target = str | Model | nn.Module | Callable[..., object]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked of which model.

    Attributes:
        target: a name, a `Model`, a module with inputs, or a function that makes one.
        inputs: of a module: a tensor, a tuple, or a dict of keyword arguments.
        questions: by name.
        command: what asks, as it is written in a shell; "" for none.
        began: when the session did, on the clock of `time.perf_counter`.
    """

    target: Target
    inputs: object = None
    questions: Sequence[str] = QUESTIONS
    command: str = ""
    began: float = field(default_factory=time.perf_counter)


def start_study(inquiry: Inquiry, setting: Setting, watch: Watcher) -> Study:
    """Find the model, and return the study that will measure it.

    Raises:
        HarnessError: something that is asked for cannot be had.
    """
    check_device(setting.device)
    prepare(setting.device)
    if setting.threads:
        torch.set_num_threads(setting.threads)
    loss = setting.loss
    plan = Plan(
        questions=tuple(load_question(name) for name in dict.fromkeys(inquiry.questions)),
        setting=setting,
        loss=find_loss(loss) if isinstance(loss, str) and loss else None if isinstance(loss, str) else loss,
    )
    run = begun_run(
        environment(setting.device), setting.device, METRICS, floor=LAYOUT_FLOOR, command=inquiry.command
    )
    with memory_guarded(setting.device):
        entry = entry_to_measure(inquiry.target, inquiry.inputs)
    if setting.memory_limit is not None:
        _check_search(entry, setting.memory_limit, setting.device)
    is_named = isinstance(inquiry.target, str) and inquiry.target.partition(":")[0] in SOURCES
    if is_named and not setting.is_exact_only:
        entry = replace(entry, build=Copying(entry.build))  # what is timed is a copy each
    return Study(entry, plan, watch, run, inquiry.began)


def _check_search(entry: Entry, limit: int, device: str) -> None:
    """Check that the largest batch within a limit can be looked for here.

    Raises:
        WorkloadError: the model makes batches of one size, or the limit is more than may be taken.
    """
    if not entry.sized:
        raise WorkloadError(
            f"{entry.name} makes batches of {entry.batch_size} only; to look for the largest that fits, give"
            " its factory a parameter batch_size"
        )
    check_room(limit, device, f"a limit of {limit:,} B")


def entry_to_measure(target: Target, inputs: object) -> Entry:
    """Return what builds a target: a name, a `Model`, a module with its inputs, or a factory.

    Raises:
        WorkloadError: it is none of these, or cannot be had.
    """
    if isinstance(target, str):
        return resolve(target)
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
