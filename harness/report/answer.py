"""A judgement in words that answer: how much faster or slower, the same, or how small any difference is."""

import math
from collections import Counter
from collections.abc import Iterable

from harness.judge.verdict import Judgement, Verdict
from harness.report.units import two_digits

_FACTOR = 1.5  # a change by this factor is told as a factor: "takes 63 % less time" is hard to read


def answer_of(judgement: Judgement, floor: float, *, brief: bool = False) -> str:
    """Return what is known of an arm's time in comparison with its reference's.

    Percentages are of the reference's time; ends in brackets are those of the interval, which the verdict
    rests on. Brief, it is without them.

    >>> from harness.judge.verdict import judge
    >>> answer_of(judge([[-0.06], [-0.07], [-0.05]] * 8, level=0.01), 0.005)
    'faster by 5.8 % (4.9 to 6.8)'
    >>> answer_of(judge([[1.0], [1.1], [0.9]] * 8, level=0.01), 0.005)
    '2.7 times as slow (2.5 to 3)'
    >>> answer_of(judge([[0.03], [-0.04], [0.02]] * 8, level=0.01), 0.005)
    'no difference above 4.1 %'
    >>> answer_of(judge([[0.001], [-0.002], [0.001]] * 8, floor=0.005), 0.005)
    'the same within 0.5 %'
    """
    if judgement.ratio is None:
        return f"{judgement.verdict.value}: {judgement.reason}"
    if judgement.low is None or judgement.high is None:
        return "undecided: too few rounds"
    if judgement.verdict is Verdict.SAME:
        return f"the same within {100 * floor:g} %"
    if judgement.verdict is Verdict.UNDECIDED:
        return f"no difference above {two_digits(_raised(100 * (judgement.bound or 0)))} %"
    said, ends = _difference(judgement.ratio, judgement.low, judgement.high)
    return said if brief else f"{said} ({ends})"


def tally(judgements: Iterable[Judgement]) -> str:
    """Return how many contrasts have which kind of answer, in words; "" for none.

    >>> from harness.judge.verdict import judge
    >>> tally([judge([[0.1]] * 9), judge([[-0.1]] * 9), judge([[0.1], [-0.1]] * 9), judge([[0.1]])])
    '1 faster, 1 slower, 1 no difference, 1 undecided'
    """
    counted = Counter(map(_kind, judgements))
    return ", ".join(f"{counted[kind]:,} {kind}" for kind in _KINDS if counted[kind])


_KINDS = ("faster", "slower", "the same", "no difference", "undecided", "invalid")


def _kind(judgement: Judgement) -> str:
    if judgement.verdict is Verdict.UNDECIDED and judgement.bound is not None:
        return "no difference"
    return {Verdict.BETTER: "faster", Verdict.WORSE: "slower", Verdict.SAME: "the same"}.get(
        judgement.verdict, judgement.verdict.value
    )


def _difference(ratio: float, low: float, high: float) -> tuple[str, str]:
    """Return how large a difference is, and between which ends."""
    slower = ratio > 1
    if max(ratio, 1 / ratio) >= _FACTOR:
        ends = (low, high) if slower else (1 / high, 1 / low)
        middle = ratio if slower else 1 / ratio
        return f"{two_digits(middle)} times as {'slow' if slower else 'fast'}", _range(*ends)
    changes = sorted((100 * abs(low - 1), 100 * abs(high - 1)))
    return f"{'slower' if slower else 'faster'} by {two_digits(100 * abs(ratio - 1))} %", _range(*changes)


def _range(low: float, high: float) -> str:
    return f"{two_digits(low)} to {two_digits(high)}"


def _raised(number: float) -> float:
    """Return a number raised to the next of two digits: what is above is excluded."""
    if number <= 0:
        return number
    step = 10.0 ** (math.floor(math.log10(number)) - 1)
    return math.ceil(number / step - 1e-9) * step
