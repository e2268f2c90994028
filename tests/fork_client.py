"""Stands for Python: has the server beside it fork, and is to who started it what that fork is.

It is copied to where the server listens, and runs without `site`: it takes a hundredth of a second.
"""

import marshal
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import NoReturn

HEADER_BYTES = 8
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def start_really() -> NoReturn:
    """Become the interpreter."""
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])  # noqa: S606 (as it was started)


def main() -> NoReturn:
    """Have it run, and end as it ends."""
    address = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "socket")  # noqa: PTH100, PTH118, PTH120
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(address)
    except OSError:
        start_really()
    files = []
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):  # noqa: PTH208
        with suppress(OSError):  # that of the listing itself
            if os.get_inheritable(number):
                files.append(number)
    request = marshal.dumps((sys.argv[0], sys.argv[1:], os.getcwd(), dict(os.environ), files))  # noqa: PTH109
    socket.send_fds(server, [len(request).to_bytes(HEADER_BYTES)], files)
    server.sendall(request)
    pid = int.from_bytes(server.recv(HEADER_BYTES))
    if pid == 0:
        start_really()
    for number in PASSED_ON:
        signal.signal(number, lambda number, _frame: os.kill(pid, number))
    answer = server.recv(HEADER_BYTES)
    status = int.from_bytes(answer, signed=True) if answer else 1
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
