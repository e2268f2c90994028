"""Every command with its arguments and options, from the command line's own definition."""

import inspect
from typing import Any

import typer
from cells import cell, code, table

from harness.commands import COMMANDS, app


def commands_text() -> str:
    """Return a section a command, in the order of `harness --help`."""
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return "\n".join(_section(name, known[name]) for name in COMMANDS)


def _section(name: str, command: Any) -> str:
    shown = [item for item in command.params if not getattr(item, "hidden", False)]
    arguments = [item for item in shown if item.param_type_name == "argument"]
    options = [item for item in shown if item.param_type_name == "option"]
    words = " ".join(_word(item) for item in arguments)
    lines = [
        f"### harness {name}",
        "",
        "```text",
        f"harness {name} [OPTIONS] {words}".rstrip(),
        "```",
        "",
        # \f ends what a terminal shows of a docstring
        inspect.cleandoc(command.help or "").split("\f")[0],
        "",
    ]
    if arguments:
        rows = [(code(_word(item)), cell(getattr(item, "help", "") or "")) for item in arguments]
        lines += [table(("argument", "what"), rows), ""]
    if options:
        rows = [
            (", ".join(code(each) for each in _spellings(item)), cell(item.help or ""), _default(item))
            for item in options
        ]
        lines += [table(("option", "what", "default"), rows), ""]
    return "\n".join(lines)


def _word(argument: Any) -> str:
    word = argument.metavar or argument.name.upper()
    word = word if argument.nargs == 1 or "..." in word else f"{word}..."
    return word if argument.required or word.startswith("[") else f"[{word}]"


def _spellings(option: Any) -> list[str]:
    if option.is_flag:
        return [*option.opts, *option.secondary_opts]
    return [*option.opts[:-1], f"{option.opts[-1]} {option.metavar or option.name.upper()}"]


def _default(option: Any) -> str:
    if callable(option.default) or option.default in (None, "", False, (), []):
        return ""
    return code(option.default)
