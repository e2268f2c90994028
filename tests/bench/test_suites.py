"""Other people's suites: what a session gives, what is compared, and the table."""

import sys
from pathlib import Path

import msgspec
import pytest
import runs

from bench.suites import session
from bench.suites.__main__ import chosen, compared
from bench.suites.judgements import load_judgements
from bench.suites.outcomes import differences, read_outcomes
from bench.suites.record import Call, Difference, Pair, SuiteResult, Suites, Timing, load_suites
from bench.suites.sources import Workshop
from bench.suites.suites import SUITES, Suite
from bench.suites.table import suites_markdown
from bench.suites.timing import timed_pairs
from harness.errors import HarnessError

NETS = """
import os
from torch import nn
import torch

net = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid())

def score(x):
    net.eval()
    return sum(net(x).sum().item() for _ in range(3))

def test_score():
    score(torch.ones(2, 4))

def test_offline():
    assert os.environ["HF_HUB_OFFLINE"] == "1"

def test_fails():
    assert not net
"""


class Here(Workshop):
    """A workshop whose environment is this one."""

    @property
    def python(self) -> Path:
        return Path(sys.executable)

    @property
    def options(self) -> tuple[str, ...]:
        return ()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    suite = tmp_path / "sources" / "nets==1.0"
    suite.mkdir(parents=True)
    # The call stands in a module beside the test, as a project's own code does.
    (suite / "nets.py").write_text(NETS.partition("def test_score")[0])
    (suite / "test_nets.py").write_text(
        "from nets import *\n" + "def test_score" + NETS.partition("def test_score")[2]
    )
    return Here(tmp_path)


SUITE = Suite("nets", "1.0", ("test_nets.py",), timed=("test_nets.py",), options=("-p", "no:benchmark"))
CALL = Call(
    kind="unused",
    test="test_nets.py::test_score",
    tests=1,
    file="nets.py",
    line=10,
    function="score.<locals>.<genexpr>",
    times=3,
    bytes=0,  # the output of the last module is there without a graph
    says="Sequential recorded a graph that no backward pass used, 3 times, 0 B each",
    remedy="put torch.no_grad() around that call",
)


@pytest.mark.process
def test_a_suite_is_run_on_both_sides_and_what_the_watch_lists_is_kept(workshop: Workshop) -> None:
    result = compared(workshop, SUITE, rounds=1)

    assert result.outcomes == {"failure": 1, "passed": 2}
    assert result.differences == ()
    assert result.stopped == ()
    assert result.calls == (CALL,)
    assert min(result.processor) > 0


@pytest.mark.process
def test_tests_that_cannot_be_collected_are_refused_with_the_last_words_of_pytest(workshop: Workshop) -> None:
    with pytest.raises(HarnessError, match=r"^nets==1\.0: pytest ended with 4: .*missing\.py"):
        session.run_session(workshop, SUITE, ("missing.py",), watched=False)


def test_outcomes_are_read_and_those_of_one_name_are_kept_together(tmp_path: Path) -> None:
    file = tmp_path / "ended.xml"
    file.write_text(
        '<testsuites><testsuite><testcase classname="t" name="a"/>'
        '<testcase classname="t" name="b"><skipped/></testcase>'
        '<testcase classname="t" name="b"><failure/></testcase></testsuite></testsuites>'
    )

    assert read_outcomes(file) == {"t::a": "passed", "t::b": "failure,skipped"}


def test_a_session_without_outcomes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="wrote no outcomes"):
        read_outcomes(tmp_path / "missing.xml")


def test_a_test_that_ends_by_chance_on_both_sides_is_no_difference() -> None:
    chance = [{"a": "passed", "b": "passed"}, {"a": "failure", "b": "passed"}]
    other = [{"a": "failure", "b": "failure"}, {"a": "passed", "b": "failure"}]

    assert differences(chance, other) == (Difference("b", ("passed", "passed"), ("failure", "failure")),)


def result(**changes: object) -> SuiteResult:
    values = {
        "package": "nets",
        "version": "1.0",
        "tests": ("test_nets.py",),
        "outcomes": {"failure": 1, "passed": 2},
        "differences": (),
        "calls": (CALL,),
        "stopped": (),
        "processor": (2.0, 2.1),
    }
    return SuiteResult(**values | changes)  # type: ignore[arg-type]


def suites(*results: SuiteResult, pairs: tuple[Pair, ...] = ()) -> Suites:
    where = runs.environment()
    return Suites(
        where, "bench.suites", results, Timing(where, "bench.suites --time 9", pairs) if pairs else None
    )


def test_the_table_says_what_a_person_said_of_each_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "judgements.toml"
    file.write_text(
        '[[judgement]]\nsuite = "nets 1.0"\nkind = "unused"\nfile = "nets.py"\nline = 10\n'
        'watch = "right"\nreason = "only the number is read"\n'
    )
    read = load_judgements(file)
    monkeypatch.setattr("bench.suites.table.load_judgements", lambda: read)
    other = result(package="others", calls=(CALL,))
    told = suites_markdown(suites(result(), other))

    assert (
        "**6 tests of 2 packages; 0 end otherwise with the flag;"
        " 2 lines listed: right 1, wrong 0, not looked at 1.**" in told
    )
    assert "only the number is read" in told


def test_the_table_names_tests_that_end_otherwise_and_a_watch_that_stopped() -> None:
    differing = (Difference("test_nets::test_score", ("passed",), ("failure",)),)
    told = suites_markdown(suites(result(differences=differing, stopped=("KeyError: 1",), calls=())))

    assert "1 end otherwise with the flag; no line listed.**" in told
    assert r"| nets 1.0 | test\_nets::test\_score |" in told
    assert "the watch is not complete: KeyError: 1" in told


def test_times_are_the_median_of_pairs_with_an_interval() -> None:
    pairs = tuple(Pair("nets", (1.0, 1.3), (1.0, 1.0 + each / 100)) for each in range(9))
    told = suites_markdown(suites(pairs=pairs)).splitlines()[-1]

    assert [cell.strip() for cell in told.strip("|").split("|")] == [
        "nets",
        "9",
        r"1.040 \[1.005, 1.075\]",
        r"1.300 \[1.300, 1.300\]",
        "1 s",
        "1.000, 1.080",
    ]


def test_pairs_are_taken_until_no_other_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("bench.suites.timing.time.perf_counter", lambda: float(next(clock)))
    ran: list[bool] = []

    def run(_workshop: Workshop, _suite: Suite, _tests: tuple[str, ...], *, watched: bool) -> session.Session:
        ran.append(watched)
        return session.Session({}, (), (), 2.0 if watched else 1.0, 1.0)

    monkeypatch.setattr("bench.suites.timing.run_session", run)
    pairs = list(timed_pairs(Workshop(Path()), [SUITE], 100.0, str))

    assert len(ran) == 2 * (1 + len(pairs))  # the first pair is not kept
    assert {pair.wall for pair in pairs} == {(1.0, 2.0)}
    assert 1 <= len(pairs) < 10


def test_an_unknown_suite_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(HarnessError, match=r"^no suite 'numpy' here; there are einops, timm, "):
        chosen(["numpy"])


def test_every_judgement_is_of_a_suite_that_is_run() -> None:
    known = {f"{suite.package} {suite.version}" for suite in SUITES}

    assert {one.suite for one in load_judgements().values()} <= known
    assert all(one.reason for one in load_judgements().values())


def test_a_record_is_read_as_it_was_written_and_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "suites.json"
    written = suites(result(), pairs=(Pair("nets", (1.0, 1.0), (1.0, 1.0)),))
    file.write_bytes(msgspec.json.encode(written))
    assert load_suites(file) == written

    file.write_text("{}", encoding="utf-8")
    with pytest.raises(HarnessError, match=r"suites\.json is no record of bench\.suites"):
        load_suites(file)
