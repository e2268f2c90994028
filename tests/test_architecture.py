"""The directions of imports, and what no layer knows of another; every rule is shown able to fail."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness
from harness.measure.probes import METRICS

ROOT = Path(harness.__file__).parent

# What a part may import of the others. The doors, at the top level, may import all of them.
MAY_IMPORT = {
    "errors": set[str](),
    "record": {"errors"},
    "judge": {"errors", "record"},
    "report": {"errors", "record", "judge"},
    "workload": {"errors", "record"},
    "measure": {"errors", "record", "judge", "workload", ""},
    "claims": {"errors", "record", "judge", "report", "workload", "measure", ""},
    "calibration": {"errors", "record", "judge", "workload", "measure", "api", ""},
    "duel": {"errors", "record", "judge", "report", "workload", "measure", ""},
    "fitting": {
        "errors",
        "record",
        "judge",
        "report",
        "workload",
        "measure",
        "amounts",
        "api",
        "measuring",
        "",
    },
    "commands": {"errors", "record", "report", "amounts", "fitting", ""},
    "ranks": {"errors", "record", "judge", "report", "workload", "measure", "amounts", ""},
}
WITHOUT_TORCH = ("record", "judge", "report")
DOORS_WITHOUT_TORCH = ("harness", "harness.cli", "harness.pytest_plugin", "harness.errors")


def sources(*parts: str) -> dict[str, str]:
    """Return the texts of the modules of some parts, or of all, by their dotted names."""
    texts = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(("harness", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        if not parts or part_of(name) in parts:
            texts[name] = path.read_text(encoding="utf-8")
    return texts


def part_of(module: str) -> str:
    """Return "measure" of "harness.measure.probes"; "" of the package itself."""
    return [*module.split("."), ""][1]


def imports(text: str) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it; of `from a import b`, both a and a.b."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_directions(texts: dict[str, str]) -> list[str]:
    """Return "module imports module" for every import against the direction."""
    found = []
    for module, text in texts.items():
        mine = part_of(module)
        if mine not in MAY_IMPORT:
            continue
        for name in imports(text):
            if name.startswith("."):
                found.append(f"{module} imports {name}")
            # `from harness import x` gives both names; x is judged by itself.
            elif (
                name.split(".")[0] == "harness"
                and (ROOT / part_of(name)).exists() | (ROOT / f"{part_of(name)}.py").exists()
            ):
                other = part_of(name)
                if other != mine and other not in MAY_IMPORT[mine]:
                    found.append(f"{module} imports {name}")
    return found


def torch_imports(texts: dict[str, str]) -> list[str]:
    return [
        f"{module} imports {name}"
        for module, text in texts.items()
        for name in imports(text)
        if name.split(".")[0] in {"torch", "transformers", "timm", "torchvision"}
    ]


def question_imports(texts: dict[str, str]) -> list[str]:
    return [
        f"{module} imports {name}"
        for module, text in texts.items()
        for name in imports(text)
        if name.startswith("harness.workload.questions")
    ]


# Words for something else than the metric of that name, by the module that uses them.
OTHER_WORDS = {
    "harness.judge.limits": {"unaccounted"},  # a key of the configuration, about the books
    "harness.judge.align": {"time"},  # the metric that it makes of another tool's file
    "harness.report.fit": {"peak", "time"},  # headings of its one table
    "harness.report.plots": {"saved"},  # a legend
    "harness.report.tables": {"parameters"},  # a group's count of numbers, not its bytes
    "harness.report.trend_text": {"parameters"},
}


def metric_names(texts: dict[str, str]) -> list[str]:
    """Return where a string is the name of a metric."""
    names = {metric.name for metric in METRICS}
    return [
        f"{module} names {node.value!r}"
        for module, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant)
        and node.value in names - OTHER_WORDS.get(module, set())
        and isinstance(node.value, str)
    ]


def test_imports_go_one_way() -> None:
    assert wrong_directions(sources()) == []


@pytest.mark.parametrize(
    ("module", "line", "found"),
    [
        ("harness.record.x", "import harness.judge.verdict", ["harness.judge.verdict"]),
        (
            "harness.judge.x",
            "from harness.report import tables",
            ["harness.report", "harness.report.tables"],
        ),
        ("harness.report.x", "def f():\n    import harness.measure", ["harness.measure"]),
        ("harness.workload.x", "from harness import measure", ["harness", "harness.measure"]),
        ("harness.measure.x", "import harness.pytest_plugin", ["harness.pytest_plugin"]),
        ("harness.claims.x", "import harness.cli", ["harness.cli"]),
        ("harness.errors", "import harness.record", ["harness.record"]),
        ("harness.judge.x", "from . import verdict", ["."]),
        ("harness.cli", "import harness.measure", []),
        ("harness.measure.x", "import harness.workload.step", []),
    ],
)
def test_an_import_against_the_direction_is_seen(module: str, line: str, found: list[str]) -> None:
    assert wrong_directions({module: line}) == [f"{module} imports {name}" for name in found]


def test_every_part_has_its_rule() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert folders <= MAY_IMPORT.keys()


def test_what_is_written_judged_and_reported_names_no_torch() -> None:
    assert torch_imports(sources(*WITHOUT_TORCH)) == []


@pytest.mark.parametrize(
    "line", ["import torch", "from torch import nn", "def f():\n    import torch.nn as nn"]
)
def test_an_import_of_torch_is_seen(line: str) -> None:
    assert len(torch_imports({"harness.judge.x": line})) >= 1


def loads_torch(*modules: str) -> bool:
    """Import modules in a fresh process; return whether that loaded torch."""
    script = (
        f"import importlib, sys; [importlib.import_module(name) for name in {modules!r}];"
        "print('torch' in sys.modules)"
    )
    run = subprocess.run(  # noqa: S603 (this interpreter)
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT.parent), "PATH": ""},
    )
    return run.stdout.strip().splitlines()[-1] == "True"


def test_what_is_written_judged_and_reported_loads_no_torch() -> None:
    assert not loads_torch(*sources(*WITHOUT_TORCH))


@pytest.mark.parametrize("module", DOORS_WITHOUT_TORCH)
def test_a_door_opens_without_torch(module: str) -> None:
    assert not loads_torch(module)


def test_a_load_of_torch_is_seen() -> None:
    assert loads_torch("harness.measure.trace")


# It runs in a fresh process, as a program, and has to build the step that it is told of.
WITNESS = "harness.measure.witness"


def test_measuring_does_not_know_the_questions() -> None:
    texts = sources("measure")
    witness = {WITNESS: texts.pop(WITNESS)}

    assert question_imports(texts) == []
    assert question_imports(witness)  # else it needs no exception


def test_the_program_that_is_excepted_is_imported_by_nothing() -> None:
    importers = [module for module, text in sources().items() if WITNESS in set(imports(text))]

    assert importers == []


@pytest.mark.parametrize(
    "line",
    [
        "from harness.workload.questions import load_question",
        "from harness.workload import questions",
        "import harness.workload.questions.freezing",
    ],
)
def test_a_question_known_to_measuring_is_seen(line: str) -> None:
    assert question_imports({"harness.measure.x": line})


@pytest.mark.parametrize("module", sources("judge", "report"))
def test_what_judges_or_reports_does_not_ask_which_metric_it_holds(module: str) -> None:
    assert metric_names({module: sources("judge", "report")[module]}) == []


def test_a_metrics_name_in_a_judge_is_seen() -> None:
    text = "def f(metric):\n    return metric.name == 'peak' or metric.name == 'peaks'"

    assert metric_names({"harness.judge.x": text}) == ["harness.judge.x names 'peak'"]


# Who may say torch.cuda: the door itself, and the one function that is documented under names of torch's own.
CUDA_DOORS = {"harness.measure.device", "harness.measure.torch_compat"}
# It asks only whether torch is at work on a device, of a torch that somebody else has imported or not.
ASKS_WITHOUT_TORCH = {"harness.api"}
TAKES_ITS_DEVICE = {"harness.ranks.crew"}  # a rank makes one device its own before anything is measured


def cuda_uses(texts: dict[str, str]) -> list[str]:
    """Return where torch.cuda, or something of it, is named outside its doors."""
    found = []
    for module, text in texts.items():
        if module in CUDA_DOORS | ASKS_WITHOUT_TORCH | TAKES_ITS_DEVICE:
            continue
        named = any(
            isinstance(node, ast.Attribute)
            and node.attr == "cuda"
            and isinstance(node.value, ast.Name)
            and node.value.id == "torch"
            for node in ast.walk(ast.parse(text))
        )
        if named or any(name.startswith("torch.cuda") for name in imports(text)):
            found.append(module)
    return found


def test_cuda_is_behind_one_door() -> None:
    assert cuda_uses(sources()) == []


@pytest.mark.parametrize(
    "line", ["import torch.cuda", "from torch import cuda", "import torch\ntorch.cuda.synchronize()"]
)
def test_another_door_to_cuda_is_seen(line: str) -> None:
    assert cuda_uses({"harness.measure.x": line}) == ["harness.measure.x"]
