"""What a session of pytest can be asked for, on its command line and in its ini file.

A plugin of its own: where the one that measures is switched off, a project's options still have their names.
"""

from collections.abc import Callable
from typing import Any

import pytest

from harness.setting import options_of

_Reader = Callable[[str], Any]
OPTIONS: dict[str, tuple[_Reader, Any, str]] = {
    # name: (what reads its text, default, what it is); those of a setting are read by the setting
    "models": (str, "", "comma-separated targets, or `all`; by default each question's own choice"),
    **{option: (str, None, shown["meaning"]) for _, option, shown in options_of("pytest")},
    "results": (str, "results", "folder for runs/ and tables/"),
    "rss": (bool, False, "also witness resident memory, in a fresh process for the first arm of each case"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the group `harness`; every option has an ini key."""
    group = parser.getgroup("harness", "autograd-harness")
    for name, (kind, default, meaning) in OPTIONS.items():
        shown = f"{meaning} (default: {default})" if default not in (None, "", False) else meaning
        key = f"harness_{name.replace('-', '_')}"
        if kind is bool:
            group.addoption(f"--harness-{name}", dest=key, action="store_true", default=None, help=shown)
            parser.addini(key, shown, type="bool", default=default)
        else:
            group.addoption(f"--harness-{name}", dest=key, type=kind, default=None, metavar="X", help=shown)
            parser.addini(key, shown, default=None if default is None else str(default))


def option_value(config: pytest.Config, name: str) -> Any:
    """Return what an option was given: on the command line, else in the ini file, else its default."""
    key = f"harness_{name.replace('-', '_')}"
    given = config.getoption(key)
    if given is not None:
        return given
    _, default, _ = OPTIONS[name]
    return config.getini(key) or default


def is_asked(config: pytest.Config) -> bool:
    """Return whether any of these options was given."""
    return any(option_value(config, name) != default for name, (_, default, _) in OPTIONS.items())
