"""The line protocol between referee and worker: one JSON object a line, over pipes of their own.

The referee asks, the worker answers, one at a time. It needs the standard library alone.

History of the protocol, newest first:

3  hello says whether ASLR is off
2  hello says whether both sides have the same addresses
1  hello, describe, plan, build, time, exact, explain, strays, pin, drop, bye; fork
"""

import json
from collections.abc import Mapping
from typing import IO, Any

VERSION = 3

Message = dict[str, Any]


def encode_message(message: Mapping[str, Any]) -> bytes:
    r"""Return a message as its line.

    >>> encode_message({"do": "bye"})
    b'{"do": "bye"}\n'
    """
    return json.dumps(message).encode() + b"\n"


def decode_message(line: bytes) -> Message:
    """Return the message of a line.

    Raises:
        ValueError: it is not a JSON object.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"a message is an object, not {type(message).__name__}")  # noqa: TRY004 (of a value)
    return message


def say(pipe: IO[bytes], message: Mapping[str, Any]) -> None:
    """Write a message and push it out."""
    pipe.write(encode_message(message))
    pipe.flush()
