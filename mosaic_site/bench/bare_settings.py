"""Settings of a site that is nothing but `bare`."""

from mosaic_site.bench.on_postgresql import *  # noqa: F403

MIDDLEWARE: list[str] = []
ROOT_URLCONF = "mosaic_site.bench.bare"
INSTALLED_APPS: list[str] = []
TEMPLATES: list[object] = []
