"""Memory that the process frees stays with it, so that no call pays for new pages by chance."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
_NEVER = -1
_LARGEST = 32 << 20  # bytes, the most that mallopt takes on 64 bits


def keep_freed_memory() -> bool:
    """From now on keep what is freed, for the next call to take again; blocks above 32 MiB excepted.

    By itself glibc gives free memory at the end of its heap back to the system, and whether there is any
    depends on where other blocks lie. A call that allocates megabytes then takes up to twice as long in
    one layout, or one process, as in the next, for it waits for new pages.

    Returns:
        Whether the C library can; glibc can.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _NEVER)) and bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST))
