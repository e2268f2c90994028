"""The finalists of a search: timed, and proved to change nothing but what they say."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.fitting.candidates import repeated_work
from harness.fitting.proving import prove
from harness.fitting.searching import Hunt, Say
from harness.fitting.workbench import Workbench
from harness.measure.inspection import OutOfMemoryError
from harness.measure.sampling import TimingError
from harness.record.fit import FitCandidate, FitTrial, Proof
from harness.workload.model import WorkloadError

_MOST_ROUNDS = 4  # of finalists, where all of a round change more than they say
_LONG_S = 30.0  # of timing, after which no other finalist is timed


def proved_plan(
    hunt: Hunt, limit: int, budget: float, notes: list[str]
) -> tuple[FitTrial | None, Proof | None]:
    """Return the quickest of the finalists that is proved to change nothing else, with its proof.

    Where nothing is timed, the one that repeats least work stands for the quickest. Where steps are long, it
    alone is timed.
    """
    for _ in range(_MOST_ROUNDS):
        finalists = _finalists(hunt, limit, budget)
        for trial in finalists:
            hunt.say("proving the plan")
            try:
                proof = prove(hunt.bench, trial.candidate)
            except OutOfMemoryError as error:
                proof = Proof(held=True, sentence=f"not compared with the untouched step: {error}")
            if proof.held:
                return trial, proof
            hunt.trials[trial.candidate] = replace(trial, reason=proof.sentence)
            hunt.refute(trial.candidate)
            notes.append(f"{trial.candidate} fits, and was thrown out: {proof.sentence}")
        if not finalists:
            break
    return None, None


def _finalists(hunt: Hunt, limit: int, budget: float) -> list[FitTrial]:
    """Return what fits, the quickest first, or that which repeats least work where nothing is timed."""
    blocks = len(hunt.bench.names.paths)
    finalists = sorted(hunt.within(limit), key=lambda trial: repeated_work(trial.candidate, blocks))
    if budget:
        finalists = list(_all_timed(hunt, finalists, budget))
        hunt.trials.update({trial.candidate: trial for trial in finalists})
        finalists.sort(key=lambda trial: math.inf if trial.ratio is None else trial.ratio)
    return finalists


def freezing_alone(hunt: Hunt, limit: int, budget: float, notes: list[str]) -> None:
    """Run the fewest frozen blocks that fit with no other lever, and training of biases alone."""
    alone = hunt.freezing_alone(limit)
    if alone is not None and budget and alone.ratio is None:
        hunt.trials[alone.candidate] = time_trial(hunt.bench, alone, budget, hunt.say)
    if alone is None and hunt.bench.names.paths:
        notes.append("freezing alone does not fit, however many blocks are frozen")
    hunt.run(FitCandidate(biases_only=True))


def _all_timed(hunt: Hunt, trials: Iterable[FitTrial], budget: float) -> Iterator[FitTrial]:
    """Yield trials with their times, as long as timing has not taken too long."""
    began, has_time = time.perf_counter(), False
    for trial in trials:
        took = time.perf_counter() - began
        if has_time and took > _LONG_S:
            said = f"timing another candidate took {took:.0f} s, and this one repeats more work"
            yield replace(trial, timing=said)
            continue
        timed = time_trial(hunt.bench, trial, budget, hunt.say)
        has_time = has_time or timed.ratio is not None
        yield timed


def time_trial(bench: Workbench, trial: FitTrial, budget: float, say: Say) -> FitTrial:
    """Return a trial with its time against the untouched step, or with why it has none."""
    if trial.candidate == FitCandidate() or trial.peak is None:
        return trial
    say(f"timing {trial.candidate}")
    try:
        judged, seconds = bench.time(trial.candidate, budget)
    except (WorkloadError, TimingError) as error:
        return replace(trial, timing=str(error))
    return replace(
        trial,
        ratio=judged.ratio,
        low=judged.low,
        high=judged.high,
        verdict=judged.verdict.value,
        timing=judged.reason,
        step_s=seconds,
    )
