"""The process in which models are built and read: a subject a line comes in, a chart a line goes out.

A model that takes the process down takes only this one; who asks starts another.
"""

import os
import resource
import sys
import warnings

import msgspec
import torch

from bench.atlas.reading import chart
from bench.atlas.record import Subject

_MOST_MEMORY = 12 * 2**30  # bytes of addresses


def main() -> None:
    """Answer until the questions end; what models print goes nowhere."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.compiler.reset()  # loads torch's compiler, which takes a minute when transformers is loaded already
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, hard))
    for line in sys.stdin:
        subject = msgspec.json.decode(line, type=Subject)
        answers.write(msgspec.json.encode(chart(subject)).decode() + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
