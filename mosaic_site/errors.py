"""The one expected error: what a person asked for cannot be done, and why. And a full disk."""

import errno


class Refused(Exception):
    """Raised by actions. Its text is shown to the person: what is wrong, why, what to do.

    `remedy`, what to do, may be given by itself, for readers that are programs.
    """

    status = 409
    """With which programs are answered."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem, self.remedy = problem, remedy


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def disk_is_full(error: BaseException) -> bool:
    """Whether it happened for want of room, as Python, `shutil`, safetensors and SQLite say it."""
    said = str(error)
    return (
        (isinstance(error, OSError) and error.errno in _NO_ROOM)
        or any(f"[Errno {no}]" in said or f"(os error {no})" in said for no in _NO_ROOM)
        or said == "database or disk is full"
    )
