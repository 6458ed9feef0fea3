"""For real: every address and secret comes from the environment and none has a default."""

from mosaic_site.monitoring.logs import configuration
from mosaic_site.settings.base import *  # noqa: F403
from mosaic_site.settings.base import REPOSITORY, STORAGES, env
from mosaic_site.settings.storage import storage

SECRET_KEY = env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
DATABASES = {"default": env.db("DATABASE_URL")}
REDIS_URL = env.str("REDIS_URL")
CELERY_BROKER_URL = REDIS_URL
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
MOSAIC_HOME = env.path("MOSAIC_HOME", str(REPOSITORY / "var"))
MEDIA_ROOT = env.path("MEDIA_ROOT", str(REPOSITORY / "var" / "media"))
STATIC_ROOT = env.path("STATIC_ROOT", str(REPOSITORY / "staticfiles"))
STORAGES = STORAGES | {
    "default": storage(env.str("MOSAIC_STORAGE", "")),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MOSAIC_CLOCK = env.str("MOSAIC_CLOCK", "database")
MOSAIC_URL = env.str("MOSAIC_URL")
LOGGING = configuration(machine_readable=True)
EMAIL_CONFIG = env.email("EMAIL_URL", default="smtp://localhost:25")
vars().update(EMAIL_CONFIG)

# https://docs.djangoproject.com/en/5.2/howto/deployment/checklist/#https
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", True)
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
