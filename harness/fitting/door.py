"""The door through Python: `harness.fit`."""

import time
from dataclasses import dataclass, replace
from typing import Any

import torch

from harness.errors import HarnessError
from harness.fitting.batches import largest_batches
from harness.fitting.finalists import freezing_alone, proved_plan, time_trial
from harness.fitting.levers.lever import Lever
from harness.fitting.levers.micro_batches import MicroBatches
from harness.fitting.levers.updating import OPTIMIZERS
from harness.fitting.names import check_graph_left, check_parts_stay
from harness.fitting.plan import Plan
from harness.fitting.searching import Hunt, Say, allowances
from harness.fitting.workbench import Workbench
from harness.measure.devices.registry import check_device, prepare
from harness.measure.garbage import old_objects_set_aside, set_optimizers_aside
from harness.measure.guard import memory_guarded
from harness.record.fit import Allocator, FitCandidate, FitSearch, FitTrial, least_of
from harness.session import Target, entry_to_measure
from harness.setting import Setting, options_of, parse_bytes
from harness.workload.copying import Copying
from harness.workload.generators import random_state_kept
from harness.workload.losses import find_loss
from harness.workload.model import WorkloadError
from harness.workload.questions.freezing import matching

FINALIST_BUDGET_S = 2.0  # of timing for a finalist and the untouched step, unless told


@dataclass(frozen=True, slots=True)
class Wish:
    """What a plan has to do, and what it may give up. Lists and comma-separated words become tuples.

    Attributes:
        limit: bytes, or text such as "8GiB"; None for the whole frontier.
        allow: what of the mathematics may be given up.
        optimizer: by name.
        largest_batch: also look for the largest batch that fits the limit.

    Raises:
        HarnessError: one of them cannot be had; the sentence names what would have worked.
    """

    limit: int | str | None = None
    allow: tuple[str, ...] | str = ()
    optimizer: str = "AdamW"
    largest_batch: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "allow", allowances(self.allow))
        if self.largest_batch and self.limit is None:
            raise HarnessError("the largest batch that fits what? give --in 8GiB, or another limit")
        if self.bytes is not None and self.bytes < 1:
            raise HarnessError(
                f"a limit of {self.bytes} bytes holds nothing; write 500MB, 8GiB, or a number of bytes"
            )
        if self.optimizer not in OPTIMIZERS:
            raise HarnessError(f"no optimizer {self.optimizer!r}; there are {', '.join(OPTIMIZERS)}")

    @property
    def bytes(self) -> int | None:
        """The limit as a number."""
        return parse_bytes(self.limit) if isinstance(self.limit, str) else self.limit

    @property
    def words(self) -> str:
        """The limit as it was written; "" where it was a number."""
        return " ".join(self.limit.split()) if isinstance(self.limit, str) else ""


def fit(
    target: Target,
    inputs: object = None,
    *,
    limit: int | str | None = None,
    allow: tuple[str, ...] | str = (),
    optimizer: str = "AdamW",
    largest_batch: bool = False,
    say: Say = lambda _line: None,
    **settings: Any,
) -> Plan:
    """Find what to change so that a training step fits a limit, and prove it by running it.

    The model, its gradients and the state of torch's random numbers stay as they are: copies are tried.

    Args:
        target: a name as on the command line, a `Model`, a module, or a function that makes one.
        inputs: of a module: a tensor, a tuple, or a dict of keyword arguments.
        limit: bytes, or text such as "8GiB", of parameters, buffers, inputs, optimizer state, gradients and
            activations together; None for the whole frontier.
        allow: what of the mathematics may be given up: "freeze", "dtype", "optimizer", "batchnorm".
        optimizer: "AdamW", "SGD with momentum", or "SGD".
        largest_batch: also look for the largest batch that fits, as the step is, and with the plan or with
            every block checkpointed.
        say: is told, line by line, what is being done.
        settings: as on the command line, by the names of its options: `device` ("cpu", "cuda"), `dtype` and
            `batch_size` (the model's own unless given), `loss` (a name, or a function of the model's
            output), `trainable` (patterns of what alone may be trained), `budget` (seconds of timing for
            each finalist and the untouched step together, 2 unless given; 0 for bytes alone), `threads`,
            `seed`.

    Raises:
        HarnessError: something asked for cannot be had; in one sentence.
    """
    return plan_step(target, inputs, Wish(limit, allow, optimizer, largest_batch), _setting(settings), say)


def _setting(settings: dict[str, Any]) -> Setting:
    fields = {option.replace("-", "_"): field for field, option, _ in options_of("fit")}
    for name in settings:
        if name not in fields:
            raise HarnessError(f"no setting {name!r}; there are {', '.join(fields)}")
    given = {fields[name]: value for name, value in settings.items()}
    if isinstance(given.get("batch_sizes"), int):
        given["batch_sizes"] = (given["batch_sizes"],)
    return Setting(**{"threads": 0, **given})


def plan_step(target: Target, inputs: object, wish: Wish, setting: Setting, say: Say) -> Plan:
    """Find what to change so that a training step fits a limit, and prove it by running it.

    Args:
        target: as `fit` takes it.
        inputs: of a module.
        wish: what the plan has to do.
        setting: how the step is run and timed.
        say: is told, line by line, what is being done.

    Raises:
        HarnessError: something asked for cannot be had; in one sentence.
    """
    began = time.perf_counter()
    check_device(setting.device)
    prepare(setting.device)
    if setting.threads:
        torch.set_num_threads(setting.threads)
    budget = FINALIST_BUDGET_S if setting.budget is None else setting.budget
    # a factory draws random numbers too
    with memory_guarded(setting.device), random_state_kept(), old_objects_set_aside():
        bench = _bench(target, inputs, wish, setting)
        set_optimizers_aside()
        return _search(bench, wish, budget, say, began)


def _search(bench: Workbench, wish: Wish, budget: float, say: Say, began: float) -> Plan:
    limit, allowed = wish.bytes, tuple(wish.allow)
    if bench.entry.trainable:
        matching([name for name, _ in bench.model().module.named_parameters()], bench.entry.trainable)
    hunt = Hunt(bench, allowed, say)
    _check_floor(bench, limit, allowed)
    untouched = hunt.run(FitCandidate())
    if untouched.peak is None and "out of memory" not in untouched.reason:
        check_graph_left(untouched.reason)
        raise WorkloadError(untouched.reason)
    if untouched.peak is not None:
        check_parts_stay(bench.model())
    enough = limit is not None and untouched.peak is not None and untouched.peak <= limit
    plan: FitTrial | None = untouched if enough else None
    proof = None
    notes: list[str] = []
    if limit is None:
        for trial in hunt.frontier(untouched.peak or 0):
            if budget:
                hunt.trials[trial.candidate] = time_trial(bench, trial, budget, say)
    elif not enough:
        plan, proof = proved_plan(hunt, limit, budget, notes)
        if bench.entry.trainable:
            hunt.run(FitCandidate(trained=bench.entry.trainable))
        if "freeze" in allowed:
            freezing_alone(hunt, limit, budget, notes)
    untouched = hunt.trials[FitCandidate()]
    trials = tuple(hunt.trials.values())
    shown = plan or least_of(trials)
    levers = bench.levers(plan.candidate) if plan is not None else ()
    case = bench.case
    return Plan(
        FitSearch(
            target=case.model,
            setting=f"{bench.optimizer}, {case.dtype}, {case.device}, batch {case.batch_size}, train",
            limit=limit,
            allowed=allowed,
            untouched=untouched,
            plan=plan,
            trials=trials,
            blocks=bench.names.paths,
            weights=bench.weigh(shown.candidate) if shown is not None else (),
            proof=proof,
            notes=(*notes, *(f"{lever} left out: {reason}" for lever, reason in hunt.dropped.items())),
            lines=_lines(levers),
            limit_text=wish.words,
            passes=round(bench.passes, 1),
            took_s=time.perf_counter() - began,
            batch_size=case.batch_size,
            allocator=None if shown is None else _allocator(bench, shown.candidate),
            batches=()
            if limit is None or not wish.largest_batch
            else largest_batches(bench, plan, limit, say),
        ),
        levers,
    )


def _allocator(bench: Workbench, candidate: FitCandidate) -> Allocator | None:
    return None if bench.device == "cpu" else bench.allocator(candidate)


def _lines(levers: tuple[Lever, ...]) -> tuple[str, ...]:
    """Return the lines of all levers; what is a step of the training loop comes last."""
    setup = [lever for lever in levers if not isinstance(lever, MicroBatches)]
    loop = [lever for lever in levers if isinstance(lever, MicroBatches)]
    return tuple(line for lever in (*setup, *loop) for line in lever.lines)


def _bench(target: Target, inputs: object, wish: Wish, setting: Setting) -> Workbench:
    if len(setting.batch_sizes) > 1:
        raise HarnessError(f"a plan has one batch size; give {setting.batch_sizes[0]} alone")
    entry = replace(entry_to_measure(target, inputs), trainable=setting.trainable)
    if not isinstance(entry.build, Copying):
        entry = replace(entry, build=Copying(entry.build))
    bench = Workbench(entry, setting.case("fit", entry, "train"), wish.optimizer, setting.seed)
    loss = setting.loss
    if loss:
        bench.loss = find_loss(loss) if isinstance(loss, str) else loss
    bench.with_batch_norm = "batchnorm" in wish.allow
    return bench


def _check_floor(bench: Workbench, limit: int | None, allowed: tuple[str, ...]) -> None:
    """Check that the limit holds at least what no lever makes smaller.

    Raises:
        HarnessError: it does not.
    """
    if limit is None or "dtype" in allowed:
        return
    floor = bench.floor()
    if limit < floor:
        raise HarnessError(
            f"{limit:,} bytes do not hold the model's parameters, buffers and inputs, {floor:,} bytes, which"
            " no lever makes smaller; give more, a smaller batch, or allow dtype"
        )
