"""Settings of tests on what a real site runs on, PostgreSQL and Redis: see `tests.servers`."""

import os

from mosaic_site.bench.postgresql import database
from mosaic_site.settings.test import *  # noqa: F403

DATABASES = {"default": database()}
REDIS_URL = os.environ["MOSAIC_TEST_REDIS"]
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 15}]},
    }
}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}
