"""Plans raced against combinations that fit, by samples of the same rounds."""

import pytest

from bench.fits.contest import contenders, race, screened, timed_together
from bench.fits.exhaustion import ENTRIES, bench_of
from harness.record.fit import FitCandidate
from harness.record.schema import Samples

PLAN = FitCandidate(checkpointed=(0,))
QUICK = FitCandidate(update="fused")
SLOW = FitCandidate(micro_batches=2)


def samples(*seconds: float) -> Samples:
    """Return one sample a layout; the reference takes a second."""
    return Samples(
        metric="time", calls=1, reference=((1.0,),) * len(seconds), arm=tuple((one,) for one in seconds)
    )


def test_a_plan_is_held_against_the_quickest_of_its_rivals_round_by_round() -> None:
    # the machine is twice as slow in every other round, for both alike
    timed = {
        PLAN: samples(*[1.1, 2.2] * 10),
        QUICK: samples(*[1.0, 2.0] * 10),
        SLOW: samples(*[1.5, 3.0] * 10),
    }

    fastest, measured = race(timed, PLAN, [SLOW, QUICK])

    assert fastest == QUICK
    assert measured.ratio == pytest.approx(1.1)
    assert (measured.low, measured.high) == (pytest.approx(1.1), pytest.approx(1.1))
    assert measured.rounds == 20


def test_a_plan_that_is_quicker_than_all_is_the_fastest_itself() -> None:
    fastest, measured = race({PLAN: samples(1.0), SLOW: samples(1.5)}, PLAN, [SLOW])

    assert fastest == PLAN
    assert measured.ratio == 1


def test_only_what_fits_the_limit_contends() -> None:
    seconds = {PLAN: 1.0, QUICK: 2.0, SLOW: 3.0}
    peaks = {PLAN: 90, QUICK: 40, SLOW: 50}

    assert contenders(seconds, peaks, 50) == (QUICK, SLOW)


@pytest.mark.process
def test_candidates_are_screened_and_timed_in_the_same_rounds() -> None:
    bench = bench_of(ENTRIES["mlp-8"])
    wanted = [FitCandidate(), FitCandidate(checkpointed=(0, 1))]

    assert all(0 < seconds < 60 for seconds in screened(bench, wanted).values())
    timed = timed_together(bench, wanted, 0.05)

    assert set(timed) == set(wanted)
    assert len({len(one.arm) for one in timed.values()}) == 1
