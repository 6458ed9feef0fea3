"""The Celery application: queues `default` (short work, the clock among it), `checks` (of uploaded
files) and `gpu` (training and composing)."""

import os

from celery import Celery

from mosaic_site import heartbeats  # noqa: F401  (it listens to Celery's signals)
from mosaic_site.monitoring import tasks  # noqa: F401  (it too)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosaic_site.settings.local")

app = Celery("mosaic")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()
