"""The one expected error: what a person asked for cannot be done, and why."""


class Refused(Exception):
    """Raised by actions. Its text is shown to the person: what is wrong, why, what to do.

    `remedy`, what to do, may be given by itself, for readers that are programs.
    """

    status = 409
    """With which programs are answered."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem, self.remedy = problem, remedy
