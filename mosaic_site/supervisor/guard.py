"""The last will of a supervisor: a process that outlives it only to stop what it left behind.

It reads `+<group>` and `-<group>` lines, the process groups started and ended. When the pipe
closes, because the supervisor ended in whatever way, it stops the groups that still run. This
also works where the kernel cannot send a signal at the parent's death, and reaches grandchildren.
"""

import signal
import sys
import time
from collections.abc import Iterable

from mosaic_site.supervisor.machine import signal_group

SECONDS_TO_STOP = 3.0


def groups_left(lines: Iterable[str]) -> set[int]:
    """The process groups that were started and not ended in `lines`."""
    left: set[int] = set()
    for line in lines:
        (left.add if line.startswith("+") else left.discard)(int(line[1:]))
    return left


def main() -> None:
    """Wait for standard input to close, then stop what is left: first kindly, then not."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = groups_left(sys.stdin)
    for group in left:
        signal_group(group, signal.SIGTERM)
    deadline = time.monotonic() + SECONDS_TO_STOP
    while any(signal_group(group, 0) for group in left) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in left:
        signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
