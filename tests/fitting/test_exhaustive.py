"""Plans for small models, held against every combination of levers, each of which is run."""

from collections.abc import Mapping

import pytest

from bench.fits.exhaustion import ENTRIES, LIMITS, bench_of, run_all
from harness.fitting.door import fit
from harness.record.fit import FitCandidate
from harness.workload.models import Entry

pytestmark = pytest.mark.slow

Measured = tuple[Entry, Mapping[FitCandidate, int]]


@pytest.fixture(scope="module", params=ENTRIES)
def measured(request: pytest.FixtureRequest) -> Measured:
    """Return a small model, and the peaks of every combination."""
    entry = ENTRIES[request.param]
    return entry, run_all(bench_of(entry))


def test_a_plan_is_found_wherever_a_combination_fits_and_its_peak_is_measured(measured: Measured) -> None:
    entry, peaks = measured
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


def test_with_freezing_allowed_no_more_blocks_are_frozen_than_a_combination_needs(measured: Measured) -> None:
    entry, peaks = measured
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
