"""What is said about a file that is no election."""


class BadElection(ValueError):
    """A file cannot be read as an election: where, why, and what to do about it.

    `line` counts from 1; `column` is a character of the line in JSON (from 1), and the name of a
    column of the table in Pabulib. Both are empty where the file as a whole is meant.
    """

    def __init__(
        self, why: str, remedy: str, *, file: str = "", line: int = 0, column: str = ""
    ) -> None:
        self.why, self.remedy, self.file, self.line, self.column = why, remedy, file, line, column
        place = [file or "the election"]
        place += [f"line {line}"] if line else []
        place += [f"column {column}"] if column else []
        super().__init__(f"{', '.join(place)}: {why.rstrip('.')}. {remedy}")
