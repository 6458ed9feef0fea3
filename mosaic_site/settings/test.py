"""For pytest: quick hashing, no broker. Tests of the whole site start real servers on `local`."""

import tempfile
from pathlib import Path
from typing import Any

from mosaic_site.settings.base import *  # noqa: F403
from mosaic_site.settings.base import TEMPLATES

MOSAIC_HOME = Path(tempfile.mkdtemp(prefix="mosaic-test-"))
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["testserver"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": MOSAIC_HOME / "db.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
        # On disk, so that tests with several threads see one database.
        "TEST": {"NAME": MOSAIC_HOME / "test.sqlite3"},
    }
}
MEDIA_ROOT = MOSAIC_HOME / "media"
REDIS_URL = "redis://127.0.0.1:1/0"
CELERY_BROKER_URL = "memory://"
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
ACCOUNT_EMAIL_VERIFICATION = "none"
MOSAIC_DEMO = True
# Crowds are made within seconds; the limits are tested with limits of their own.
MOSAIC_PROPOSALS_AN_HOUR = MOSAIC_REPORTS_AN_HOUR = 1000
MOSAIC_API_RATES = {"member": "100000/minute", "visitor": "100000/minute"}
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = "!! undefined: %s !!"
