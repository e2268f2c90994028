"""The commands `compare`, `gate`, `report` and `trend` from files to exit status, and every bad input."""

import errno
import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import runs

from harness.__main__ import main
from harness.record.codec import encode
from harness.record.schema import Run

Outcome = tuple[int, str, str]


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Command":
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys)


class Command:
    """The command line, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Outcome:
        self._monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err


def write(name: str, run: Run) -> str:
    Path(name).write_bytes(encode(run))
    return name


def changed(**counts: int) -> Run:
    return runs.run(runs.record(runs.case(), runs.arm("grad", **counts), runs.arm("no_grad", saved=0)))


MODEL = """
import torch

class Net(torch.nn.Linear):
    def forward(self, inputs):
        hidden = super().forward(inputs)
        {line}
        return hidden.relu()

def build():
    return Net(8, 4), torch.ones(2, 8)
"""


def test_a_value_that_a_model_begins_to_read_back_fails_with_its_line(
    harness: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, line in (("before", "pass"), ("after", "hidden.sum().item()")):
        Path("reads.py").write_text(MODEL.format(line=line), encoding="utf-8")
        monkeypatch.delitem(sys.modules, "reads", raising=False)
        importlib.invalidate_caches()
        shutil.rmtree("__pycache__", ignore_errors=True)
        harness("measure", "reads:build", "--question", "grad_mode", "--time", "0", "--json", f"{name}.json")
    monkeypatch.delitem(sys.modules, "reads", raising=False)
    harness("gate", "before.json", "--baseline", "base", "--update")
    status, told, _ = harness("gate", "after.json", "--baseline", "base")

    assert status == 1
    assert "grad: waits 0 -> 1, +1" in told
    assert "; at reads.py:7" in told


def test_a_gate_from_nothing_to_a_pass(harness: Command) -> None:
    write("run.json", runs.run())

    missing = harness("gate", "run.json", "--baseline", "base")
    made = harness("gate", "run.json", "--baseline", "base", "--update")
    passed = harness("gate", "run.json", "--baseline", "base")

    assert missing[0] == 2
    assert missing[2] == (
        "harness: the baseline directory base cannot be read: No such file or directory;"
        " `harness gate RUN.json --baseline DIR --update` makes one\n"
    )
    assert made[0] == 0
    assert made[1].startswith("baseline made: 6 exact values of 1 case; compared with nothing\n")
    assert "PASS" not in made[1]
    assert "replacement" not in made[1]
    assert made[2] == "wrote base/torch2.13.0-cpu-1t-float32-cpu-AVX2.json\n"
    assert passed == (
        0,
        "PASS: nothing worse in 1 case; 6 exact values equal\ntorch2.13.0-cpu-1t-float32-cpu-AVX2: 6 equal\n",
        "",
    )


def test_an_empty_folder_fails_closed(harness: Command) -> None:
    write("run.json", runs.run())
    Path("base").mkdir()
    status, out, _ = harness("gate", "run.json", "--baseline", "base")

    assert status == 1
    assert out.startswith("FAIL: 1 without a baseline\n")
    assert '+ ["grad_mode/mlp/eval/cpu-float32-b8","grad","peak",4096]' in out


def test_a_win_fails_prints_its_replacement_and_an_update_settles_it(harness: Command) -> None:
    write("run.json", runs.run())
    write("better.json", changed(peak=4000))
    harness("gate", "run.json", "--baseline", "base", "--update")

    status, out, _ = harness("gate", "better.json", "--baseline", "base")
    assert status == 1
    assert out.startswith("FAIL: 1 better in 1 of 1 case\n")
    assert (
        '- ["grad_mode/mlp/eval/cpu-float32-b8","grad","peak",4096]\n'
        '+ ["grad_mode/mlp/eval/cpu-float32-b8","grad","peak",4000]\n'
    ) in out

    assert harness("gate", "better.json", "--baseline", "base", "--update")[0] == 0
    assert harness("gate", "better.json", "--baseline", "base")[0] == 0
    assert harness("gate", "run.json", "--baseline", "base")[0] == 1


def test_an_update_that_leaves_a_failure_exits_with_1(harness: Command) -> None:
    write("both.json", runs.run(*runs.run().records, runs.record(runs.case("lstm"), runs.arm())))
    write("one.json", runs.run())
    harness("gate", "both.json", "--baseline", "base", "--update")

    assert harness("gate", "one.json", "--baseline", "base", "--update")[0] == 1
    assert harness("gate", "one.json", "--baseline", "base", "--update", "--prune")[0] == 0
    assert harness("gate", "one.json", "--baseline", "base")[0] == 0


def test_runs_of_one_environment_are_gated_together(harness: Command) -> None:
    write("one.json", runs.run(id="one"))
    write("two.json", runs.run(runs.record(runs.case("lstm"), runs.arm()), id="two"))
    harness("gate", "one.json", "two.json", "--baseline", "base", "--update")

    assert harness("gate", "two.json", "one.json", "--baseline", "base")[0] == 0
    assert harness("gate", "one.json", "--baseline", "base")[0] == 1


def test_a_baseline_that_no_run_met_fails_on_request(harness: Command) -> None:
    write("one.json", runs.run())
    write("half.json", runs.run(runs.record(runs.case(dtype="bfloat16"), runs.arm()), id="half"))
    harness("gate", "one.json", "half.json", "--baseline", "base", "--update")

    assert harness("gate", "one.json", "--baseline", "base")[0] == 0
    status, out, _ = harness("gate", "one.json", "--baseline", "base", "--every-baseline")
    assert status == 1
    assert "gone: no run has the key of the baseline torch2.13.0-cpu-1t-bfloat16-cpu-AVX2" in out


def test_limits_stand_in_pyproject(harness: Command) -> None:
    write("run.json", runs.run())
    harness("gate", "run.json", "--baseline", "base", "--update")
    Path("pyproject.toml").write_text('[tool.harness.gate.budgets]\n"grad_mode/*" = ["peak <= 4095"]\n')

    status, out, _ = harness("gate", "run.json", "--baseline", "base")
    assert status == 1
    assert "the budget of grad_mode/* is peak <= 4095" in out


def test_compare_says_1_for_worse_and_3_for_undecided_when_strict(harness: Command) -> None:
    steady = [1e-3] * 12
    write("base.json", runs.run(runs.record(runs.case(), runs.timed("grad", steady))))
    write("slow.json", runs.run(runs.record(runs.case(), runs.timed("grad", [1.5e-3] * 12))))

    assert harness("compare", "base.json", "base.json")[0] == 0
    assert harness("compare", "base.json", "base.json", "--strict")[0] == 3
    assert harness("compare", "base.json", "slow.json", "--strict")[0] == 1


@pytest.mark.parametrize("form", ["text", "markdown", "json", "junit"])
def test_compare_prints_every_format(harness: Command, form: str) -> None:
    write("base.json", runs.run())
    write("head.json", changed(peak=5000))
    status, out, _ = harness("compare", "base.json", "head.json", "--format", form, "--html", "page.html")

    assert status == 1
    assert "1 worse" in out
    assert "1 worse" in Path("page.html").read_text()


def test_a_report_writes_every_file_from_one_run(harness: Command) -> None:
    write("run.json", runs.run())
    harness("gate", "run.json", "--baseline", "base", "--update")
    files = ["--markdown", "--html", "--junit", "--json", "--bencher", "--smaller-is-better"]
    arguments = [part for option in files for part in (option, f"out/{option[2:]}")]
    status, out, _ = harness("report", "run.json", "--baseline", "base", *arguments)

    assert status == 0
    assert out.splitlines() == [f"out/{option[2:]}" for option in files]
    assert Path("out/markdown").read_text().startswith("### PASS: ")
    assert json.loads(Path("out/json").read_text())["verdict"] == "pass"


def test_a_report_without_a_file_is_printed(harness: Command) -> None:
    write("run.json", runs.run())

    said = "### 1 case: nothing failed, books balance; compared with nothing\n"
    assert harness("report", "run.json")[1].startswith(said)


def test_trend_reads_a_folder_and_draws(harness: Command) -> None:
    Path("history").mkdir()
    for day in (1, 2, 3):
        run = changed(peak=4096 + (day == 3))
        where = runs.environment(started=f"2026-01-0{day}T00:00:00+00:00")
        write(f"history/{day}.json", runs.run(*run.records, id=f"run-{day}", environment=where))
    status, out, _ = harness("trend", "history", "--plot", "trend.png")

    assert status == 0
    assert out.startswith("1 of 6 series changed over 3 runs")
    assert Path("trend.png").stat().st_size > 1000
    assert len(json.loads(harness("trend", "history", "--json")[1])["series"]) == 6


def broken_run(change: str) -> bytes:
    data: dict[str, Any] = json.loads(encode(runs.run()))
    if change == "newer":
        data["schema"] = 99
    elif change == "twice":
        data["records"] *= 2
    elif change == "negative":
        data["records"][0]["arms"][0]["counts"]["peak"] = -1
    text = json.dumps(data)
    if change == "brackets":
        return b'{"schema": 1, "x": ' + b"[" * 100_000
    if change == "bytes":
        return text.replace("run-1", "\xff").encode("latin-1")
    texts = {"cut": text[:-40], "nan": text.replace("4096", "NaN", 1), "text": "no JSON", "empty": ""}
    return texts.get(change, text).encode()


@pytest.mark.parametrize("command", ["compare", "gate", "report", "trend"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("text", "bad.json is not a run file"),
        ("empty", "bad.json is not a run file"),
        ("brackets", "bad.json is not a run file: brackets inside brackets without end"),
        ("bytes", "bad.json is not a run file: 'utf-8' codec can't decode byte 0xff"),
        ("cut", "bad.json is not a run file"),
        ("newer", "bad.json has format 99, newer than 1, which is read here: upgrade autograd-harness"),
        ("twice", "case 'grad_mode/mlp/eval/cpu-float32-b8' is there twice"),
        ("nan", "bad.json is not a run file"),
        ("negative", "'peak' is -1; it cannot be negative"),
        ("missing", "bad.json cannot be read: No such file or directory"),
    ],
)
def test_a_bad_file_is_one_line_and_status_2(harness: Command, command: str, change: str, says: str) -> None:
    write("good.json", runs.run())
    Path("base").mkdir()
    if change != "missing":
        Path("bad.json").write_bytes(broken_run(change))
    arguments = {
        "compare": ("good.json", "bad.json"),
        "gate": ("bad.json", "--baseline", "base"),
        "report": ("bad.json",),
        "trend": ("good.json", "bad.json"),
    }[command]
    status, out, err = harness(command, *arguments)

    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ('[tool.harness.gate.budgets]\n"nothing/*" = "peak <= 1"\n', "pattern 'nothing/*' matches no case"),
        ('[tool.harness.gate.budgets]\n"*" = "peak = 1"\n', "is not written as in 'peak <= 512 MiB'"),
        ("[tool.harness.gate\n", "pyproject.toml is no TOML"),
        ("tool = 3\n[tool.harness.gate]\n", "pyproject.toml is no TOML"),
    ],
)
def test_a_bad_configuration_is_one_line_and_status_2(harness: Command, setting: str, says: str) -> None:
    write("run.json", runs.run())
    Path("base").mkdir()
    Path("pyproject.toml").write_text(setting)
    status, _, err = harness("gate", "run.json", "--baseline", "base")

    assert status == 2
    assert says in err
    assert err.count("\n") == 1


def test_a_folder_that_may_not_be_read_is_refused(harness: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")  # root reads every folder, so it is said

    write("run.json", runs.run())
    Path("base").mkdir()
    monkeypatch.setattr(Path, "iterdir", denied)
    status, _, err = harness("gate", "run.json", "--baseline", "base")

    assert status == 2
    assert "the baseline directory base cannot be read: Permission denied" in err


def test_a_broken_baseline_is_one_line_and_status_2(harness: Command) -> None:
    write("run.json", runs.run())
    Path("base").mkdir()
    Path("base/torch2.13.0-cpu-1t-float32-cpu-AVX2.json").write_text('{"format": 1, "rows": [')
    status, _, err = harness("gate", "run.json", "--baseline", "base")

    assert status == 2
    assert err.count("\n") == 1


@pytest.mark.process
def test_ten_thousand_records_are_compared_in_3_seconds_and_300_mb_without_torch(tmp_path: Path) -> None:
    seconds = [1e-3 + 1e-6 * place for place in range(12)]
    for name, more in (("base", 0), ("head", 64)):
        records = (
            runs.record(
                runs.case(f"model-{place}"),
                runs.timed("grad", seconds),
                runs.arm("no_grad", peak=4096 + more * (place % 100 == 0)),
            )
            for place in range(10_000)
        )
        (tmp_path / f"{name}.json").write_bytes(encode(runs.run(*records)))
    code = (
        "import resource, sys\n"
        "sys.argv = ['harness', 'compare', 'base.json', 'head.json']\n"
        "from harness.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n    print('status', ended.code)\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime, 'torch' in sys.modules)\n"
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"
    )
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    *_, status, used, peak_kib = done.stdout.splitlines()

    assert done.stdout.startswith("FAIL: 100 worse in 100 of 10,000 cases")
    assert status == "status 1"
    assert used.endswith(" False")
    assert float(used.split()[0]) < 3  # of processor time: other work on the machine is not counted
    assert int(peak_kib) * 1024 < 300e6
