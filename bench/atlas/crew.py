"""Workers that read subjects beside each other, each under a time limit, and started again when one ends."""

import contextlib
import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from bench.atlas.record import Chart, Subject

_COMMAND = (sys.executable, "-m", "bench.atlas.worker")
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}
_START = 120.0  # seconds more for a worker's first answer: it imports torch and the libraries
_WAITING = 10  # seconds on the wall for one of the processor, which others may have


@dataclass(slots=True)
class Worker:
    """One process, started when it is first asked."""

    limit: float  # seconds of the processor for a subject, which the process keeps itself
    command: Sequence[str]
    process: "subprocess.Popen[bytes] | None" = None

    def ask(self, subject: Subject, start: float = _START) -> Chart:
        """Return a subject's chart; a worker that ends or takes too long gives one without readings.

        Args:
            subject: what is charted.
            start: seconds more, where the process has to start first.
        """
        limit = _WAITING * self.limit
        if self.process is None:
            limit += start
            self.process = subprocess.Popen(  # noqa: S603 (this interpreter)
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **_OFFLINE}
            )
        process = self.process
        assert process.stdin is not None  # noqa: S101 (both are pipes)
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(msgspec.json.encode(subject) + b"\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], limit)
            line = process.stdout.readline() if ready else None
        except BrokenPipeError:
            line = b""
        if line:
            return msgspec.json.decode(line, type=Chart)
        self.end()
        if line is None or process.returncode == -signal.SIGPROF:
            return Chart(subject=subject, processor_s=self.limit, reason=f"took longer than {self.limit:g} s")
        return Chart(subject=subject, reason=f"took the process down ({_ending(process.returncode)})")

    def stop(self) -> None:
        """Kill the process under whoever asks it: what is asked now gets no answer."""
        if self.process is not None:
            self.process.kill()

    def end(self) -> None:
        """End the process; only whoever asks it may."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):  # of a question that it ended before reading
                        pipe.close()
            self.process = None


def _ending(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def charts(subjects: Sequence[Subject], workers: int, limit: float) -> Iterator[Chart]:
    """Yield the charts of subjects as they are made, in no order."""
    waiting: queue.SimpleQueue[Subject | None] = queue.SimpleQueue()
    for subject in subjects:
        waiting.put(subject)
    done: queue.SimpleQueue[Chart] = queue.SimpleQueue()
    crew = [Worker(limit, (*_COMMAND, str(limit))) for _ in range(workers)]

    def work(worker: Worker) -> None:
        while (subject := waiting.get()) is not None:
            done.put(worker.ask(subject))

    for _ in crew:
        waiting.put(None)
    threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in crew]
    for thread in threads:
        thread.start()
    try:
        for _ in subjects:
            yield done.get()
    finally:
        _end(crew, threads, waiting)


def _end(
    crew: Sequence[Worker], threads: Sequence[threading.Thread], waiting: "queue.SimpleQueue[Subject | None]"
) -> None:
    """Take what nobody has begun out of the queue, and end all workers."""
    with contextlib.suppress(queue.Empty):
        while waiting.get_nowait() is not None:
            pass
    for worker in crew:
        waiting.put(None)
        worker.stop()
    for thread in threads:
        thread.join()
    for worker in crew:
        worker.end()
