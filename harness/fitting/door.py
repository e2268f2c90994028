"""The door through Python: `harness.fit`."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from harness.amounts import parse_bytes
from harness.errors import HarnessError
from harness.fitting.levers.lever import Lever
from harness.fitting.levers.micro_batches import MicroBatches
from harness.fitting.levers.updating import OPTIMIZERS
from harness.fitting.plan import Plan
from harness.fitting.proving import prove
from harness.fitting.searching import ALLOWANCES, Hunt
from harness.fitting.workbench import Workbench
from harness.measure.device import device_of, prepare
from harness.measure.inspection import OutOfMemoryError
from harness.measure.torch_compat import check_device
from harness.measuring import Target, entry_of_target
from harness.record.fit import Allocator, Candidate, Proof, Search, Trial
from harness.record.measured import Case
from harness.workload.factory import Copying
from harness.workload.losses import find_loss
from harness.workload.model import WorkloadError
from harness.workload.sources import DTYPES

Say = Callable[[str], None]


def fit(
    target: Target,
    inputs: object = None,
    *,
    limit: int | str | None = None,
    allow: tuple[str, ...] | str = (),
    optimizer: str = "AdamW",
    device: str = "cpu",
    dtype: str = "float32",
    batch_size: int = 0,
    loss: str | Callable[[object], torch.Tensor] = "",
    budget: float = 2.0,
    seed: int = 0,
    say: Say = lambda _line: None,
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
        device: "cpu", "cuda", "cuda:1".
        dtype: of parameters and inputs, or "autocast".
        batch_size: examples; 0 for the model's own.
        loss: a name, a function of the model's output, or "" for the model's own.
        budget: seconds of timing for each finalist and the untouched step together; 0 for bytes alone.
        seed: of weights, inputs and order.
        say: is told, line by line, what is being done.

    Raises:
        HarnessError: something asked for cannot be had; in one sentence.
    """
    began = time.perf_counter()
    bytes_ = _limit(limit)
    allowed = _allowed(allow)
    bench = _bench(
        target, inputs, device=device, dtype=dtype, batch_size=batch_size, optimizer=optimizer, seed=seed
    )
    if not 0 <= budget < math.inf:
        raise HarnessError(f"a budget of {budget} s cannot be spent; give 0 or more seconds")
    bench.loss = (find_loss(loss) if isinstance(loss, str) else loss) if loss else None
    bench.with_batch_norm = "batchnorm" in allowed
    with _random_state_kept(device):
        return _found(bench, bytes_, allowed, budget, say, began=began, asked=_asked(limit))


def _found(
    bench: Workbench,
    limit: int | None,
    allowed: tuple[str, ...],
    budget: float,
    say: Say,
    *,
    began: float,
    asked: str,
) -> Plan:
    hunt = Hunt(bench, allowed, say)
    _check_floor(bench, limit, allowed)
    untouched = hunt.run(Candidate())
    if untouched.peak is None and "out of memory" not in untouched.reason:
        raise WorkloadError(untouched.reason)
    enough = limit is not None and untouched.peak is not None and untouched.peak <= limit
    plan: Trial | None = untouched if enough else None
    proof = None
    notes: list[str] = []
    if limit is None:
        for trial in hunt.frontier(untouched.peak or 0):
            if budget:
                hunt.trials[trial.candidate] = _timed(bench, trial, budget, say)
    elif not enough:
        plan, proof = _planned(hunt, limit, budget, notes)
        if "freeze" in allowed:
            _freezing_alone(hunt, limit, budget, notes)
    untouched = hunt.trials[Candidate()]
    trials = tuple(hunt.trials.values())
    shown = plan or min((t for t in trials if t.peak is not None), key=lambda t: t.peak or 0, default=None)
    levers = bench.levers(plan.candidate) if plan is not None else ()
    case = bench.case
    return Plan(
        Search(
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
            asked=asked,
            passes=round(bench.passes, 1),
            took_s=time.perf_counter() - began,
            batch_size=case.batch_size,
            allocator=None if shown is None else _allocator(bench, shown.candidate),
        ),
        levers,
    )


def _allocator(bench: Workbench, candidate: Candidate) -> Allocator | None:
    return None if bench.device == "cpu" else bench.allocator(candidate)


def _lines(levers: tuple[Lever, ...]) -> tuple[str, ...]:
    """Return the lines of all levers; what is a step of the training loop comes last."""
    setup = [lever for lever in levers if not isinstance(lever, MicroBatches)]
    loop = [lever for lever in levers if isinstance(lever, MicroBatches)]
    return tuple(line for lever in (*setup, *loop) for line in lever.lines)


def _asked(limit: int | str | None) -> str:
    """Return a limit as it was written, where it was."""
    return " ".join(limit.split()) if isinstance(limit, str) else ""


def _planned(hunt: Hunt, limit: int, budget: float, notes: list[str]) -> tuple[Trial | None, Proof | None]:
    """Return the quickest of the finalists that is proved to change nothing else, with its proof."""
    finalists = hunt.within(limit)
    if budget:
        finalists = [_timed(hunt.bench, trial, budget, hunt.say) for trial in finalists]
        hunt.trials.update({trial.candidate: trial for trial in finalists})
        finalists.sort(key=lambda trial: math.inf if trial.ratio is None else trial.ratio)
    for trial in finalists:
        hunt.say("proving the plan")
        try:
            proof = prove(hunt.bench, trial.candidate)
        except OutOfMemoryError as error:
            proof = Proof(held=True, sentence=f"not compared with the untouched step: {error}")
        if proof.held:
            return trial, proof
        hunt.trials[trial.candidate] = replace(trial, reason=proof.sentence)
        notes.append(f"a candidate that fits was thrown out: {proof.sentence}")
    return None, None


def _freezing_alone(hunt: Hunt, limit: int, budget: float, notes: list[str]) -> None:
    """Run the fewest frozen blocks that fit with no other lever, and training of biases alone."""
    alone = hunt.freezing_alone(limit)
    if alone is not None and budget and alone.ratio is None:
        hunt.trials[alone.candidate] = _timed(hunt.bench, alone, budget, hunt.say)
    if alone is None and hunt.bench.names.paths:
        notes.append("freezing alone does not fit, however many blocks are frozen")
    hunt.run(Candidate(biases_only=True))


def _timed(bench: Workbench, trial: Trial, budget: float, say: Say) -> Trial:
    if trial.candidate == Candidate() or trial.peak is None:
        return trial
    say(f"timing {trial.candidate}")
    try:
        seen = bench.time(trial.candidate, budget)
    except WorkloadError as error:
        return replace(trial, timing=str(error))
    return replace(
        trial,
        ratio=seen.ratio,
        low=seen.low,
        high=seen.high,
        verdict=seen.verdict.value,
        timing=seen.reason,
        step_s=None if math.isnan(seen.arm_s) else seen.arm_s,
    )


def _limit(limit: int | str | None) -> int | None:
    if limit is None:
        return None
    found = parse_bytes(limit) if isinstance(limit, str) else limit
    if found < 1:
        raise HarnessError(f"a limit of {found} bytes holds nothing; write 500MB, 8GiB, or a number of bytes")
    return found


def _allowed(allow: tuple[str, ...] | str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in (allow.split(",") if isinstance(allow, str) else allow))
    wrong = [word for word in words if word and word not in ALLOWANCES]
    if wrong:
        raise HarnessError(f"nothing called {wrong[0]!r} can be allowed; there are {', '.join(ALLOWANCES)}")
    return tuple(word for word in dict.fromkeys(words) if word)


def _bench(
    target: Target,
    inputs: object,
    *,
    device: str,
    dtype: str,
    batch_size: int,
    optimizer: str,
    seed: int,
) -> Workbench:
    check_device(device)
    prepare(device)
    if dtype not in DTYPES:
        raise WorkloadError(f"no dtype {dtype!r}; there are {', '.join(DTYPES)}")
    if optimizer not in OPTIMIZERS:
        raise HarnessError(f"no optimizer {optimizer!r}; there are {', '.join(OPTIMIZERS)}")
    if batch_size < 0:
        raise HarnessError("a batch holds one example or more")
    entry = entry_of_target(target, inputs)
    if not isinstance(entry.build, Copying):
        entry = replace(entry, build=Copying(entry.build))
    case = Case(
        question="fit",
        model=entry.name,
        device=device,
        dtype=dtype,
        batch_size=batch_size or entry.batch_size,
        mode="train",
    )
    return Workbench(entry, case, optimizer, seed)


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


@contextmanager
def _random_state_kept(device: str) -> Iterator[None]:
    found = device_of(device)
    with torch.random.fork_rng(devices=[] if found is None else [found.index]):
        yield
