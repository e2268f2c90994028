"""Every option, ini key, marker and fixture of the plugins, by the hooks that pytest itself calls."""

import inspect
import re
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from typing import Any

from cells import cell, code, table

FIXTURE = "harness_measure"


class Recorder:
    """Stands for pytest's parser, and for its group of options, and keeps what it is told."""

    def __init__(self) -> None:
        self.options: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, tuple[str, dict[str, Any]]] = {}

    def getgroup(self, *_: str) -> "Recorder":
        """Return what takes the options of a group."""
        return self

    def addoption(self, name: str, **words: Any) -> None:
        """Keep an option."""
        self.options[name] = words

    def addini(self, name: str, meaning: str, **words: Any) -> None:
        """Keep an ini key."""
        self.keys[name] = (meaning, words)


def plugins() -> list[Any]:
    """Return the modules that the package registers with pytest."""
    return [each.load() for each in entry_points(group="pytest11") if each.value.startswith("harness.")]


def recorded() -> Recorder:
    """Return what the plugins add to pytest's parser."""
    recorder = Recorder()
    for plugin in plugins():
        if hasattr(plugin, "pytest_addoption"):
            plugin.pytest_addoption(recorder)
    return recorder


def markers() -> dict[str, str]:
    """Return the plugins' markers, as `pytest --markers` lists them, with what each means."""
    with tempfile.TemporaryDirectory() as folder:
        text = subprocess.run(
            [sys.executable, "-m", "pytest", "--markers", "-p", "no:cacheprovider"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    ours = re.findall(r"^@pytest\.mark\.((?:harness|autograd)_.*?): (.*)$", text, re.MULTILINE)
    return dict(ours)


def pytest_text() -> str:
    """Return the tables of options and ini keys, of markers, and the fixture."""
    from harness.pytest_plugin import harness_measure

    recorder = recorded()
    options = [
        (code(_spelling(name, words)), cell(words.get("help") or ""))
        for name, words in recorder.options.items()
    ]
    keys = [
        (code(name), cell(meaning), code(words.get("default") or ""))
        for name, (meaning, words) in recorder.keys.items()
    ]
    marked = [(code(f"@pytest.mark.{call}"), cell(meaning)) for call, meaning in markers().items()]
    return "\n".join(
        [
            "## Options of pytest\n",
            table(("option", "what"), sorted(options)),
            "## Ini keys of pytest\n",
            table(("key", "what", "default"), sorted(keys)),
            "## Markers of pytest\n",
            table(("marker", "what"), sorted(marked)),
            f"## Fixture of pytest\n\n`{FIXTURE}`: {inspect.getdoc(harness_measure)}\n",
        ]
    )


def _spelling(name: str, words: dict[str, Any]) -> str:
    if words.get("action") == "store_true":
        return name
    value = words.get("metavar") or "X"
    return f"{name}[={value}]" if words.get("nargs") == "?" else f"{name} {value}"
