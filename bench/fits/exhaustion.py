"""Every combination of levers on a small model, run, so that a plan can be held against the best of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import product

import torch
from torch import nn

from bench.fits.contest import contenders, race, screened, timed_together
from bench.fits.record import Exhausted
from bench.fits.table import race_in_words
from harness.fitting.door import fit
from harness.fitting.plan import Plan
from harness.fitting.searching import Say
from harness.fitting.workbench import Workbench
from harness.record.fit import FitCandidate
from harness.record.measured import Case
from harness.report.fit import levers_in_words
from harness.report.units import quantity
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry
from harness.workload.sources import resolve


def mlp(batch_size: int) -> Model:
    """Build a perceptron of 8 blocks, width 64."""
    blocks = [nn.Sequential(nn.Linear(64, 64), nn.GELU()) for _ in range(8)]
    return Model(nn.Sequential(*blocks, nn.Linear(64, 10)), (torch.randn(batch_size, 64),))


ENTRIES: dict[str, Entry] = {
    "transformer": resolve("transformer"),
    "mlp-8": Entry("mlp-8", mlp, 64),
    "hf:vit-tiny": Entry("hf:vit-tiny", lambda batch: resolve("hf:vit-tiny").build(batch), 4),
    "hf:gpt2-tiny": Entry("hf:gpt2-tiny", lambda batch: resolve("hf:gpt2-tiny").build(batch), 4),
}


LIMITS = 10  # between the least peak and that of the untouched step


def bench_of(entry: Entry) -> Workbench:
    """Return the bench of a small model."""
    case = Case(question="fit", model=entry.name, batch_size=entry.batch_size, mode="train")
    return Workbench(entry, case, "AdamW")


def combinations(blocks: int, parts: tuple[int, ...] = (1, 2, 4)) -> Iterator[FitCandidate]:
    """Yield depth x first m or every n-th block x micro-batches x implementation."""
    for depth in range(blocks + 1):
        left = range(depth, blocks)
        counted = [tuple(left[:size]) for size in range(len(left) + 1)]
        every = [tuple(left[::size]) for size in range(2, len(left) + 1)]
        for chosen, number, update in product(
            dict.fromkeys(counted + every), parts, ("", "foreach", "fused", "in backward")
        ):
            if number == 1 or update != "in backward":
                yield FitCandidate(frozen=depth, checkpointed=chosen, micro_batches=number, update=update)


def run_all(bench: Workbench, *, depths: tuple[int, ...] | None = None) -> dict[FitCandidate, int]:
    """Return the measured peak of every combination that can be run, in bytes."""
    peaks = {}
    for number in (2, 4):
        bench.check_split(number)
    for candidate in combinations(len(bench.names.paths)):
        if depths is not None and candidate.frozen not in depths:
            continue
        try:
            peaks[candidate] = bench.observe(replace(candidate))
        except WorkloadError:
            continue  # nothing is left to train
    return peaks


def exhausted(name: str, budget: float, rounds: float, say: Say) -> list[Exhausted]:
    """Run every combination that freezes nothing on a small model; hold plans for 10 limits against them.

    Args:
        name: of the small model.
        budget: seconds of timing a finalist of a plan.
        rounds: seconds in which all plans are timed with the fastest combinations; 0 for bytes alone.
        say: is told what came out.
    """
    entry = ENTRIES[name]
    bench = bench_of(entry)
    peaks = run_all(bench, depths=(0,))
    say(f"{name}: {len(peaks)} combinations were run")
    low, high = min(peaks.values()), peaks[FitCandidate()]
    plans = {}
    for place in range(LIMITS):
        limit = low + (high - low) * place // LIMITS
        plans[limit] = fit(
            lambda batch_size=entry.batch_size: entry.build(batch_size),
            batch_size=entry.batch_size,
            limit=limit,
            budget=budget,
        )
    rows = [_row(name, bench, limit, plan, peaks) for limit, plan in plans.items()]
    if rounds:
        rows = list(_raced(rows, bench, plans, peaks, rounds))
    for row in rows:
        say(_said(row))
    return rows


def _row(name: str, bench: Workbench, limit: int, plan: Plan, peaks: Mapping[FitCandidate, int]) -> Exhausted:
    fitting = sum(peak <= limit for peak in peaks.values())
    chosen = plan.search.plan
    if chosen is None:
        return Exhausted(name, limit, "nothing fits", 0, fits=False, combinations=len(peaks), fitting=fitting)
    if chosen.candidate.micro_batches > 1:
        bench.check_split(chosen.candidate.micro_batches)
    again = bench.observe(chosen.candidate)
    return Exhausted(
        name,
        limit,
        levers_in_words(chosen.candidate, plan.search),
        again,
        fits=again <= limit and again == chosen.peak,
        combinations=len(peaks),
        fitting=fitting,
    )


def _raced(
    rows: Iterable[Exhausted],
    bench: Workbench,
    plans: Mapping[int, Plan],
    peaks: Mapping[FitCandidate, int],
    rounds: float,
) -> Iterator[Exhausted]:
    """Yield the rows with each plan's time over that of the fastest combination that fits its limit."""
    seconds = screened(bench, peaks)
    chosen = {
        limit: plan.search.plan.candidate for limit, plan in plans.items() if plan.search.plan is not None
    }
    rivals = {limit: contenders(seconds, peaks, limit) for limit in chosen}
    entrants = [*chosen.values(), *(one for each in rivals.values() for one in each)]
    samples = timed_together(bench, entrants, rounds)
    for row in rows:
        if row.limit not in chosen:
            yield row
            continue
        fastest, measured = race(samples, chosen[row.limit], rivals[row.limit])
        words = levers_in_words(fastest, plans[row.limit].search)
        yield replace(row, fastest=words, race=measured)


def _said(row: Exhausted) -> str:
    said = f"{row.model} in {quantity(row.limit, 'B')}: {row.plan}"
    if row.race is None:
        return f"{said}; {'fits' if row.fits else 'DOES NOT FIT'}"
    ratio, scatter, within = race_in_words(row.race)
    return f"{said}; over the fastest, {row.fastest}: {ratio}, scatter {scatter}; within 3 %: {within}"
