"""Where a forward pass was called from: the line, the test around it, and whether a call still runs."""

import sys
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType

_GENERATORS = 0x20 | 0x80 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
_TEST_FOLDERS = frozenset({"test", "tests", "testing", "unittests"})
# What calls tests, fixtures and threads: above it nothing is the suite's own.
_RUNNERS = ("_pytest", "pluggy", "unittest", "threading", "concurrent", "pytest_asyncio", "anyio")
_LIBRARIES = tuple(
    sorted({sysconfig.get_path(name) for name in ("purelib", "platlib")}, key=len, reverse=True)
)
_OWN = str(Path(__file__).parent) + "/"
_STDLIB = sysconfig.get_path("stdlib")


@dataclass(frozen=True, slots=True)
class Standing:
    """One frame at one moment; the frame itself is not held, for it would hold what its function holds."""

    id: int
    code: CodeType
    instruction: int

    @classmethod
    def of(cls, frame: FrameType) -> "Standing":
        """Return where a frame stands now."""
        return cls(id(frame), frame.f_code, frame.f_lasti)


@dataclass(frozen=True, slots=True)
class CallSite:
    """Where a module was called.

    Attributes:
        file: as Python knows it.
        line: of the call.
        function: qualified name of what the call stands in.
        owner: the frame that the call stands in.
        in_test_code: the call stands in a test's file.
        in_test_function: the call stands in the function that pytest called.
        in_generator: what calls the module, or calls that, is a generator or a coroutine.
        caller: the innermost frame of test code, or the outermost of the thread.
    """

    file: str
    line: int
    function: str
    owner: Standing
    in_test_code: bool
    in_test_function: bool
    in_generator: bool
    caller: Standing


@lru_cache(maxsize=4096)
def is_test_code(file: str, root: str) -> bool:
    """Tell whether a file holds tests or what only tests use, by its name and its folders below the root.

    >>> is_test_code("/repo/tests/helpers.py", "/repo"), is_test_code("/repo/src/test.py", "/repo")
    (True, False)
    """
    if file.startswith("<"):
        return file.startswith("<doctest")
    path = Path(file)
    if path.name == "conftest.py" or path.stem.startswith("test_") or path.stem.endswith("_test"):
        return True
    base = next((base for base in (root, *_LIBRARIES) if file.startswith(base + "/")), "")
    return bool(base) and not _TEST_FOLDERS.isdisjoint(path.relative_to(base).parts[:-1])


@lru_cache(maxsize=4096)
def _is_between(file: str, folder: str) -> bool:
    return file.startswith((folder, _OWN))


@lru_cache(maxsize=4096)
def is_runner(file: str) -> bool:
    """Tell whether a file is part of what runs tests or threads."""
    for base in (*_LIBRARIES, _STDLIB):
        if file.startswith(base + "/"):
            first = file[len(base) + 1 :].partition("/")[0].removesuffix(".py")
            return first in _RUNNERS
    return False


def find_call_site(start: FrameType, torch_folder: str, root: str) -> CallSite | None:
    """Find what called a module, from a frame inside torch; None where it is torch's own doing.

    A checkpoint that computes a region anew calls modules while a backward pass runs; that is none of the
    suite's calls.
    """
    frame: FrameType | None = start
    while frame is not None and _is_between(frame.f_code.co_filename, torch_folder):
        if frame.f_code.co_name in {"recompute_fn", "unpack_hook"}:
            return None
        frame = frame.f_back
    if frame is None or is_runner(frame.f_code.co_filename):
        return None
    owner = frame
    in_generator = False
    caller = frame
    while not is_test_code(frame.f_code.co_filename, root):
        in_generator |= bool(frame.f_code.co_flags & _GENERATORS)
        caller = frame
        following = frame.f_back
        if following is None or is_runner(following.f_code.co_filename):
            if following is not None:
                caller = following  # as long as a thread runs, what runs it stands where it stood
            break
        frame = following
    else:
        caller = frame
        in_generator |= bool(frame.f_code.co_flags & _GENERATORS) and frame is owner
    above = owner.f_back
    code = owner.f_code
    return CallSite(
        file=code.co_filename,
        line=owner.f_lineno,
        function=code.co_qualname,
        owner=Standing.of(owner),
        in_test_code=is_test_code(code.co_filename, root),
        in_test_function=above is None or is_runner(above.f_code.co_filename),
        in_generator=in_generator,
        caller=Standing.of(caller),
    )


def is_standing(where: Standing) -> bool:
    """Tell whether a frame runs in this thread, and stands at the same instruction."""
    return _found(where, same_instruction=True)


def is_running(where: Standing) -> bool:
    """Tell whether a frame runs in this thread, wherever it stands."""
    return _found(where, same_instruction=False)


def _found(where: Standing, *, same_instruction: bool) -> bool:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 (inspect.currentframe is the same function)
    while frame is not None:
        if id(frame) == where.id and frame.f_code is where.code:
            return not same_instruction or frame.f_lasti == where.instruction
        frame = frame.f_back
    return False
