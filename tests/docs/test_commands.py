"""Every command of the documents is run, in one folder a document, or is listed with why it is not."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import ROOT, Block, blocks_of, commands_in, documents, name_of, tokens_of
from pytest_pages import recorded
from runs import run as run_of
from typer.main import get_command

from harness.commands import app
from harness.record.codec import encode

LANGUAGES = {"sh", "python", "text", "toml", "json", "yaml", "{eval-rst}"}
NETWORK = "installs from the network; tests/test_packaging.py installs the wheel and runs it"
CUDA = "needs a GPU; tests/device has what is run on one"
MINUTES = "takes minutes on this project's own benchmarks; `.ci/run` asks them all"
TORCHES = "needs environments with two versions of torch, of gigabytes each"

# what is not run: the beginning of a command, and why
NOT_RUN = {
    "python3 -m venv": NETWORK,
    ". .venv/bin/activate": NETWORK,
    "pip install": NETWORK,
    "uv tool run": NETWORK,
    "pipx run": NETWORK,
    "pytest bench": MINUTES,
    "harness gate results/runs/RUN.json": "stands for any run; the tutorial's gate is run",
    "harness measure hf:gpt2 --device cuda": CUDA,
    "harness measure my_models:build --device cuda": CUDA,
    "torchrun --nproc-per-node 4": CUDA,
    "torchrun --nnodes 2": "needs two nodes",
    "srun torchrun": "needs Slurm",
    "harness fleet": "needs Slurm; tests/test_fleet.py runs a fleet on this machine",
    "tox -e": TORCHES,
    "harness duel --tox": TORCHES,
    "harness bisect --torch": TORCHES,
}
# what stands in for something as slow as it is large
SMALLER = (
    ("hf:bert-base", "hf:bert-tiny"),
    ("package.module:factory", "my_models:build"),
    ("harness fit transformer", "harness fit mlp-relu"),
    ('"lora_*"', '"*.layers.2.*"'),
    ("--time 120", "--time 2"),
    ("HEAD~8", "HEAD~2"),
)
# where a command has something to tell: the third commit of the project is wider than the second
STATUS = {
    "harness duel HEAD~1 HEAD my_models:build --budget 0": 1,
}
# whose blocks of text are what the commands before them print
SHOWN = ("README.md", "docs/tutorial.md")
# what such a block shows and a command need not print, by its beginning, and why
CLOCK = "which of several plans is the quickest, a clock decides; test_tutorial.py runs the one that is shown"
NOT_PRINTED = {"fits 4MiB": CLOCK, "    from functools import partial": CLOCK}
BY_ITSELF = ("README.zh-CN.md", "docs/ci.md")  # the same blocks as README's; tests/test_ci_recipes.py

WITH_COMMANDS = tuple(
    document
    for document in documents()
    if name_of(document) not in BY_ITSELF and any(block.language == "sh" for block in blocks_of(document))
)


def reason(command: str) -> str | None:
    """Return why a command is not run; None where it is."""
    return next((why for start, why in NOT_RUN.items() if command.startswith(start)), None)


def all_commands() -> list[str]:
    """Return the commands of all blocks, and those of the harness that stand in a sentence."""
    in_blocks = [
        command
        for document in documents()
        for block in blocks_of(document)
        if block.language == "sh"
        for command in commands_in(block.text)
    ]
    return [*in_blocks, *(each for document in documents() for each in in_sentences(document))]


def in_sentences(document: Path) -> list[str]:
    inner = [child for token in tokens_of(document) for child in token.children or ()]
    texts = [child.content for child in inner if child.type == "code_inline"]
    return [text for text in texts if re.match(r"harness (?!COMMAND)[a-z]+ ", text)]


@pytest.mark.parametrize("document", documents(), ids=name_of)
def test_every_block_says_what_it_holds(document: Path) -> None:
    assert {block.language for block in blocks_of(document)} <= LANGUAGES


def test_every_reason_is_of_a_command_that_is_there() -> None:
    commands = all_commands()

    assert [start for start in NOT_RUN if not any(each.startswith(start) for each in commands)] == []
    assert [line for line in STATUS if line not in commands] == []
    shown = [block for name in SHOWN for block in blocks_of(ROOT / name) if not is_printed(block)]
    assert len(shown) == len(NOT_PRINTED)
    assert [old for old, _ in SMALLER if not any(old in each for each in commands)] == []


@pytest.mark.parametrize("command", sorted({each for each in all_commands() if "harness " in each}))
def test_the_options_of_a_command_are_ones_that_it_has(command: str) -> None:
    named = re.search(r"(?:^|-m )harness (\w+)(.*)", command)
    if named is None:
        assert command.startswith(("uv ", "pipx ", "pip "))
        return
    params = get_command(app).commands[named[1]].params  # type: ignore[attr-defined]
    known = {option for item in params for option in (*item.opts, *item.secondary_opts)}
    known |= {"--train"} & {option.removesuffix("able") for option in known}  # with a pattern

    assert set(re.findall(r"(?<!\S)--[a-z-]+", re.sub(r"'.*?'", "", named[2]))) <= known


def test_the_options_of_pytest_are_ones_that_the_plugins_have() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in documents())
    options = recorded().options
    used = set(re.findall(r"--harness-[a-z-]+[a-z]", text))

    assert used
    assert [option for option in used if option not in options] == []


def git(folder: Path, *arguments: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607


def files_of(document: Path) -> dict[str, str]:
    return {block.file: block.text for block in blocks_of(document) if block.file}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository of three commits of the tutorial's model, wider in the last, and two interpreters."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".gitignore").write_text("base/\nhead/\n")
    files = files_of(ROOT / "docs" / "tutorial.md")
    for number, width in enumerate((64, 64, 96)):
        for name, text in files.items():
            (folder / name).write_text(text.replace("4 * width", f"{width} * width // 16"))
        (folder / "number").write_text(str(number))
        if number == 0:
            git(folder, "init", "-qb", "main")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", "a commit")
    for name, text in files.items():
        (folder / name).write_text(text)
    for side in ("base", "head"):
        program = folder / side / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        program.chmod(0o755)
        (folder / f"{side}.json").write_bytes(encode(run_of()))
    records = folder / "results" / "records"
    records.mkdir(parents=True)
    shutil.copy(ROOT / "results" / "records" / "duel-torch20-torch213.json", records)
    return folder


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (a document's own line)
        ["bash", "--noprofile", "--norc", "-c", command],  # noqa: S607
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTEST_ADDOPTS": "-p no:cacheprovider",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def smaller(command: str) -> str:
    for old, new in SMALLER:
        command = command.replace(old, new)
    return command


def is_printed(block: Block) -> bool:
    return not block.text.startswith(tuple(NOT_PRINTED))


def steps(document: Path) -> Iterator[tuple[Block, str]]:
    """Yield what is done with a document, in order: its files, its commands, and what they print."""
    for block in blocks_of(document):
        if block.file:
            yield block, ""
        elif block.language == "sh":
            for command in commands_in(block.text):
                if reason(command) is None:
                    yield block, command
        elif block.language == "text" and name_of(document) in SHOWN and is_printed(block):
            yield block, ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "document",
    [document for document in WITH_COMMANDS if any(command for _, command in steps(document))],
    ids=name_of,
)
def test_the_commands_of_a_document_run(document: Path, project: Path) -> None:
    printed = ""
    for block, command in steps(document):
        if block.file:
            (project / block.file).write_text(block.text)
        elif command:
            done = run(project, smaller(command))
            printed += done.stdout
            assert done.returncode == STATUS.get(command, 0), f"{command}\n{done.stdout}{done.stderr}"
        else:
            assert [part for part in block.text.split("\n\n") if part not in printed] == []
