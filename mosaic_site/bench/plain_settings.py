"""Settings of the site under the middleware that `django-admin startproject` writes, and no other:
the same views and templates, without what this house adds around them."""

from mosaic_site.bench.on_postgresql import *  # noqa: F403
from mosaic_site.bench.on_postgresql import TEMPLATES

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Without it django-allauth does not start.
    "allauth.account.middleware.AccountMiddleware",
]
__all__ = ["MIDDLEWARE", "TEMPLATES"]
