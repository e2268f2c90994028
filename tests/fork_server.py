"""Starts of Python without the seconds that torch takes: a process that has imported it, and forks.

To the program that a test starts, a fork is what a real start would be: arguments, environment, folder, open
files, exit status. A start that asks for what a fork cannot give is refused; it then is a real one.
"""

import atexit
import fcntl
import gc
import importlib
import io
import marshal
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NoReturn

# What takes long, and is the same for all: never the harness, of which a test may start another copy, and no
# plugin of pytest, which has to import these itself to rewrite their assertions.
MODULES = (
    "torch._dynamo",  # which the first optimizer of a process imports
    "torch.distributed.launcher.api",
    "torch.distributed.tensor",
    "pytest",
    "typer.main",
    "rich.table",
    "msgspec",
    "scipy.special",
)
# Beginnings of variables that are read when Python starts, or torch is imported, which is over in a fork.
READ_AT_START = (
    *("PYTHON", "OMP_", "MKL_", "KMP_", "GOMP_", "OPENBLAS_", "ATEN_", "MALLOC_", "GLIBC_", "LD_"),
    *("LANG", "LC_", "TZ", "CUDA_", "TORCH_", "TORCHDYNAMO_", "TORCHINDUCTOR_", "NPY_"),
)
# Of these, what a fork heeds, what is read later, and what importing torch itself sets.
READ_LATER = (
    *("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"),
    *("PYTHON_EXEC", "TORCH_NCCL_", "TORCHINDUCTOR_CACHE_DIR"),
)
HASH_SEED = ("PYTHONHASHSEED", "0")  # of the server, which suits whoever wants this one, or any
HEADER_BYTES = 8
MOST_FILES = 64


@dataclass(frozen=True, slots=True)
class Start:
    """What a program is started with.

    Attributes:
        program: the path by which it was started, its `sys.executable`.
        arguments: `-u` or not; `-m MODULE`, `-c CODE` or a file; then what the program is given.
        folder: in which it runs.
        environment: its variables.
        files: the numbers of its open files.
    """

    program: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]

    @property
    def is_unbuffered(self) -> bool:
        """Whether what it prints is written at once."""
        return self.arguments[:1] == ["-u"] or bool(self.environment.get("PYTHONUNBUFFERED"))

    @property
    def words(self) -> list[str]:
        """The arguments without the interpreter's own; `-mNAME` is `-m NAME`."""
        words = self.arguments[self.arguments[:1] == ["-u"] :]
        joined = words[0] if words else ""
        return ["-m", joined[2:], *words[1:]] if joined[:2] == "-m" and joined[2:] else words

    @property
    def path(self) -> list[str]:
        """What comes before the packages on the module path."""
        first = {"-m": self.folder, "-c": ""}.get(self.words[0])
        if first is None:
            first = str((Path(self.folder) / self.words[0]).resolve().parent)
        folders = self.environment.get("PYTHONPATH", "").split(os.pathsep)
        return [first, *(str(Path(self.folder, each)) for each in folders if each)]


def why_real(start: Start, own: dict[str, str], loaded: set[str]) -> str:
    """Return why a start has to be a real one; "" where a fork will do.

    Args:
        start: what is asked for.
        own: the variables that this process was started with.
        loaded: the names of the modules and packages that it has imported.
    """
    words = start.words
    if not words or (words[0].startswith("-") and (words[0] not in {"-m", "-c"} or len(words) == 1)):
        return "an option of the interpreter"
    if read_at_start(start.environment) != read_at_start(own):
        return "a variable that is read at the start"
    for folder in start.path:
        for path in Path(start.folder, folder).glob("*"):
            is_module = path.suffix == ".py" or (path / "__init__.py").exists()
            if is_module and path.stem in {*loaded, "sitecustomize", "usercustomize"}:
                return f"a {path.stem} of its own"
    return ""


def read_at_start(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables that count when Python starts, or torch is imported."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_START) and not name.startswith(READ_LATER) and (name, value) != HASH_SEED
    }


class Server:
    """Forks for every start that is asked for.

    Attributes:
        own: the variables that this process was started with.
        loaded: the names of the modules and packages that it has imported.
    """

    def __init__(self, listener: socket.socket, lifeline: int) -> None:
        self.own = dict(os.environ)
        self.loaded = {name.partition(".")[0] for name in sys.modules}
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(lifeline, selectors.EVENT_READ)
        self._lifeline = lifeline

    def serve(self) -> tuple[Start, list[int]]:
        """Answer until the tests end; return, in a fork, what it is to be, and its open files."""
        while True:
            for key, _ in self._selector.select():
                if self._selector.get_map().get(key.fd) != key:  # a fork and who asked for it ended together
                    continue
                if key.fd == self._lifeline:
                    os._exit(0)
                if key.fileobj is self._listener:
                    if fork := self._answer(self._listener.accept()[0]):
                        return fork
                else:
                    self._end(*key.data)

    def _answer(self, asks: socket.socket) -> tuple[Start, list[int]] | None:
        start, files = received(asks)
        pid = 0
        if not why_real(start, self.own, self.loaded):
            pid = os.fork()
            if pid == 0:
                self._close()
                asks.close()
                return start, files
            # Whichever comes first: the fork ends, or who asked for it.
            process = os.pidfd_open(pid)
            for file in (process, asks):
                self._selector.register(file, selectors.EVENT_READ, (pid, process, asks))
        for file in files:
            os.close(file)
        asks.sendall(pid.to_bytes(HEADER_BYTES))
        if pid == 0:
            asks.close()
        return None

    def _close(self) -> None:
        """Close what is the server's; an object that closed it later would close another's file."""
        for key in [*self._selector.get_map().values()]:
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            else:
                os.close(key.fd)
        self._selector.close()

    def _end(self, pid: int, process: int, asks: socket.socket) -> None:
        os.kill(pid, signal.SIGKILL)  # where it has ended, it waits to be buried, and is not told
        _, status = os.waitpid(pid, 0)
        with suppress(BrokenPipeError):
            asks.sendall(os.waitstatus_to_exitcode(status).to_bytes(HEADER_BYTES, signed=True))
        for file in (process, asks):
            self._selector.unregister(file)
        os.close(process)
        asks.close()


def received(asks: socket.socket) -> tuple[Start, list[int]]:
    """Return what is asked for, and the files that the start has, in the order of their numbers."""
    header, files, _, _ = socket.recv_fds(asks, HEADER_BYTES, MOST_FILES)
    with asks.makefile("rb") as reads:
        return Start(*marshal.loads(reads.read(int.from_bytes(header)))), files  # noqa: S302 (of this folder's program)


def become(start: Start, files: list[int], packages: list[str]) -> None:
    """Make a fork what a real start is before its program runs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    above = 1 + max([*start.files, *files])  # where no file is in the way of another
    moved = [fcntl.fcntl(file, fcntl.F_DUPFD, above) for file in files]
    for number, file in zip(start.files, moved, strict=True):
        os.dup2(file, number)
    for number in {*files, *moved} - {*start.files}:
        os.close(number)
    os.chdir(start.folder)
    os.environ.clear()
    os.environ.update(start.environment)
    sys.executable, sys.path[:] = start.program, [*start.path, *packages]
    sys.path_importer_cache.clear()
    sys.dont_write_bytecode = bool(start.environment.get("PYTHONDONTWRITEBYTECODE"))
    tempfile.tempdir = None  # as TMPDIR has it now
    if start.is_unbuffered:
        sys.stdout = sys.__stdout__ = _unbuffered(1, sys.stdout.errors)
        sys.stderr = sys.__stderr__ = _unbuffered(2, sys.stderr.errors)
    sys.excepthook = _without_this_file
    gc.unfreeze()


def _unbuffered(number: int, errors: str | None) -> io.TextIOWrapper:
    raw: Any = io.FileIO(number, "w", closefd=False)
    return io.TextIOWrapper(raw, errors=errors, write_through=True)


def _without_this_file(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


def run(words: list[str]) -> None:
    """Run a program as the interpreter does."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    match words:
        case ["-m", module, *_]:
            sys.argv = words[1:]
            runpy._run_module_as_main(module)  # type: ignore[attr-defined]  # what -m itself calls
        case ["-c", code, *rest]:
            sys.argv = ["-c", *rest]
            exec(compile(code, "<string>", "exec"), main.__dict__)  # noqa: S102 (what it was started with)
        case [file, *_]:
            sys.argv = words
            main.__file__ = str(Path(file).absolute())
            exec(compile(Path(file).read_bytes(), main.__file__, "exec"), main.__dict__)  # noqa: S102 (likewise)


def run_to_end(words: list[str]) -> NoReturn:
    """Run a program and end as the interpreter ends, without taking apart all that was imported: 1 s."""
    status, is_interrupted = 0, False
    try:
        run(words)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201 (as the interpreter has it)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:  # noqa: BLE001 (whatever a program ends with)
        sys.excepthook(type(error), error, error.__traceback__)
        status, is_interrupted = 1, isinstance(error, KeyboardInterrupt)
    # What the interpreter itself calls; neither has a public name.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = 120  # as the interpreter has it
    if is_interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status & 0xFF)


def main() -> None:
    """Import, listen, and go on as what a fork is to be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that of the tests, which end it themselves
    gc.disable()
    for name in MODULES:
        importlib.import_module(name)
    gc.enable()
    gc.collect()
    gc.freeze()  # else the first collection in every fork copies all that was imported
    assert len(os.listdir("/proc/self/task")) == 1, "a fork has none of the threads of its parent"  # noqa: PTH208
    start, files = Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])).serve()
    become(start, files, sys.path[1:])
    run_to_end(start.words)


if __name__ == "__main__":
    main()
