"""Many duels: what is planted, what is kept of them, and the table."""

import ast
from pathlib import Path

import msgspec
import pytest
from runs import environment
from sides import Quiet, fake

from bench.duels import __main__ as command
from bench.duels.record import DuelTrial, DuelTrials, load_trials, trials_of
from bench.duels.table import trials_markdown
from harness.duel.session import DuelRules, Judged, hold_duel
from harness.duel.sides import git
from harness.errors import HarnessError
from harness.setting import Setting


def trial(case: str, planted: float, middle: float, verdict: str) -> DuelTrial:
    return DuelTrial(
        case=case,
        planted=planted,
        cases=1,
        values=(middle - 0.01, middle, middle + 0.01),
        verdict=verdict,
        call_s=1e-3,
        duel_s=40.4,
    )


def files(folder: Path, side: str) -> dict[str, str]:
    """Return the files of a revision."""
    names = git(folder, "ls-tree", "--name-only", side).split()
    return {name: git(folder, "show", f"{side}:{name}") for name in names}


def test_head_differs_from_base_in_what_is_planted_alone() -> None:
    with command.repository(0.25) as folder:
        assert Path.cwd() == folder
        base, head = (files(folder, side) for side in ("base", "head"))
    assert not folder.exists()
    assert (base.pop("planted"), head.pop("planted")) == ("0.0", "0.25")
    assert base == head == {"cases.py": Path(command.__file__).with_name("cases.py").read_text().strip()}


def test_every_target_is_a_case() -> None:
    source = ast.parse(Path(command.__file__).with_name("cases.py").read_text())
    made = {
        node.targets[0].id
        for node in source.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }

    assert {f"cases:{name}" for name in made if name[0] != "_"} == set(command.CASES)


def test_of_a_duel_every_restart_s_ratio_and_its_verdict_are_kept(tmp_path: Path) -> None:
    base, head = fake(tmp_path, "base"), fake(tmp_path, "head", slower=1.1)
    duel = hold_duel(
        base, head, (), Quiet(), rules=DuelRules(restarts=9, pin=False), setting=Setting(budget=0.1)
    )
    (kept,) = trials_of(Judged.of(duel), 0.1)

    assert len(kept.values) == 9
    assert (kept.is_found, kept.is_alarm, kept.cases) == (True, True, 1)


def test_the_table_counts_alarms_and_what_was_found(tmp_path: Path) -> None:
    trials = (
        trial("relu", 0.0, 0.0, "same"),
        trial("relu", 0.0, 0.002, "better"),
        trial("lstm", 0.0, 0.0, "undecided"),
        trial("relu", 0.02, 0.0198, "worse"),
        trial("relu", 0.02, 0.0, "undecided"),
        trial("relu", 0.02, 0.0198, "better"),
    )
    found = DuelTrials(environment=environment(), command="python -m bench.duels", trials=trials)
    path = tmp_path / "duels.json"
    path.write_bytes(msgspec.json.encode(found))
    table = trials_markdown(load_trials(path))

    assert "False alarms: 1 of 3 case-duels, at most 86.46% (upper 95 % bound)." in table
    assert "Found: in 1 of 3 duels of one case each." in table
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line
    ]
    assert ["relu", "1 ms", "2", "1", "1.00%", "0.14%"] in rows
    assert ["lstm", "1 ms", "1", "0", "1.00%", ""] in rows
    assert ["relu", "1 ms", "+2.0%", "+2.00%", "3", "1", "40 s"] in rows


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"schema": 1}')

    with pytest.raises(HarnessError, match=r"other\.json holds no duels: .*environment"):
        load_trials(tmp_path / "other.json")
    with pytest.raises(HarnessError, match=r"none\.json cannot be read: No such file"):
        load_trials(tmp_path / "none.json")
    with pytest.raises(HarnessError, match="nothing is left to hold"):
        command.main(suites=0, singles=0)
