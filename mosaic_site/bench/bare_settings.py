"""Settings of a site that is nothing but `bare`."""

from mosaic_site.bench.postgresql import database

SECRET_KEY = "only for the bench"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "mosaic_site.bench.bare"
DATABASES = {"default": database()}
