"""Tasks of others to evaluate on. Below all floors, and imports nothing but Python's own.

The site takes such a task as the probes of a priority, and the engine takes it from the command
line. Neither may import the other, so the one reader of the format stands below both.
"""
