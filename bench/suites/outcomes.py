"""How tests ended, from the file of a session in JUnit's format, and where two sessions differ."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from bench.suites.record import Difference
from harness.errors import HarnessError

_BAD = ("failure", "error", "skipped")  # elements of a test that did not pass


def read_outcomes(path: Path) -> dict[str, str]:
    """Return how each test ended: passed, failure, error or skipped.

    A name that several tests share, as subtests do, has all their outcomes, sorted.

    Raises:
        HarnessError: the file cannot be read: the session ended before it was written.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 (pytest wrote it)
    except (OSError, ET.ParseError) as error:
        raise HarnessError(f"a session of pytest wrote no outcomes: {error}") from error
    ended: dict[str, list[str]] = defaultdict(list)
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        ended[name].append("+".join(bad for bad in _BAD if case.find(bad) is not None) or "passed")
    return {name: ",".join(sorted(each)) for name, each in ended.items()}


def differences(
    without: Sequence[Mapping[str, str]], with_flag: Sequence[Mapping[str, str]]
) -> tuple[Difference, ...]:
    """Return the tests whose outcomes differ, over all sessions of both sides.

    A test that ends now so and now otherwise on both sides is told by the same outcomes on both.

    >>> differences([{"a": "passed", "b": "passed"}], [{"a": "passed"}])
    (Difference(test='b', without=('passed',), with_flag=('missing',)),)
    """
    names = dict.fromkeys(name for each in (*without, *with_flag) for name in each)
    told = ((name, _of(name, without), _of(name, with_flag)) for name in names)
    return tuple(Difference(name, one, other) for name, one, other in told if set(one) != set(other))


def _of(name: str, sessions: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(each.get(name, "missing") for each in sessions)


def counted(outcomes: Mapping[str, str]) -> dict[str, int]:
    """Return how many tests ended so, in the order of the alphabet.

    >>> counted({"a": "passed", "b": "skipped", "c": "passed"})
    {'passed': 2, 'skipped': 1}
    """
    return dict(sorted(Counter(outcomes.values()).items()))
