"""Python for a test to start, where its subject is not the start itself."""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import fork_client
import fork_server

from harness.processes.folder import own_folder


@dataclass(frozen=True, slots=True)
class _Server:
    """The process that forks.

    Attributes:
        program: the path of a program that asks it to.
        process: itself.
        lifeline: a pipe's end, at whose close it ends.
    """

    program: str
    process: "subprocess.Popen[bytes]"
    lifeline: int


def quick_python() -> str:
    """Return the path of a program that stands for Python; the first call starts the server of its forks.

    The first start waits for the server to import torch; those after it take some hundredths of a second.
    """
    return _server().program if sys.platform == "linux" else sys.executable


def end_server() -> None:
    """End the server where there is one."""
    if _server.cache_info().currsize:
        os.close(_server().lifeline)
        _server().process.wait()
        _server.cache_clear()


@cache
def _server() -> _Server:
    folder = own_folder() / "quick"
    folder.mkdir()
    program = folder / "python"
    program.write_text(f"#!{sys.executable} -IS\n{Path(fork_client.__file__).read_text(encoding='utf-8')}")
    program.chmod(0o755)
    ends, lifeline = os.pipe()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        files = (listener.fileno(), ends)
        process = subprocess.Popen(  # noqa: S603 (this interpreter, a file of this folder)
            [sys.executable, fork_server.__file__, *map(str, files)],
            pass_fds=files,
            stdin=subprocess.DEVNULL,
            env={**environment, **dict([fork_server.HASH_SEED])},
        )
    os.close(ends)
    return _Server(str(program), process, lifeline)
