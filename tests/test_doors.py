"""What all doors have alike: their settings, their refusals, their commands; and how small a change is."""

import ast
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import typer
from sides import Quiet, fake
from typer.testing import CliRunner

import harness
from harness import HarnessError, measure_model
from harness.commands import COMMANDS, app
from harness.commands.options import writable
from harness.duel.session import hold_duel
from harness.setting import Setting, options_of

ROOT = Path(harness.__file__).parent
DOORS_WITH_MANY = ("commands/", "api.py", "pytest_plugin.py")
MOST_PARAMETERS = 8
# These stand where others work, and go: the list may only become shorter.
TOO_MANY = {"calibration/plan.py:parse_plan", "claims/perceptron.py:train_network"}


def wide_functions(texts: Mapping[str, str]) -> set[str]:
    """Return "file:function" of what takes more than eight parameters outside the doors."""
    return {
        f"{path}:{node.name}"
        for path, text in texts.items()
        if not path.startswith(DOORS_WITH_MANY)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]) > MOST_PARAMETERS
    }


def texts() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")}


def test_a_function_below_the_doors_has_eight_parameters_at_most() -> None:
    assert wide_functions(texts()) == TOO_MANY


def test_a_function_of_nine_parameters_is_seen() -> None:
    wide = "def f(a, b, c, d, e, *, f, g, h, i): ..."

    assert wide_functions({"measure/x.py": wide, "api.py": wide}) == {"measure/x.py:f"}


def cycles(edges: Mapping[str, set[str]]) -> list[str]:
    """Return the modules that import themselves when they are loaded, through others."""

    def reached(module: str) -> set[str]:
        seen: set[str] = set()
        waiting = [module]
        while waiting:
            for other in edges.get(waiting.pop(), set()) - seen:
                seen.add(other)
                waiting.append(other)
        return seen

    return sorted(module for module in edges if module in reached(module))


def module_of(path: str) -> str:
    return ".".join(("harness", *Path(path).with_suffix("").parts)).removesuffix(".__init__")


def loaded_imports(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Return which modules of ours each imports while it is loaded."""
    names = {module_of(path) for path in files}

    def of(text: str) -> Iterator[str]:
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                parts = {f"{node.module}.{alias.name}" for alias in node.names}
                yield from parts & names or {str(node.module)}

    return {module_of(path): set(of(text)) & names - {"harness"} for path, text in files.items()}


def test_modules_import_each_other_in_no_circle() -> None:
    assert cycles(loaded_imports(texts())) == []


def test_a_circle_is_seen() -> None:
    files = {"a.py": "import harness.b", "b.py": "from harness import c", "c.py": "from harness.a import f"}

    assert cycles(loaded_imports(files)) == ["harness.a", "harness.b", "harness.c"]


def test_the_commands_are_the_files_in_their_folder() -> None:
    files = {
        path.stem
        for path in (ROOT / "commands").glob("*.py")
        if "def register(" in path.read_text(encoding="utf-8")
    }

    assert set(typer.main.get_command(app).commands) == files == set(COMMANDS)  # type: ignore[attr-defined]


def test_the_page_of_commands_has_each_with_its_line() -> None:
    page = (ROOT.parent / "docs" / "commands.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| `harness ")]

    assert lines == [f"| `harness {name}` | {when} |" for name, (_, when) in COMMANDS.items()]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_json_with_a_file_and_no_sentence_that_begins_with_of(name: str) -> None:
    text = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "300"}).stdout
    words = {line.split("  ")[-1].strip(" \u2502") for line in text.splitlines()}

    assert "--json" in text
    assert "write JSON to this file; - prints it in place of the text" in text
    assert not [each for each in words if each.startswith("of ")]


def test_brackets_in_help_are_shown() -> None:
    text = CliRunner().invoke(app, ["gate", "--help"], env={"COLUMNS": "200"}).stdout

    assert "[tool.harness.gate] stands" in text


def test_json_is_not_written_over_what_is_read(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_bytes((ROOT.parent / "tests" / "golden" / "run-1.json").read_bytes())
    before = file.read_bytes()
    done = CliRunner().invoke(app, ["trend", "--json", str(file), str(file)])

    assert "would write over what is read" in str(done.exception)
    assert file.read_bytes() == before


GOLDEN_RUN = str(ROOT.parent / "tests" / "golden" / "run-1.json")
OF_STORED = {
    "gate": [GOLDEN_RUN, "--baseline", str(ROOT.parent / "results" / "baselines")],
    "trend": [GOLDEN_RUN],
    "report": [GOLDEN_RUN],
    "compare": [GOLDEN_RUN, GOLDEN_RUN],
    "versions": [GOLDEN_RUN],
}
OF_MEASURED = {
    "measure": ["linear", "--question", "grad_mode", "--budget", "0", "--no-curve"],
    "fit": ["linear", "--in", "1GiB", "--budget", "0"],
    "calibrate": ["--cells", "object:20:0:1", "--budget", "0.01"],
    "claims": ["F3", "--seeds", "8"],
}


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        *OF_STORED.items(),
        *(pytest.param(name, words, marks=pytest.mark.process) for name, words in OF_MEASURED.items()),
    ],
)
def test_json_on_standard_output_takes_the_place_of_the_text(
    command: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [command, *arguments, "--json", "-"])

    assert done.exit_code in {0, 1}, done.exception
    assert isinstance(json.loads(done.stdout), dict)
    assert not (tmp_path / "-").exists()


def test_json_of_a_duel_on_standard_output_takes_the_place_of_the_text(tmp_path: Path) -> None:
    sides = fake(tmp_path, "base"), fake(tmp_path, "head")
    done = CliRunner().invoke(app, ["duel", *sides, "--no-pin", "--budget", "0.1", "--json", "-"])

    assert done.exit_code == 0, done.exception
    assert json.loads(done.stdout)["verdict"] == "pass"


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "out.json"
    refused = f"{target} cannot be written: {tmp_path / 'file'} is not a folder"

    for command, arguments in {**OF_MEASURED, "duel": [".", "."], "bisect": ["a", "b", "linear"]}.items():
        done = CliRunner().invoke(app, [command, *arguments, "--json", str(target)])
        assert refused in f"{done.exception} {' '.join(done.stderr.split())}", command


@pytest.mark.parametrize("option", ["--html", "--trace", "--memory-history"])
def test_every_file_of_a_measurement_is_refused_before_anything_is_measured(
    option: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "out"
    done = CliRunner().invoke(app, ["measure", *OF_MEASURED["measure"], option, str(target)])

    assert f"{target} cannot be written: {tmp_path / 'file'} is not a folder" in str(done.exception)
    assert done.stdout == ""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder in which nobody makes a file")
def test_a_folder_in_which_no_file_can_be_made_is_seen_whatever_rights_it_shows() -> None:
    with pytest.raises(HarnessError, match=r"/proc/out cannot be written: /proc: "):
        writable(Path("/proc/out"))

    assert writable(Path("/dev/null")) == Path("/dev/null")


MISTAKES = [
    ("device", "tpu", "no device 'tpu'; there are cpu and cuda"),
    ("dtype", "float8", "no dtype 'float8'; there are float32, float64, bfloat16, float16, autocast"),
    (
        "memory-format",
        "nhwc",
        "no memory format 'nhwc'; there is channels_last, and without one tensors are contiguous",
    ),
    ("batch-size", "0", "a batch size of 0 holds no example; give 1 or more"),
    ("batch-size", "two", "'two' are not batch sizes; write 8, or 1,2,4,8"),
    ("budget", "-1", "a budget of -1 s cannot be spent; give 0 or more seconds"),
    ("budget", "nan", "a budget of nan s cannot be spent; give 0 or more seconds"),
    ("budget", "much", "'much' is not a number; write 0.5, or 2"),
    ("threads", "-1", "-1 threads cannot run; give 0 (torch's own choice) or more"),
    ("threads", "two", "'two' is not a whole number; write 0, or 4"),
]
IN_PYTHON = {"batch-size": "batch_sizes", "memory-format": "memory_format"}


@pytest.mark.parametrize(("option", "value", "sentence"), MISTAKES)
def test_a_mistake_has_one_sentence_at_every_door(
    option: str, value: str, sentence: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = CliRunner().invoke(app, ["measure", "linear", f"--{option}", value])
    said = {"measure": measured.stderr.strip().removeprefix("harness: ").replace("\n", " ")}
    said["fit"] = str(CliRunner().invoke(app, ["fit", "linear", f"--{option}", value]).exception)
    if option != "device":  # whether it is there is for each side of a duel to say, where torch is
        said["duel"] = str(CliRunner().invoke(app, ["duel", ".", ".", f"--{option}", value]).exception)
    if option in {"device", "budget", "threads"}:
        said["calibrate"] = str(CliRunner().invoke(app, ["calibrate", f"--{option}", value]).exception)
    if option == "budget":
        said["claims"] = str(CliRunner().invoke(app, ["claims", f"--{option}", value]).exception)

    from harness import pytest_session

    names = {"models": "", "results": "results", "rss": False, option: value}
    monkeypatch.setattr(pytest_session, "option_value", lambda _config, name: names.get(name))
    with pytest.raises(pytest.UsageError) as refused:
        pytest_session.Session(pytestconfig)
    said["pytest"] = str(refused.value)
    if not value.isalpha() or option in {"device", "dtype", "memory-format"}:
        given = {"batch-size": (0,), "budget": float("nan") if value == "nan" else -1, "threads": -1}
        with pytest.raises(HarnessError) as refusal:
            measure_model("linear", **{IN_PYTHON.get(option, option): given.get(option, value)})
        said["Python"] = str(refusal.value)

    assert set(said.values()) == {sentence}, said


def test_a_duel_has_one_batch_size() -> None:
    with pytest.raises(HarnessError, match="a duel has one batch size; give 1 alone"):
        hold_duel(".", ".", (), Quiet(), setting=Setting(batch_sizes=(1, 2)))


def test_ranks_take_the_same_setting() -> None:
    source = inspect.getsource(sys.modules["harness.commands.measure"])

    assert "measure_over_ranks(request, watch, lambda: setting_of(words))" in source


def test_no_door_names_a_setting_that_it_only_passes_on() -> None:
    named = {
        path for path, text in texts().items() if path.startswith("commands/") and "memory_format" in text
    }

    assert named == set()
    assert {"memory-format", "batch-size"} <= {option for _, option, _ in options_of("pytest")}


def test_a_memory_format_is_named_in_few_files() -> None:
    assert len([path for path, text in texts().items() if "memory_format" in text]) <= 4
