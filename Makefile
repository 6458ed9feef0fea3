# Two commands matter: `make run` and `make test`. Both set up everything they need.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-postgresql check bench lock audit

python := .venv/bin/python
# One more than the cores: the tests of the running site mostly wait for it.
processes := 3
code := manage.py mosaic_site contributions governance training_workers tests

help:
	@echo "make run     the whole site with a demo community, at http://127.0.0.1:8000 (MOSAIC_PORT=... for another port)"
	@echo "make test    all tests, the browser's too"
	@echo "make test-postgresql   the tests of pages and rows again, on a real PostgreSQL and Redis"
	@echo "make check   lint, format, types, templates, deployment settings, migrations"
	@echo "make bench   measures the numbers that the documentation states"
	@echo "make setup   only installs what is needed, into .venv"
	@echo "make audit   looks up known weaknesses of what is in requirements.lock; needs the network"
	@echo "make lock    writes requirements.lock anew from .venv"

setup:
	@sh bin/setup

run: setup
	@exec $(python) manage.py run

test: setup
	@sh bin/chromium
	$(python) -m pytest -n $(processes) --dist loadfile --no-loadscope-reorder $(ARGS)

# What needs the database, on PostgreSQL and Redis: pure rooms and walks of the site run in `test`.
test-postgresql: setup
	$(python) -m tests.servers $(or $(ARGS),$(addprefix tests/,architecture contributions governance ledger members notices training_workers))

check: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy $(code)
	.venv/bin/djlint --lint --quiet templates
	DJANGO_SETTINGS_MODULE=mosaic_site.settings.production \
	    SECRET_KEY=only-for-this-check-fifty-characters-long-and-random-0123456789 ALLOWED_HOSTS=mosaic.example \
	    DATABASE_URL=sqlite://:memory: REDIS_URL=redis://localhost MOSAIC_URL=https://mosaic.example \
	    $(python) manage.py check --deploy --fail-level WARNING
	DJANGO_SETTINGS_MODULE=mosaic_site.settings.test $(python) manage.py makemigrations --check --dry-run

bench: setup
	$(python) manage.py bench $(ARGS)

lock:
	@sh bin/lock

# Not part of make check: it asks a service on the network, whose answer changes from day to day.
audit: setup
	.venv/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip --strict
