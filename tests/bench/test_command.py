"""The packages of `bench` that are commands have their files as options, in the same words."""

from importlib import import_module

import pytest
import typer
from typer.testing import CliRunner


@pytest.mark.parametrize("package", ["atlas", "duels", "fits", "peers"])
def test_every_package_has_the_three_files_in_the_same_words(package: str) -> None:
    app = typer.Typer()
    app.command()(import_module(f"bench.{package}.__main__").main)
    text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "300"}).stdout

    for option, words in (
        ("--json", "keep what is measured in this file"),
        ("--markdown", "write the tables to this file"),
        ("--from", "measure nothing; write the tables of this file"),
    ):
        (line,) = (line for line in text.splitlines() if f" {option} " in line)
        assert words in line
