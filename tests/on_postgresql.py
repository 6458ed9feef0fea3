"""Settings of tests, on PostgreSQL: `governance/test_postgresql.py` starts pytest with them."""

from mosaic_site.bench.postgresql import database
from mosaic_site.settings.test import *  # noqa: F403

DATABASES = {"default": database()}
