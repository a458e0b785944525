"""A lock between processes that dies with its process."""

import os
import sys
from pathlib import Path


def take_lock(path: Path) -> int | None:
    """Lock a file and write our process into it; None when another holder has it.

    Returns the open file: closing it gives the lock back, and so does the end of the process.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, 1 << 20, os.SEEK_SET)  # beyond the text, which others may read
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    os.truncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    return file
