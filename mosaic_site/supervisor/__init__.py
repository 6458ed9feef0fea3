"""Runs the whole site on one machine: Redis, the web process, the workers, beat, model serving.

Standard library only, so that it starts in milliseconds and survives whatever it supervises.
"""

from mosaic_site.supervisor.machine import StackError
from mosaic_site.supervisor.services import ALL
from mosaic_site.supervisor.stack import Stack

__all__ = ["ALL", "Stack", "StackError"]
