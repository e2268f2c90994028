"""A worker as the referee sees it: a process, two pipes, and whatever it printed."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO

import harness
from harness.duel.sides import SideSource
from harness.duel.worker import protocol
from harness.duel.worker.protocol import Message
from harness.errors import HarnessError

START_S = 180  # to import torch from a cold disk
ANSWER_S = 600  # for everything else: a case's model may take minutes to build
_GONE_S = 10  # between a worker's last word and its end


class DuelError(HarnessError):
    """A duel that cannot be held, in one sentence."""


class LostError(Exception):
    """A worker that ended, or no longer answers, in the middle of a restart."""

    def __init__(self, side: str, reason: str) -> None:
        super().__init__(f"{side} {reason}")
        self.side = side
        self.reason = reason


@dataclass(slots=True)
class Worker:
    """One process of one side.

    Attributes:
        side: where it runs.
        process: the process that was started, and with "fork" the one that makes copies of itself.
        reads: its answers.
        writes: its requests.
        out: what it printed to standard output.
        err: what it printed to standard error.
        pid: of the process that serves; with "fork" and no copy, of the process that was started.
        has_aslr_off: whether its seed decides its addresses; known once it was met.
        is_gone: whether the process that was started has ended.
    """

    side: SideSource
    process: "subprocess.Popen[bytes]"
    reads: int
    writes: IO[bytes]
    out: Path
    err: Path
    pid: int = 0
    has_aslr_off: bool = False
    is_gone: bool = False
    _rest: bytes = field(default=b"")

    def ask(self, do: str, **fields: object) -> Message:
        """Send a request and return the answer."""
        self.send(do, **fields)
        return self.answer()

    def send(self, do: str, **fields: object) -> None:
        """Send a request.

        Raises:
            LostError: the worker is gone.
        """
        try:
            protocol.say(self.writes, {"do": do, **fields})
        except BrokenPipeError:
            raise self._lost() from None

    def answer(self, within: float = ANSWER_S) -> Message:
        """Return the next answer; waiting for it takes no processor time.

        Raises:
            LostError: the worker ended, or did not answer in time.
        """
        ends = time.monotonic() + within
        with selectors.DefaultSelector() as selector:
            selector.register(self.reads, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(max(0.0, ends - time.monotonic())):
                    self.kill()
                    raise LostError(self.side.name, f"did not answer within {within:g} s")
                chunk = os.read(self.reads, 1 << 16)
                if not chunk:
                    raise self._lost()
                self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            message = protocol.decode_message(line)
        except ValueError:
            raise DuelError(
                f"{self.side.name} ({self.side.given}) sent {line[:80]!r}, which is not a line of"
                " the protocol"
            ) from None
        if "ended" in message:  # the copy that served is gone, and the process that made it lives on
            self.pid = self.process.pid
            raise LostError(self.side.name, _ended(message["ended"]))
        return message

    def meet(self) -> None:
        """Wait for the worker's hello.

        Raises:
            DuelError: the interpreter cannot be used; the sentence says why.
            LostError: it ended, or did not answer in time.
        """
        hello = self.answer(START_S)
        if "refused" in hello:
            raise DuelError(f"{self.side.name} ({self.side.given}): {hello['refused']}")
        version = hello.get("hello", {}).get("protocol", hello.get("template"))
        if version != protocol.VERSION:
            raise DuelError(
                f"{self.side.name} ({self.side.given}) speaks version {version} of the protocol, and version"
                f" {protocol.VERSION} is spoken here; both sides have to take their worker from"
                f" {Path(harness.__file__).parent}"
            )
        self.pid = hello.get("hello", {}).get("pid", self.process.pid)
        self.has_aslr_off = hello.get("hello", {}).get("aslr_off", False)

    def kill(self) -> None:
        """End the process that serves, at once."""
        with suppress(ProcessLookupError):  # it ended by itself
            os.kill(self.pid or self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process, whatever it is doing, and give its pipes back."""
        with suppress(BrokenPipeError):  # it is gone already
            self.writes.close()
        self.process.kill()
        self.process.wait()
        os.close(self.reads)

    def finish(self) -> None:
        """Wait for a worker that was told bye."""
        with suppress(subprocess.TimeoutExpired):  # it is killed when it is closed
            self.process.wait(_GONE_S)

    def printed(self) -> str:
        """Return the first line that it printed to standard output."""
        return _line(self.out, first=True)

    def _lost(self) -> LostError:
        self.is_gone = True
        try:
            status = self.process.wait(_GONE_S)
        except subprocess.TimeoutExpired:
            return LostError(self.side.name, "closed its pipe")
        said = _line(self.err)
        return LostError(self.side.name, _ended(status) + (f": {said}" if said else ""))


def _ended(status: int) -> str:
    """Say how a process ended.

    >>> _ended(-9), _ended(1)
    ('was ended by SIGKILL', 'ended with status 1')
    """
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _line(path: Path, *, first: bool = False) -> str:
    with path.open("rb") as file:
        size = path.stat().st_size
        file.seek(0 if first else max(0, size - 4096))
        lines = [line for line in file.read(4096).decode(errors="replace").splitlines() if line.strip()]
    return lines[0 if first else -1].strip() if lines else ""


def start_worker(side: SideSource, folder: Path, *, method: str, threads: int, seed: int) -> Worker:
    """Start a process in a side's interpreter and working tree, and do not wait for it.

    Args:
        side: where.
        folder: for temporary files, its own and what it prints.
        method: "spawn", or "fork" for a process that makes copies of itself.
        threads: intra-op; 0 for torch's own choice.
        seed: of its memory layout and its hashes, 32 bits.

    Raises:
        DuelError: the interpreter cannot be started.
    """
    requests, answers = os.pipe(), os.pipe()
    mark = f"{side.name}-{Random().getrandbits(64):016x}"
    out, err = folder / f"{mark}.out", folder / f"{mark}.err"
    scripts = Path(__file__).parent / "worker"
    command = [
        str(side.python),
        str(scripts / "aslr.py"),
        str(seed),
        str(scripts / "start.py"),
        *map(str, (requests[0], answers[1], os.getpid(), method, threads)),
    ]
    try:
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603 (the side's interpreter, this package's script)
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=side.tree,
                env=_environment(folder),
                pass_fds=(requests[0], answers[1]),
            )
    except OSError as error:
        for end in (*requests, *answers):
            os.close(end)
        raise DuelError(
            f"{side.name} ({side.given}): {side.python} cannot be started: {error.strerror or error}"
        ) from error
    os.close(requests[0])
    os.close(answers[1])
    return Worker(side, process, answers[0], os.fdopen(requests[1], "wb"), out, err)


def _environment(folder: Path) -> Mapping[str, str]:
    # `python -m harness` and virtual environments leave nothing here that would bend the other side.
    variables = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "VIRTUAL_ENV"}
    }
    return {**variables, "TMPDIR": str(folder)}
