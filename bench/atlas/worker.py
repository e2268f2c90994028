"""The process in which models are built and read: a subject a line comes in, a chart a line goes out.

A model that takes the process down takes only this one; who asks starts another.
"""

import gc
import os
import resource
import signal
import sys
import time
import warnings

import msgspec
import torch

from bench.atlas.reading import chart
from bench.atlas.record import Subject
from harness.measure.garbage import set_old_objects_aside

_MOST_MEMORY = 12 * 2**30  # bytes of addresses


def main(limit: float) -> None:
    """Answer until the questions end; what models print goes nowhere.

    Args:
        limit: seconds of the processor for a subject.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.compiler.reset()  # loads torch's compiler, which takes a minute when transformers is loaded already
    set_old_objects_aside()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, hard))
    for line in sys.stdin:
        subject = msgspec.json.decode(line, type=Subject)
        # Where a subject takes longer on the processor, the system ends this process with SIGPROF.
        signal.setitimer(signal.ITIMER_PROF, limit)
        began = time.process_time()
        made = chart(subject)
        took = round(time.process_time() - began, 2)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(msgspec.json.encode(msgspec.structs.replace(made, processor_s=took)).decode() + "\n")
        answers.flush()
        gc.collect()  # models are full of cycles
        gc.freeze()  # what remains are modules that were imported


if __name__ == "__main__":
    main(float(sys.argv[1]))
