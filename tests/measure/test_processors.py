"""How many threads there is something to gain on."""

import pytest

from harness.measure import processors
from harness.measure.processors import usable_threads


@pytest.mark.parametrize(
    ("quota", "omp", "threads"),
    [
        ("max 100000", "", 4),
        ("250000 100000", "", 2),  # of a container: two and a half
        ("50000 100000", "", 1),
        ("", "", 4),  # no such file
        ("max 100000", "3", 3),
        ("max 100000", "3,2", 3),  # for nested regions
        ("max 100000", "8", 4),
        ("max 100000", "many", 4),
        ("200000 100000", "3", 2),
    ],
)
def test_no_more_threads_are_usable_than_container_and_person_allow(
    quota: str, omp: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processors, "processors", lambda: 4)
    monkeypatch.setattr(processors, "system_text", lambda _path: quota)

    assert usable_threads({"OMP_NUM_THREADS": omp}) == threads
