"""Tasks of others to evaluate on. Imports nothing but Python's own.

The site takes such a task as the probes of a priority, and the engine takes it from the command
line: the one reader of the format is all that the engine shares with the site.
"""
