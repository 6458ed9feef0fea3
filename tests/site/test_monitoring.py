"""A running site, as an operator sees it: one id from a request to its tasks, and metrics of all
processes from the web process alone."""

import re
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mosaic_site.supervisor import Stack
from tests.site import cast
from tests.site.stack import Person, act, eventually

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-operator"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(
        tmp_path_factory.mktemp("site"),
        services=("redis", "web", "worker-default", "worker-checks", "beat"),
        env={"MOSAIC_DEMO": "1", "MOSAIC_METRICS_TOKEN": TOKEN},
    )
    with stack:
        stack.manage("register_base")
        act(stack, cast.settle)
        yield stack


def metrics(stack: Stack) -> dict[tuple[str, str], float]:
    request = urllib.request.Request(f"{stack.url}/metrics")
    request.add_header("Authorization", f"Bearer {TOKEN}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_request_and_the_task_that_it_sends_have_one_id(site: Stack) -> None:
    def checked() -> bool:
        return metrics(site).get(("mosaic_queue_depth", "checks")) == 0

    eventually("the dataset is checked", checked, every=1)
    expert = act(site, cast.submit, passes=1)
    Person(site, cast.STEWARD).post(f"/experts/{expert}/approve/")

    line = re.compile(r"answered .*address=contributions:expert_approve.*request_id=(\w+)")
    [id_] = line.findall(site.log("web").read_text())
    task = re.compile(rf"request_id={id_} task=training_workers.tasks.reconcile task_id=[\w-]+")
    eventually(
        "the worker tells of its task",
        lambda: task.search(site.log("worker-default").read_text()),
    )


def test_one_process_tells_what_all_do(site: Stack) -> None:
    eventually(
        "beat and both workers are heard",
        lambda: (
            (now := metrics(site)).get(("mosaic_beats", "")) == 1
            and now.get(("mosaic_workers", "default")) == 1
            and now.get(("mosaic_workers", "checks")) == 1
        ),
        every=1,
    )
    ticks = ("mosaic_task_duration_seconds_count", "governance.tasks.reconcile")
    before = metrics(site)[ticks]
    eventually("the clock goes on", lambda: metrics(site)[ticks] > before, every=1)
    assert metrics(site)["mosaic_workers", "gpu"] == 0
    with urllib.request.urlopen(f"{site.url}/readyz", timeout=30) as answer:
        assert b'"ready": true' in answer.read()
