"""Settings of a whole site whose rows are in PostgreSQL: everything else is as on a laptop."""

from mosaic_site.bench.postgresql import database
from mosaic_site.settings.local import *  # noqa: F403

DATABASES = {"default": database()}
