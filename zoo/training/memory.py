"""Temporary memory that stays with the process, for several devices of one CPU.

A compiled program asks the C library for its temporary arrays at each call and gives
them back. glibc hands pieces of more than 128 KB to the system at once, and the next
call faults them in again, page by page; devices that do so side by side wait for each
other, since a process has one map of its pages. A step of a Transformer on two devices
of a CPU takes 120 ms so, and 86 ms where the memory is kept.
"""

import ctypes
import platform

TRIM, MAPPED = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
LARGE = 2**30  # bytes; what is larger goes back


def keep() -> bool:
    """Keeps what the process once had; whether there was a glibc to be told."""
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    return all(library.mallopt(name, LARGE) for name in (TRIM, MAPPED))
