"""A temporary folder that is removed whatever happens to the process that made it.

A small process of its own removes it: it waits for the end of a pipe that the maker holds, which comes when
that one ends, also when it is killed.
"""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Arguments: the folder, and a repository whose working trees were in it, or "". Processes that are just
# ending may still write.
_CLEAN = """
cat > /dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" && [ ! -e "$1" ] && break
    sleep 0.2
done
if [ -n "$2" ]; then git -C "$2" worktree prune; fi
"""


def own_folder() -> Path:
    """Return this process's own folder for short-lived files, which is gone when the process is."""
    return _folder_of(os.getpid())


@functools.cache
def _folder_of(pid: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"harness-{pid}-")).resolve()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if os.name == "posix":
        reads, _ = os.pipe()
        # Not a child of this process for long: who waits for its own children does not wait for this one.
        detached = f"exec 3<&0; ( exec <&3 3<&-; {_CLEAN} ) > /dev/null 2>&1 &"
        command = ["/bin/sh", "-c", detached, "sh", str(folder), ""]
        subprocess.run(command, stdin=reads, cwd="/", start_new_session=True, check=False)  # noqa: S603 (a literal script)
        os.close(reads)  # the other end stays open until this process ends
    return folder


@contextmanager
def removed_folder(prefix: str, repository: str = "") -> Iterator[Path]:
    """Make a folder, and what removes it.

    Args:
        prefix: of its name; this process's number follows, by which `remove_stale_folders` knows its owner.
        repository: root of a git repository, whose working trees in the folder are forgotten afterwards.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-")).resolve()
    with subprocess.Popen(  # noqa: S603 (a literal script)
        ["/bin/sh", "-c", _CLEAN, "sh", str(folder), repository],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,  # an interrupt from the terminal is not for it
    ) as cleaner:
        try:
            yield folder
        finally:
            if cleaner.stdin is not None:
                cleaner.stdin.close()
            cleaner.wait()


def remove_stale_folders(prefix: str) -> None:
    """Remove such folders of processes that are gone, as a crash of the machine leaves them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*-*"):
        owner = folder.name.removeprefix(prefix).partition("-")[0]
        if owner.isdecimal() and not _is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
