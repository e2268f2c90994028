"""Plans for small models, held against every combination of levers, each of which is run."""

import pytest

from bench.fits.exhaustion import ENTRIES, bench_of, run_all
from harness.fitting.door import fit
from harness.record.fit import FitCandidate

LIMITS = 10

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ENTRIES)
def test_a_plan_is_found_wherever_a_combination_fits_and_its_peak_is_measured(name: str) -> None:
    entry = ENTRIES[name]
    peaks = run_all(bench_of(entry))
    kept_all = {one: peak for one, peak in peaks.items() if not one.frozen}
    low, high = min(kept_all.values()), peaks[FitCandidate()]
    for place in range(LIMITS):
        limit = low + (high - low) * place // LIMITS
        search = fit(
            lambda batch_size=entry.batch_size: entry.build(batch_size),
            batch_size=entry.batch_size,
            limit=limit,
            budget=0,
        ).search

        assert search.plan is not None, limit
        bench = bench_of(entry)
        if search.plan.candidate.micro_batches > 1:
            bench.check_split(search.plan.candidate.micro_batches)
        assert bench.observe(search.plan.candidate) == search.plan.peak
        assert (search.plan.peak or limit + 1) <= limit


@pytest.mark.parametrize("name", ENTRIES)
def test_with_freezing_allowed_no_more_blocks_are_frozen_than_a_combination_needs(name: str) -> None:
    entry = ENTRIES[name]
    peaks = run_all(bench_of(entry))
    low, high = min(peaks.values()), peaks[FitCandidate()]
    for place in range(1, LIMITS):
        limit = low + (high - low) * place // LIMITS
        needed = min(candidate.frozen for candidate, peak in peaks.items() if peak <= limit)
        search = fit(
            lambda batch_size=entry.batch_size: entry.build(batch_size),
            batch_size=entry.batch_size,
            limit=limit,
            budget=0,
            allow="freeze",
        ).search

        assert search.plan is not None, limit
        assert search.plan.candidate.frozen <= needed
