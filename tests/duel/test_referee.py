"""The referee's logic, on sides that have no torch and cost what they say."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from sides import ROOT, Quiet, fake, is_running, script, wait_for

from harness.duel.process import DuelError
from harness.duel.session import DuelRules, Judged, hold_duel
from harness.duel.worker import protocol
from harness.judge.finding import FindingState
from harness.judge.verdict import Verdict
from harness.report.sentence import sentence
from harness.setting import Setting

pytestmark = pytest.mark.process


def held(base: str, head: str, restarts: int = 0, budget: float = 0.1, *targets: str) -> Judged:
    return Judged.of(
        hold_duel(
            base,
            head,
            targets,
            Quiet(),
            rules=DuelRules(restarts=restarts, pin=False),
            setting=Setting(budget=budget),
        )
    )


def left_behind() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"harness-duel-{os.getpid()}-*"))


def test_a_slower_head_is_worse_and_an_equal_one_is_the_same(tmp_path: Path) -> None:
    base, equal, slow = (
        fake(tmp_path, name, slower=slower)
        for name, slower in (("base", 1.0), ("equal", 1.0), ("slow", 1.02))
    )

    assert held(base, equal).times[0].judgement.verdict is Verdict.SAME
    (tmp_path / "base.restarts").unlink()
    worse = held(base, slow)
    assert worse.times[0].judgement.verdict is Verdict.WORSE
    assert worse.times[0].judgement.ratio == pytest.approx(1.02)
    assert worse.times[0].judgement.units == 15  # what one contrast needs
    assert worse.outcome.fails
    assert worse.text(80).startswith("FAIL: 1 worse in 1 of 1 case; furthest in time: grad_mode/model/eval/")
    assert left_behind() == []


def test_every_restart_starts_both_sides_once(tmp_path: Path) -> None:
    found = held(fake(tmp_path, "base"), fake(tmp_path, "head"), restarts=3)

    assert (tmp_path / "base.restarts").read_text() == (tmp_path / "head.restarts").read_text() == "3"
    samples = found.duel.arms[0].samples
    assert samples is not None
    assert len(samples.arm) == len(samples.reference) == 3
    assert {len(restart) for restart in samples.arm} == {len(samples.reference[0])}
    assert found.times[0].judgement.verdict is Verdict.UNDECIDED  # three restarts decide nothing


def test_a_killed_worker_loses_its_restart_alone(tmp_path: Path) -> None:
    head = fake(tmp_path, "head", slower=1.02, die=[["time", "model", 5]])
    found = held(fake(tmp_path, "base"), head)

    assert found.duel.lost == (
        "restart 5 was lost: head was ended by SIGKILL in grad_mode/model/eval/cpu-float32-b1",
    )
    assert "note: restart 5 was lost: head was ended by SIGKILL" in found.text(200)
    assert found.times[0].judgement.units == 14
    assert found.times[0].judgement.verdict is Verdict.WORSE


def test_a_case_that_kills_its_worker_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    head = fake(tmp_path, "head", models=["model", "deadly"], die=[["time", "deadly", 0]])
    found = held(fake(tmp_path, "base", models=["model", "deadly"]), head, 10)

    failed = next(finding for finding in found.outcome.findings if finding.state is FindingState.FAILED)
    assert (failed.case, failed.fails) == ("grad_mode/deadly/eval/cpu-float32-b1", True)
    assert "head was ended by SIGKILL, in 2 restarts" in failed.detail
    assert [timed.case for timed in found.times] == ["grad_mode/model/eval/cpu-float32-b1"]
    assert found.times[0].judgement.units == 8


def test_workers_that_never_start_end_the_duel(tmp_path: Path) -> None:
    broken = script(tmp_path / "python", "echo something is wrong >&2; exit 3")

    with pytest.raises(DuelError, match=r"head \(.*python\) cannot be used: .* status 3: something is wrong"):
        held(fake(tmp_path, "base"), broken)
    assert left_behind() == []


def test_an_interpreter_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("no program")

    with pytest.raises(DuelError, match=r"base \(.*\): .*python cannot be started: Permission denied"):
        held(str(tmp_path / "python"), fake(tmp_path, "head"))


def test_another_version_of_the_protocol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DuelError, match=f"speaks version 7 of the protocol, and version {protocol.VERSION} is"
    ):
        held(fake(tmp_path, "base"), fake(tmp_path, "head", protocol=7))


def test_addresses_that_differ_by_chance_are_told_of(tmp_path: Path) -> None:
    told = (
        "the system does not let ASLR be turned off, so that both sides lie at other addresses and"
        " short calls scatter more"
    )

    same = held(fake(tmp_path, "base"), fake(tmp_path, "head"), 2, 0)
    assert told not in same.duel.notes
    other = held(fake(tmp_path, "base"), fake(tmp_path, "chance", aslr_off=False), 2, 0)
    assert told in other.duel.notes


def test_what_is_no_line_of_the_protocol_is_shown(tmp_path: Path) -> None:
    with pytest.raises(DuelError, match="sent b'hello!', which is not a line of the protocol"):
        held(fake(tmp_path, "base"), fake(tmp_path, "head", raw="hello!\n"))


def test_a_worker_that_prints_is_told_of_and_disturbs_nothing(tmp_path: Path) -> None:
    found = held(fake(tmp_path, "base", print="I print"), fake(tmp_path, "head"), 2)

    assert "base prints to standard output by itself, which is not shown; its first line: 'I print'" in (
        found.duel.notes
    )


def test_a_case_of_the_base_alone_fails_and_one_of_the_head_alone_does_not(tmp_path: Path) -> None:
    base = fake(tmp_path, "base", models=["model", "gone"])
    head = fake(tmp_path, "head", models=["model", "new"], refused={"gone": "no module 'gone'"})
    found = held(base, head, 2, 0)

    said = {finding.case.split("/")[1]: finding for finding in found.outcome.findings if not finding.metric}
    assert (said["gone"].state, said["gone"].fails) == (FindingState.FAILED, True)
    assert said["gone"].detail == "no module 'gone'"
    assert (said["new"].state, said["new"].fails) == (FindingState.NEW, False)
    assert said["new"].detail == "the base failed: base has no such case"


def test_a_target_that_neither_side_has_is_bad_input(tmp_path: Path) -> None:
    refused = {"nothing": "no model 'nothing'"}
    sides = [fake(tmp_path, name, models=[], refused=refused) for name in ("base", "head")]

    with pytest.raises(DuelError, match=r"^no model 'nothing'$"):
        held(sides[0], sides[1])


def test_exact_values_are_told_with_what_explains_them_and_need_one_restart(tmp_path: Path) -> None:
    found = held(fake(tmp_path, "base", saved=64), fake(tmp_path, "head", saved=96), budget=0)

    assert (tmp_path / "head.restarts").read_text() == "1"
    assert [sentence(finding) for finding in found.outcome.findings] == [
        (
            "worse: grad_mode/model/eval/cpu-float32-b1: grad: saved 64 B -> 96 B, +32 B (+50.0 %)"
            " (bytes saved); encoder.0 (Linear) addmm +32 B"
        )
    ]
    assert "nothing was timed: exact metrics alone" in found.outcome.notes


def test_exact_values_come_from_a_later_restart_where_the_first_was_lost(tmp_path: Path) -> None:
    head = fake(tmp_path, "head", saved=96, die=[["exact", "model", 1]])
    found = held(fake(tmp_path, "base"), head, budget=0)

    assert len(found.duel.lost) == 1
    assert found.outcome.fails


def test_what_differs_in_the_environments_is_said(tmp_path: Path) -> None:
    head = fake(tmp_path, "head", environment={"torch": "2.15.0"})
    found = held(fake(tmp_path, "base"), head, budget=0)

    assert "torch: 2.13.0 (cpu) in the base, 2.15.0 (cpu) in the head" in found.outcome.notes


def test_an_arm_that_fails_on_one_side_is_no_verdict(tmp_path: Path) -> None:
    head = fake(tmp_path, "head", failed={"grad": "RuntimeError: no"})
    found = held(fake(tmp_path, "base"), head, 2)

    assert found.times == ()
    assert [finding.detail for finding in found.outcome.findings] == ["RuntimeError: no"]
    assert found.outcome.fails


def test_no_worker_and_no_folder_outlives_a_referee_that_is_killed(tmp_path: Path) -> None:
    sides = [fake(tmp_path, name, sleep=60) for name in ("base", "head")]
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from sides import Quiet\nfrom harness.duel.session import DuelRules, hold_duel\n"
        "hold_duel(sys.argv[2], sys.argv[3], (), Quiet(), rules=DuelRules(restarts=2, pin=False))"
    )
    folder = Path(__file__).parents[1]
    with subprocess.Popen(  # noqa: S603 (this interpreter)
        [sys.executable, "-c", program, str(folder), *sides],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
    ) as referee:
        wait_for(lambda: all((tmp_path / f"{name}.pid").exists() for name in ("base", "head")))
        time.sleep(0.5)  # one of them sleeps in its answer now
        assert list(tmp_path.glob("harness-duel-*"))
        referee.send_signal(signal.SIGKILL)

    pids = [int((tmp_path / f"{name}.pid").read_text()) for name in ("base", "head")]
    wait_for(lambda: not any(is_running(pid) for pid in pids))
    wait_for(lambda: not list(tmp_path.glob("harness-duel-*")))


def test_one_arm_alone_is_given_more_time_by_default(tmp_path: Path) -> None:
    sides = [str(fake(tmp_path, name)) for name in ("base", "head")]
    rules = DuelRules(restarts=1, pin=False)
    by_default = hold_duel(*sides, (), Quiet(), rules=rules)

    assert by_default.budget == 6.0
    assert hold_duel(*sides, (), Quiet(), rules=rules, setting=Setting(budget=0.1)).budget == 0.1
