"""The one expected error: what a person asked for cannot be done, and why."""


class Refused(Exception):
    """Raised by actions. Its text is shown to the person: what is wrong, why, what to do."""
