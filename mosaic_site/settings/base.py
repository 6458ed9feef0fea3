"""What every installation shares. `local`, `test` and `production` add what differs."""

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from kombu import Queue
from kombu.common import Broadcast

from mosaic_site.monitoring.logs import configuration

env = environ.Env()

REPOSITORY = Path(__file__).resolve().parents[2]

INSTALLED_APPS = [
    "mosaic_site.apps.MosaicSiteConfig",
    "mosaic_site.members",
    "mosaic_site.ledger",
    "mosaic_site.notices",
    "contributions",
    "governance",
    "training_workers",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "channels",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
]

# https://docs.djangoproject.com/en/5.2/topics/http/middleware/#middleware-ordering
MIDDLEWARE = [
    "mosaic_site.monitoring.requests.observe",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "mosaic_site.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # After the ones its page needs to know who is signed in; nothing above reads the body.
    "mosaic_site.middleware.upload_limit",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "mosaic_site.middleware.steward_needs_mfa",
    "mosaic_site.middleware.RefusedMiddleware",
    "mosaic_site.middleware.FullDiskMiddleware",
]

ROOT_URLCONF = "mosaic_site.urls"
ASGI_APPLICATION = "mosaic_site.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [REPOSITORY / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mosaic_site.context.community",
            ],
        },
    }
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATICFILES_DIRS = [REPOSITORY / "static", ("help", REPOSITORY / "docs" / "images")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Uploads over 2.5 MB are spooled to disk, so a large file does not fill the web process's memory.
# https://docs.djangoproject.com/en/5.2/ref/settings/#file-upload-max-memory-size
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_621_440

AUTH_USER_MODEL = "members.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_REDIRECT_URL = "home"
LOGIN_URL = "account_login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# https://docs.allauth.org/en/latest/account/configuration.html
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGOUT_ON_GET = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
# Counted in the cache, so that all web processes count together; by the address at the other end of
# the connection (see `mosaic_site.addresses`), by account, or by the name that is tried.
# https://docs.allauth.org/en/latest/account/rate_limits.html
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/5m/key"}

# https://www.django-rest-framework.org/api-guide/settings/
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mosaic_site.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["mosaic_site.api.authentication.MayUse"],
    "DEFAULT_THROTTLE_CLASSES": ["mosaic_site.api.authentication.Pace"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "mosaic_site.api.parsers.SmallJSON",
        "mosaic_site.api.parsers.SmallForm",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_SCHEMA_CLASS": "mosaic_site.api.schema.Described",
    "EXCEPTION_HANDLER": "mosaic_site.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
}
# https://drf-spectacular.readthedocs.io/en/latest/settings.html
SPECTACULAR_SETTINGS = {
    "TITLE": "Mosaic",
    "DESCRIPTION": "What a member can do on the site, for programs.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    # Not its own for choices: they stand where they are used, and under no invented names.
    "POSTPROCESSING_HOOKS": ["mosaic_site.api.schema.shared"],
}

DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "mosaic@localhost")
# Seconds; without it a mail server that hangs holds a worker for ever.
EMAIL_TIMEOUT = 10

CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_IGNORE_RESULT = True
# Rows are the truth and `reconcile` sends again what was lost, so a publisher never waits for a
# broker that is away. https://docs.celeryq.dev/en/stable/userguide/configuration.html
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Above the longest job, or Redis hands the message to a second worker.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 24 * 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# A tick that could not run is worthless once later ones are due. Seconds; a minute, so that the
# clocks of several machines may differ a little.
TICK = {"expires": 60}
CELERY_BEAT_SCHEDULE = {
    "contributions": {
        "task": "contributions.tasks.reconcile",
        "schedule": 10.0,
        "options": TICK,
    },
    "checks": {"task": "contributions.tasks.check", "schedule": 10.0, "options": TICK},
    "governance": {"task": "governance.tasks.reconcile", "schedule": 2.0, "options": TICK},
    "explanations": {
        "task": "governance.tasks.explain",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "notices": {
        "task": "mosaic_site.notices.tasks.reconcile",
        "schedule": 10.0,
        "options": TICK,
    },
    "training_workers": {
        "task": "training_workers.tasks.reconcile",
        "schedule": 5.0,
        "options": TICK,
    },
    "examining": {
        "task": "mosaic_site.tasks.examine",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "tidying": {
        "task": "training_workers.tasks.tidy",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "erasing": {
        "task": "training_workers.tasks.erase",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
}
# What is sent to `machines` reaches every worker, and not one of them.
CELERY_TASK_QUEUES = [Queue("default"), Queue("checks"), Queue("gpu"), Broadcast("machines")]
CELERY_TASK_ROUTES = {
    "training_workers.tasks.work": {"queue": "gpu"},
    "training_workers.tasks.tidy": {"queue": "machines", "exchange": "machines"},
    "contributions.tasks.check": {"queue": "checks"},
    # It waits for a mail server for seconds, and the clock must not.
    "mosaic_site.tasks.examine": {"queue": "checks"},
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 2
CELERY_BEAT_SCHEDULER = "mosaic_site.heartbeats.Scheduler"

MOSAIC_COMMUNITY = env.str("MOSAIC_COMMUNITY", "Mosaic")
MOSAIC_DEMO = env.bool("MOSAIC_DEMO", False)
# Where the site is found, for the links in mails: no slash at its end.
MOSAIC_URL = env.str("MOSAIC_URL", f"http://127.0.0.1:{env.int('MOSAIC_PORT', 8000)}")
# At this hour of TIME_ZONE a day's notices are gathered into one mail.
MOSAIC_DIGEST_HOUR = env.int("MOSAIC_DIGEST_HOUR", 7)
# One request: a file that a form sends whole. Larger ones come in parts of MOSAIC_PART_BYTES.
MOSAIC_UPLOAD_LIMIT_BYTES = env.int("MOSAIC_UPLOAD_LIMIT_MIB", 200) * 2**20
MOSAIC_PART_BYTES = 8 * 2**20
# One file in parts; all files of a member; and how many may be unfinished at a time, for so long
# after their last part.
MOSAIC_FILE_LIMIT_BYTES = env.int("MOSAIC_FILE_LIMIT_MIB", 2048) * 2**20
MOSAIC_QUOTA_BYTES = env.int("MOSAIC_QUOTA_MIB", 10240) * 2**20
MOSAIC_OPEN_UPLOADS = env.int("MOSAIC_OPEN_UPLOADS", 5)
MOSAIC_UPLOAD_EXPIRY_DAYS = env.int("MOSAIC_UPLOAD_EXPIRY_DAYS", 7)
# What is trained beside each release to compare it with, at the compute of all its experts each. A
# control that is left out here is said to be left out in the report.
MOSAIC_CONTROLS = env.list("MOSAIC_CONTROLS", default=["monolith", "sequential", "monolith_wide"])
if _unknown := set(MOSAIC_CONTROLS) - {"monolith", "sequential", "monolith_wide"}:
    raise ImproperlyConfigured(f"MOSAIC_CONTROLS has no {', '.join(sorted(_unknown))}.")
# Copies of what lies in a storage that is no folder, on each machine: so many at most, but for what
# is in use.
MOSAIC_CACHE_BYTES = env.int("MOSAIC_CACHE_MIB", 20480) * 2**20
# How often a training's checkpoint is copied to the storage, for another machine to go on from.
MOSAIC_CHECKPOINT_COPY_SECONDS = env.int("MOSAIC_CHECKPOINT_COPY_SECONDS", 60)
# A sentence encoder that routers may see questions through, a folder or Hub id; empty for none.
MOSAIC_SENTENCE_ENCODER = env.str("MOSAIC_SENTENCE_ENCODER", "")
# Whose clock closes a vote (see mosaic_site/clock.py): the "machine"'s or the "database"'s.
MOSAIC_CLOCK = env.str("MOSAIC_CLOCK", "machine")
# A job whose worker has said nothing for this long is taken up by another.
MOSAIC_HEARTBEAT_TIMEOUT_SECONDS = env.int("MOSAIC_HEARTBEAT_TIMEOUT_SECONDS", 30)
# When so many workers fell silent with a job, it is given up.
MOSAIC_JOB_ATTEMPTS = env.int("MOSAIC_JOB_ATTEMPTS", 3)
# Minutes of the workers that a member's finished jobs may take in seven days; 0: no limit.
MOSAIC_TRAINING_MINUTES_A_WEEK = env.int("MOSAIC_TRAINING_MINUTES_A_WEEK", 0)
# How many experts of a member may wait for a steward or a worker at a time.
MOSAIC_WAITING_EXPERTS = env.int("MOSAIC_WAITING_EXPERTS", 100)
# What Prometheus brings to /metrics; empty: nobody is shown them.
MOSAIC_METRICS_TOKEN = env.str("MOSAIC_METRICS_TOKEN", "")
# Days after which the files of what was withdrawn are erased: until then a steward can appeal.
MOSAIC_ERASE_AFTER_DAYS = env.int("MOSAIC_ERASE_AFTER_DAYS", 14)
# Members who must stand behind a question before it is voted on.
MOSAIC_ENDORSEMENTS = env.int("MOSAIC_ENDORSEMENTS", 2)
# Answers that a member's programs may ask for in a minute, over the OpenAI-compatible API.
MOSAIC_API_QUESTIONS_A_MINUTE = env.int("MOSAIC_API_QUESTIONS_A_MINUTE", 600)
# What a member may send in an hour at most, for the sake of those who read it.
MOSAIC_COMMENTS_AN_HOUR = env.int("MOSAIC_COMMENTS_AN_HOUR", 20)
MOSAIC_PROPOSALS_AN_HOUR = env.int("MOSAIC_PROPOSALS_AN_HOUR", 10)  # changes count too
MOSAIC_REPORTS_AN_HOUR = env.int("MOSAIC_REPORTS_AN_HOUR", 10)
# Requests to the API: of a member with all their tokens, and of an address without any.
MOSAIC_API_RATES = {
    "member": env.str("MOSAIC_API_RATE_MEMBER", "600/minute"),
    "visitor": env.str("MOSAIC_API_RATE_VISITOR", "120/minute"),
}

LOGGING = configuration(machine_readable=False)
