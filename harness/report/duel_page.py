"""A duel as one self-contained page: the comparison's page, with every restart of every arm as a dot."""

import math
from collections.abc import Mapping, Sequence

from harness.judge.contrasts import unit_medians
from harness.judge.duel import Timed
from harness.judge.finding import Outcome
from harness.judge.verdict import Verdict
from harness.record.duel import Duel
from harness.report.comparison_page import rendered
from harness.report.duel import headline, how, side_lines, time_row
from harness.report.text import percent

_HALF = 80  # pixels from the line of no difference to either end
_LEAST = 0.02  # what the ends stand for at least, so that noise does not look like news


def duel_page(duel: Duel, outcome: Outcome, times: Sequence[Timed]) -> str:
    """Return a duel as a page that fetches nothing."""
    values = {(arm.case, arm.arm): unit_medians(arm.samples) for arm in duel.arms if arm.samples is not None}
    reach = max([_LEAST, *(abs(value) for each in values.values() for value in each)])
    return rendered(
        "duel.html",
        [outcome],
        verdict=headline(outcome, times),
        sides=[*side_lines(duel), how(duel)],
        times=[_row(timed, values, reach, duel.floor) for timed in times],
        reach=percent(math.expm1(reach), ".1%"),
    )


def _row(
    timed: Timed, values: Mapping[tuple[str, str], Sequence[float]], reach: float, floor: float
) -> dict[str, object]:
    arm, base, head, ratio, verdict = time_row(timed, floor)
    restarts = values[timed.case, timed.arm]
    band = math.log1p(floor)
    return {
        "case": timed.case,
        "arm": arm,
        "base": base,
        "head": head,
        "ratio": ratio,
        "verdict": verdict,
        "fails": "fails" if timed.judgement.verdict is Verdict.WORSE else "",
        "dots": [_place(value, reach) for value in restarts],
        "low": _place(-band, reach),
        "high": _place(band, reach),
        "spread": ", ".join(f"{math.expm1(value):+.2%}" for value in restarts),
    }


def _place(value: float, reach: float) -> float:
    return round(_HALF + (_HALF - 4) * max(-1.0, min(1.0, value / reach)), 1)
