"""A project's pyproject.toml, parsed."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from harness.record.codec import UnreadableError


def load_pyproject(path: Path) -> Mapping[str, object]:
    """Read a pyproject.toml; a file that is not there holds nothing.

    Raises:
        UnreadableError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path} is no TOML: {error}") from error
