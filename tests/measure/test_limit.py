"""What limits a step: of literal numbers, among them those of a run on an H200."""

import pytest

from harness.measure.limit import Limit, Work, limit_note, limit_of
from harness.record.measured import CodeLine

# A run on an H200, 2026-11-26, torch 2.11.0+cu130, medians of 20: seconds of the wall, of the host until it
# has issued all, of the union of kernel intervals; how often the host waited; what events said.
H200 = {
    "200 x mul_ on 64 floats": (2.08e-3, 2.04e-3, 0.181e-3, 0),
    "900 of them": (9.01e-3, 8.99e-3, 0.817e-3, 0),
    "1,500 of them": (15.3e-3, 15.2e-3, 1.360e-3, 0),
    "8 x Linear(4096), batch 512": (3.08e-3, 0.48e-3, 2.879e-3, 0),
    "GPT-2 2x128, sdpa, mask of ones": (14.2e-3, 13.8e-3, 3.092e-3, 1),
    "GPT-2 2x128, sdpa, no mask": (13.9e-3, 13.5e-3, 3.093e-3, 1),
    "GPT-2 2x128, eager attention": (9.41e-3, 9.03e-3, 3.233e-3, 1),
}


@pytest.mark.parametrize(
    ("step", "limit"),
    [
        ("200 x mul_ on 64 floats", "host"),
        ("900 of them", "host"),
        ("1,500 of them", "host"),
        ("8 x Linear(4096), batch 512", "device"),
        ("GPT-2 2x128, sdpa, mask of ones", "waits"),
        ("GPT-2 2x128, sdpa, no mask", "waits"),
        ("GPT-2 2x128, eager attention", "waits"),
    ],
)
def test_of_what_an_h200_showed(step: str, limit: Limit) -> None:
    wall, host, busy, waits = H200[step]

    assert limit_of(Work(wall, host, busy, waits)) == limit


@pytest.mark.parametrize(
    ("busy", "limit"), [(0.9, "device"), (0.89, "neither"), (0.75, "host"), (0.76, "neither")]
)
def test_the_shares_at_which_a_limit_begins(busy: float, limit: Limit) -> None:
    assert limit_of(Work(1.0, 1.0, busy)) == limit


def test_a_host_that_issues_in_half_the_time_does_not_limit() -> None:
    assert limit_of(Work(1.0, 0.5, 0.5)) == "neither"


def test_where_the_devices_time_is_not_known_nothing_is_said_to_limit_but_waits() -> None:
    assert limit_of(Work(1.0, 1.0, None)) == "unknown"
    assert limit_of(Work(1.0, 1.0, None, waits=2)) == "waits"


def test_the_first_lines_that_wait_are_named() -> None:
    places = tuple(CodeLine(file="mask.py", line=line, count=1) for line in range(1, 6))

    assert limit_note(Work(1.0, 1.0, 0.1, 5, places)) == (
        "waits limit: the host waits for the device 5 times a call, at mask.py:1, mask.py:2, mask.py:3"
        " and 2 more"
    )
