"""Options that several commands have: those of a setting, and files."""

import inspect
import os
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from harness.errors import HarnessError
from harness.setting import Setting, options_of


def writable(path: Path | None) -> Path | None:
    """Return a file that a command is to write, once it is seen that it can be.

    Raises:
        HarnessError: its folder cannot be made or written to, or it is a folder itself.
    """
    if path is None or path == Path("-"):
        return path
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir():
        raise HarnessError(f"{path} cannot be written: it is a folder; name a file")
    if not folder.is_dir():
        raise HarnessError(f"{path} cannot be written: {folder} is not a folder")
    if path.exists() and not path.is_file():  # a device or a pipe, which is written through
        if not os.access(path, os.W_OK):
            raise HarnessError(f"{path} cannot be written: permission denied")
        return path
    try:  # rights alone do not tell of a full disk, or of a folder that the kernel makes
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise HarnessError(f"{path} cannot be written: {folder}: {error.strerror}") from error
    return path


def output_file(name: str, meaning: str) -> Any:
    """Return the option of a file that a command writes; one that cannot be is refused at once."""
    return typer.Option(name, metavar="FILE", help=meaning, callback=writable)


Json = Annotated[
    Path | None, output_file("--json", "write JSON to this file; - prints it in place of the text")
]
Html = Annotated[Path | None, output_file("--html", "write a page to this file")]
Markdown = Annotated[Path | None, output_file("--markdown", "write markdown to this file")]
Strict = Annotated[bool, typer.Option("--strict", help="exit with status 3 where a time is undecided")]
Questions = Annotated[
    list[str] | None,
    typer.Option("--question", help="question to put, such as grad_mode or freezing; may be given again"),
]
RunFiles = Annotated[
    list[Path], typer.Argument(metavar="RUN.json|FOLDER...", help="run files, or folders of them")
]
Config = Annotated[
    Path, typer.Option(metavar="FILE", help="file in which \\[tool.harness.gate] stands, a pyproject.toml")
]
Words = Mapping[str, Any]


class BareJson(TyperCommand):
    """A command that prints JSON where `--json` has no file behind it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read a `--json` at the end, or before another option, as `--json -`."""
        words: list[str] = []
        for name, following in pairwise([*args, "--"]):
            words += [name, "-"] if name == "--json" and following.startswith("--") else [name]
        return super().parse_args(ctx, words)


class PatternsAfterTrain(TyperCommand):
    """A command whose flag `--train` may be followed by a pattern of parameters, as in `--train "lora_*"`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read `--train PATTERN` as `--trainable PATTERN`; a pattern has one of the characters * ? [."""
        names = [
            "--trainable" if name == "--train" and set("*?[") & set(following) else name
            for name, following in pairwise([*args, ""])
        ]
        return super().parse_args(ctx, names)


def shown(text: str) -> str:
    """Return a help text in which brackets are shown as they are, not read as markup."""
    return text.replace("[", "\\[")


def setting_of(words: Words) -> Setting:
    """Return the setting that a command's options make.

    Raises:
        SettingError: one cannot be had.
    """
    return Setting.of_words(words)


def with_setting(door: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of every setting of a door; it gets what they gave as `words`, by field."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**given: Any) -> None:
            command(words=_words(door, given), **given)

        own = [each for each in inspect.signature(command).parameters.values() if each.name != "words"]
        run.__doc__, run.__name__, run.__module__ = command.__doc__, command.__name__, command.__module__
        parameters = [
            each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in [*own, *_parameters(door)]
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _parameters(door: str) -> list[inspect.Parameter]:
    """Return a parameter of each setting; its value is a word, which the setting reads alike everywhere."""
    made = []
    for field, option, meta in options_of(door):
        default = meta["default"]
        shows = default not in (None, "", (), True, False)
        meaning = meta["meaning"] + (f" (default: {default})" if shows else "")
        kind: Any = str | None
        names, more = [f"--{option}"], {"metavar": meta["metavar"]}
        if field == "mode":
            kind, names, more = bool | None, ["--train/--eval"], {}
        elif isinstance(default, bool):
            names = [f"--{option}/--no-{option}" if default else f"--{option}"]
            kind, more = bool | None, {}
        elif field == "trainable":
            kind = list[str] | None
        annotation = Annotated[kind, typer.Option(*names, help=shown(meaning), **more)]
        made.append(
            inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        )
    return made


def _words(door: str, given: dict[str, Any]) -> dict[str, Any]:
    words = {field: given.pop(field) for field, _, _ in options_of(door)}
    if words.get("mode") is not None:
        words["mode"] = "train" if words["mode"] else "eval"
    return words
