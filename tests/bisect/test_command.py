"""`harness bisect` on the command line: what it refuses, in one line and with exit status 2."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness import HarnessError
from harness.commands import app


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nets:build"], "a search over commits has three arguments; write harness bisect GOOD BAD TARGET"),
        (["a", "b", "nets:build", "--metric", "time"], "no metric 'time'; there are saved, peak"),
        (["a", "b", "nets:build", "--torch", "2.8.0..2.13.0"], "with --torch there is one argument"),
        (["nets:build", "--torch", "2.8.0..2.13.0", "--state", "x"], "keeps nothing"),
        (["nets:build", "--torch", "2.8.0..2.13.0", "--tox", "there"], "no environment in there has torch"),
        (["a", "b", "nets:build", "--batch-size", "1,2"], "a search has one batch size; give 1 alone"),
        (["a", "b", "nets:build", "--dtype", "float31"], "no dtype 'float31'"),
        (["a", "b", "nets:build"], "is in no git repository"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)

    refused = CliRunner().invoke(app, ["bisect", *words])

    assert isinstance(refused.exception, HarnessError)
    assert said in str(refused.exception)


@pytest.mark.process
def test_a_step_needs_torch_and_the_standard_library_alone() -> None:
    script = (
        "import sys, torch; before = set(sys.modules);"
        "import harness.limiting.block, harness.duel.worker.strays, harness.bisect.step, harness.setting;"
        "import harness.workload.call, harness.workload.sources;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    run = subprocess.run(  # noqa: S603 (this interpreter)
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert set(run.stdout.split()) - sys.stdlib_module_names <= {"harness", "torch"}
