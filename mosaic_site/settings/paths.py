"""Where a running site keeps its socket. Standard library only: the supervisor reads it too."""

import hashlib
import os
import tempfile
from pathlib import Path

# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the closing NUL.
LONGEST_SOCKET_PATH = 100


def redis_socket(home: Path) -> Path:
    """The Unix socket of the Redis that serves `home`: inside it, unless that path is too long.

    Then it is a path in a folder of this user below the temporary folder, always the same one for
    the same `home`.
    """
    inside = home.resolve() / "redis.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
        return inside
    name = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"mosaic-{os.getuid()}", f"{name}.sock")
