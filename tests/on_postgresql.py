"""Settings of tests, on PostgreSQL: tests that start pytest of their own use them."""

from mosaic_site.bench.postgresql import database
from mosaic_site.settings.test import *  # noqa: F403

DATABASES = {"default": database()}
