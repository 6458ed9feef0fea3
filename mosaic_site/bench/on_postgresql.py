"""Settings of a scratch site whose rows are in PostgreSQL."""

from mosaic_site.bench.postgresql import database
from mosaic_site.settings.local import *  # noqa: F403

DATABASES = {"default": database()}
# Nobody watches its pages, so it needs no Redis.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
