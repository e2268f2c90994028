"""The directions of imports, and what no layer knows of another; every rule is shown able to fail."""

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anew import printed_anew

import harness
from harness.measure.probes import METRICS

ROOT = Path(harness.__file__).parent

# What a part may import of the others. The doors, at the top level, may import all of them.
MAY_IMPORT = {
    "errors": set[str](),
    "record": {"errors"},
    "processes": set[str](),
    "setting": {"errors", "record"},
    "judge": {"errors", "record"},
    "report": {"errors", "record", "judge", "setting"},
    "workload": {"errors", "record", "setting"},
    "measure": {"errors", "processes", "record", "judge", "workload", "setting", ""},
    "claims": {"errors", "record", "judge", "report", "workload", "measure", ""},
    "calibration": {"errors", "record", "judge", "report", "workload", "measure", ""},
    "duel": {"errors", "processes", "record", "judge", "report", "workload", "measure", "setting", ""},
    "fitting": {
        "errors",
        "record",
        "report",
        "judge",
        "workload",
        "measure",
        "setting",
        "session",
        "",
    },
    "ranks": {"errors", "processes", "record", "judge", "report", "workload", "measure", "setting", ""},
    "watch": {"errors", "record", "report", "workload"},
    "limiting": {"errors", "processes", "record", "report", "workload", "measure", "setting"},
    "snapshot": {"errors", "record", "judge", "measure", "limiting"},
    "bisect": {"errors", "record", "workload", "duel", "judge", "limiting", "setting"},
}
WITHOUT_TORCH = ("record", "judge", "report")
DOORS_WITHOUT_TORCH = (
    "harness",
    "harness.commands",
    "harness.setting",
    "harness.pytest_options",
    "harness.pytest_plugin",
    "harness.errors",
    "harness.watch.plugin",
    "harness.limiting.plugin",
    "harness.snapshot.plugin",
)


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


@functools.cache
def nodes_of(text: str) -> tuple[ast.AST, ...]:
    """Return every node of a module, read once for all rules."""
    return tuple(ast.walk(ast.parse(text)))


def imports(text: str) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it; of `from a import b`, both a and a.b."""
    for node in nodes_of(text):
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
    "harness.judge.listing": {"time"},  # the metric that it makes of another tool's file
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
        for node in nodes_of(text)
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
        ("harness.claims.x", "import harness.commands", ["harness.commands"]),
        ("harness.errors", "import harness.record", ["harness.record"]),
        ("harness.judge.x", "from . import verdict", ["."]),
        ("harness.commands.x", "import harness.measure", []),
        ("harness.measure.x", "import harness.workload.step", []),
    ],
)
def test_an_import_against_the_direction_is_seen(module: str, line: str, found: list[str]) -> None:
    assert wrong_directions({module: line}) == [f"{module} imports {name}" for name in found]


def test_every_part_has_its_rule() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"commands"}  # a door

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
    printed = printed_anew(script)
    return printed.splitlines()[-1] == "True"


@pytest.mark.process
def test_what_is_written_judged_and_reported_loads_no_torch() -> None:
    assert not loads_torch(*sources(*WITHOUT_TORCH))


@pytest.mark.process
@pytest.mark.parametrize("module", DOORS_WITHOUT_TORCH)
def test_a_door_opens_without_torch(module: str) -> None:
    assert not loads_torch(module)


@pytest.mark.process
def test_a_session_that_measures_nothing_loads_what_pytest_has_loaded_and_the_plugin() -> None:
    plugins = [door for door in DOORS_WITHOUT_TORCH if "plugin" in door or "pytest" in door]
    script = (
        "import importlib, sys, pytest; before = set(sys.modules);"
        f"[importlib.import_module(name) for name in {plugins!r}];"
        "print(*sorted(name for name in set(sys.modules) - before if '.' not in name or 'harness' in name))"
    )
    names = printed_anew(script).splitlines()[-1].split()

    assert len(plugins) == 5
    assert {name for name in names if not name.startswith("harness")} <= sys.stdlib_module_names
    assert not any(
        name.startswith(("harness.record.", "harness.measure.", "harness.judge.")) for name in names
    )


@pytest.mark.process
def test_a_load_of_torch_is_seen() -> None:
    assert loads_torch("harness.measure.recording")


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


# Who may name a kind of device: its own module, and the table of kinds.
CUDA_DOORS = {"harness.measure.devices.cuda", "harness.setting"}


def cuda_uses(texts: dict[str, str]) -> list[str]:
    """Return the modules, other than its doors, that name the kind "cuda" or something of torch.cuda."""
    return [
        module
        for module, text in texts.items()
        if module not in CUDA_DOORS
        and (
            any(_names_cuda(node) for node in nodes_of(text))
            or any(name.startswith("torch.cuda") for name in imports(text))
        )
    ]


def _names_cuda(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="torch"), attr="cuda") | ast.Constant(value="cuda"):
            return True
    return False


def test_cuda_is_behind_one_door() -> None:
    assert cuda_uses(sources()) == []
    assert set(cuda_uses({f"{module}_": text for module, text in sources("measure", "setting").items()})) == {
        f"{door}_" for door in CUDA_DOORS
    }


@pytest.mark.parametrize(
    "line",
    [
        "import torch.cuda",
        "from torch import cuda",
        "import torch\ntorch.cuda.synchronize()",
        "device.partition(':')[0] == 'cuda'",
    ],
)
def test_another_door_to_cuda_is_seen(line: str) -> None:
    assert cuda_uses({"harness.measure.x": line}) == ["harness.measure.x"]


# Words that would make these parts know a part above them.
PARTS_ABOVE = ("claim", "calibrat")


def parts_named(texts: dict[str, str]) -> list[str]:
    """Return where a name, a text or an import of a module has the word of a part above it."""
    return sorted(
        {
            f"{module} says {word}"
            for module, text in texts.items()
            for node in nodes_of(text)
            for word in PARTS_ABOVE
            if word in _words_of(node).lower()
        }
    )


def _words_of(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
            return name
        case ast.Attribute(attr=name) | ast.alias(name=name):
            return name
        case ast.ImportFrom(module=str(name)):
            return name
        case ast.Constant(value=str(text)):
            return text
    return ""


def test_what_is_written_judged_and_reported_knows_neither_claims_nor_calibration() -> None:
    assert parts_named(sources(*WITHOUT_TORCH)) == []


@pytest.mark.parametrize(
    "line",
    [
        "class ClaimsRun: ...",
        "def read_calibration(): ...",
        "from harness.claims import record",
        "template = 'claims.html'",
        "found.calibration = 1",
    ],
)
def test_a_part_above_that_is_named_is_seen(line: str) -> None:
    assert parts_named({"harness.report.x": line})


# Names that stand in several modules for a reason.
SHARED_NAMES = {
    "main": "what a program runs",
    "document": "what a reader of stored files has",
    "QUESTION": "what a question's module has",
    "ARMS": "what a question's module has",
    "REFERENCE": "what a question's module has",
    "PROBE": "what a probe's module has",
    "BACKEND": "what a device's module has",
    "METRICS": "what a probe's module has",
    "SECTION": "what a module of claims has",
    "World": "what a module of claims runs; and the ranks of a run",
    "calibrate": "a command and what it does",
    "compare": "a command and what it does",
    "fit": "a command and what it does",
    "Plan": "of a study, and of a training step",
    "gate": "a command and what it does",
    "pytest_addoption": "what pytest calls in a plugin",
    "pytest_configure": "what pytest calls in a plugin",
    "register": "what a file of a command has",
    "trend": "a command and what it does",
    "Cluster": "a command's choices and their meaning",
}


def names_twice(texts: dict[str, str]) -> dict[str, list[str]]:
    """Return every public name that more than one module defines, with the modules."""
    defined: dict[str, list[str]] = {}
    for module, text in texts.items():
        for node in ast.parse(text).body:
            for name in _defined(node):
                if not name.startswith("_"):
                    defined.setdefault(name, []).append(module)
    return {name: modules for name, modules in defined.items() if len(modules) > 1}


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def test_a_public_name_stands_for_one_thing() -> None:
    assert {
        name: modules for name, modules in names_twice(sources()).items() if name not in SHARED_NAMES
    } == {}


def test_every_name_that_may_stand_twice_does() -> None:
    assert SHARED_NAMES.keys() - names_twice(sources()).keys() == set()


@pytest.mark.parametrize("line", ["def f(): ...", "class f: ...", "f = 1", "f: int = 1"])
def test_a_name_that_two_modules_define_is_seen(line: str) -> None:
    assert names_twice({"harness.a": line, "harness.b": "def f(): ..."}) == {"f": ["harness.a", "harness.b"]}


WORKER = "harness.duel.worker."


def foreign_imports(texts: dict[str, str]) -> list[str]:
    """Return what modules import beside torch, this package and the standard library."""
    return [
        f"{module} imports {name}"
        for module, text in texts.items()
        for name in imports(text)
        if name.split(".")[0] not in {"harness", "torch", *sys.stdlib_module_names}
    ]


def worker_sources() -> dict[str, str]:
    return {name: text for name, text in sources("duel").items() if name.startswith(WORKER)}


def test_what_runs_in_a_side_imports_torch_and_the_standard_library_alone() -> None:
    assert foreign_imports(worker_sources()) == []
    assert len(worker_sources()) > 5


@pytest.mark.parametrize("line", ["import msgspec", "def f():\n    from scipy import stats"])
def test_another_package_in_a_side_is_seen(line: str) -> None:
    assert foreign_imports({f"{WORKER}x": line})


@pytest.mark.process
def test_what_a_side_loads_is_torch_and_the_standard_library_alone() -> None:
    script = (
        "import sys, torch; before = set(sys.modules); import harness.duel.worker.serving;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    printed = printed_anew(script)

    assert set(printed.split()) - sys.stdlib_module_names <= {"harness", "torch", "torch._C"}
