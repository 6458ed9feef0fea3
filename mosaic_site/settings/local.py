"""The embedded default: everything a running site writes lives in one folder, MOSAIC_HOME."""

import secrets

from mosaic_site.settings.base import *  # noqa: F403
from mosaic_site.settings.base import (
    CELERY_BEAT_SCHEDULE,
    REPOSITORY,
    TICK,
    env,
)
from mosaic_site.settings.paths import redis_socket

MOSAIC_HOME = env.path("MOSAIC_HOME", str(REPOSITORY / "var"))
_home = REPOSITORY.joinpath(str(MOSAIC_HOME))
_home.mkdir(parents=True, exist_ok=True)

_key = _home / "secret_key"
if not _key.exists():
    _key.touch(mode=0o600)
    _key.write_text(secrets.token_urlsafe(50))
SECRET_KEY = _key.read_text()

DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
MOSAIC_DEMO = env.bool("MOSAIC_DEMO", True)

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _home / "db.sqlite3",
        # A writer takes its lock when the transaction begins, so that two never deadlock half-way.
        # https://docs.djangoproject.com/en/5.2/ref/databases/#sqlite-transaction-behavior
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
MEDIA_ROOT = _home / "media"

_socket = redis_socket(_home)
REDIS_URL = env.str("REDIS_URL", f"unix://{_socket}")
CELERY_BROKER_URL = env.str("REDIS_URL", f"redis+socket://{_socket}")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # Above the 5 s that the layer lets Redis block, or idle sockets are cut off.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 15}]},
    }
}

CACHES = {
    "default": {
        "BACKEND": "mosaic_site.cache.SharedCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}

ACCOUNT_EMAIL_VERIFICATION = "none"
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = _home / "mail"
# Sound for one laptop without a build step: files are found in place, not collected.
WHITENOISE_USE_FINDERS = True
# A style sheet that is edited while the site runs is served as it is now, not cut to its old size.
WHITENOISE_AUTOREFRESH = True

if MOSAIC_DEMO:
    CELERY_BEAT_SCHEDULE = CELERY_BEAT_SCHEDULE | {
        "demo": {"task": "mosaic_site.tasks.demo_goes_on", "schedule": 3.0, "options": TICK}
    }
