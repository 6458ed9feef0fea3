"""Nobody imports upwards, and the pure rooms stay pure."""

import subprocess
import sys

import pytest

from tests.architecture.source import ROOT, imports, modules, within

APPS = ("contributions", "governance", "training_workers")
# The rest of mosaic_site is the roof: it looks at every floor.
KERNEL = (
    "mosaic_site.settings",
    "mosaic_site.errors",
    "mosaic_site.files",
    "mosaic_site.object_storage",
    "mosaic_site.lifecycle",
    "mosaic_site.live",
    "mosaic_site.clock",
    "mosaic_site.health",
    "mosaic_site.heartbeats",
    "mosaic_site.monitoring.logs",
    "mosaic_site.monitoring.measures",
    "mosaic_site.monitoring.requests",
    "mosaic_site.monitoring.tasks",
    "mosaic_site.lateness",
    "mosaic_site.pulse",
    "mosaic_site.middleware",
    "mosaic_site.context",
    "mosaic_site.celery",
    "mosaic_site.members",
    "mosaic_site.ledger",
    "mosaic_site.notices",
    "mosaic_site.display",
    "mosaic_site.help",
    "mosaic_site.templatetags",
    "mosaic_site.supervisor",
    "mosaic_site.zipping",
)
FORBIDDEN = {
    **{room: APPS for room in KERNEL},
    "contributions": ("governance", "training_workers"),
    "governance": ("training_workers",),
    "contributions.evaluation_tasks": ("django", "mosaic_site", *APPS),
    "contributions.intake": ("django", "mosaic_site", "governance", "training_workers"),
    "governance.tally": ("django", "mosaic_site", "contributions", "training_workers"),
    "training_workers.engine": ("django", "mosaic_site", "contributions", "governance", "celery"),
    "mosaic_site.supervisor": ("django", *APPS),
}
# One reader of evaluation tasks for pages and engine alike; it imports the standard library alone.
BELOW_ALL = "contributions.evaluation_tasks"
TORCH = ("torch", "transformers", "peft", "safetensors", "sklearn")
WITH_TORCH = (
    "training_workers.engine",
    "training_workers.runs",
    "training_workers.serving.process",
    "mosaic_site.bench",  # measures the engine, against plain torch and transformers
)


@pytest.mark.parametrize(("room", "others"), FORBIDDEN.items())
def test_nobody_imports_upwards(room: str, others: tuple[str, ...]) -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, tree in modules()
        if within(name, room)
        for imported in imports(tree)
        if any(within(imported, other) for other in others)
        and not within(imported, room)
        and not within(imported, BELOW_ALL)
    ]
    assert not wrong


def test_torch_is_imported_by_the_engine_the_runs_and_the_serving_process_alone() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, tree in modules()
        if not any(within(name, room) for room in WITH_TORCH)
        for imported in imports(tree)
        if any(within(imported, library) for library in TORCH)
    ]
    assert not wrong


def test_the_web_process_does_not_load_torch() -> None:
    code = (
        "import sys, mosaic_site.asgi; from django.urls import get_resolver;"
        "get_resolver().url_patterns;"
        "from django.conf import settings; from django.template.loader import get_template;"
        "get_template('home.html');"
        "print([name for name in ('torch', 'transformers', 'peft', 'sklearn') "
        "if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "mosaic_site.settings.test", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.strip() == "[]"
