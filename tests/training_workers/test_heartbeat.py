"""What a worker tells the page while it works."""

import pytest

from tests.factories import make_user
from tests.training_workers.makers import begin, make_job
from training_workers.runs.heartbeat import Heartbeat


@pytest.mark.django_db
def test_the_first_and_the_last_step_of_a_phase_are_always_told() -> None:
    job = begin(make_job(make_user(), make_user(steward=True)))
    heartbeat = Heartbeat(job)

    for step in range(1, 6):
        heartbeat.report("training", step=step, steps=5, loss=1 / step)

    told = [event.data.get("step") for event in job.events.filter(kind="progress")]
    assert told[0] == 1
    assert told[-1] == 5
