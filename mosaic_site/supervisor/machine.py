"""What a stack asks of the machine: ports, a private folder, process groups, log files."""

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

LOGS_KEPT = 3


class StackError(Exception):
    """The site cannot start; the message is one sentence for the operator."""


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def refuse_port_in_use(port: int) -> None:
    """Raise StackError where nobody could listen on `port` of 127.0.0.1."""
    with socket.socket() as probe:
        # As servers do, so that connections of a site that just stopped are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(
                f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}): stop what uses it,"
                f" or choose another port, as in MOSAIC_PORT={port + 1} make run."
            ) from error


def make_private(folder: Path) -> None:
    """Create `folder` for this user; StackError where another user has laid it out for us."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise StackError(f"{folder} belongs to another user, so Redis cannot listen in it.")


def signal_group(group: int, number: int) -> bool:
    """Send `number` to a process group (0 only asks). False when nobody is left in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says this of a group whose members are all zombies
        return False
    return True


def rotate(log: Path) -> None:
    """Make room for a new `log`: x.log becomes x.log.1, and so on; LOGS_KEPT old ones stay."""
    for number in range(LOGS_KEPT, 0, -1):
        newer = log if number == 1 else log.with_name(f"{log.name}.{number - 1}")
        if newer.exists():
            newer.replace(log.with_name(f"{log.name}.{number}"))


def last_line(log: Path) -> str:
    """The last line in `log` that says something: for most programs the reason of their end."""
    lines = log.read_text(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


VISIBLE = "CUDA_VISIBLE_DEVICES"
A_WORKER = "MOSAIC_GPUS_A_WORKER"


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA names them; empty where there are none."""
    visible = os.environ.get(VISIBLE)
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in {"", "-1"}]
    if shutil.which("nvidia-smi") is None:
        return []
    asked = subprocess.run(
        ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"], capture_output=True, text=True
    )
    return asked.stdout.split() if asked.returncode == 0 else []


def gpus_a_worker() -> int:
    """How many GPUs one worker holds: more than one for a base that needs several."""
    return max(1, int(os.environ.get(A_WORKER, "1")))


def gpu_workers() -> int:
    """How many workers the GPUs here suffice for; one where there are none, for the CPU."""
    return max(1, len(gpus()) // gpus_a_worker())


def pinned(number: int, names: Sequence[str], each: int) -> dict[str, str]:
    """The environment of worker `number`, from 1, so that it sees its own `each` of the GPUs and no
    other's. Where there are more workers than GPUs they share, in turns."""
    if not names:
        return {}
    groups = [names[start : start + each] for start in range(0, len(names), each)]
    return {VISIBLE: ",".join(groups[(number - 1) % len(groups)])}
