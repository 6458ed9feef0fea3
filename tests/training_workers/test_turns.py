"""Members take turns: the order itself, and what follows from it however long it goes on."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from training_workers.turns import COMMUNITY, Member, Waiting, in_turn

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MEMBERS = st.sampled_from([1, 2, 3, 4])


def order(members: Sequence[Member], **more: dict[Member, object]) -> list[int]:
    """Positions of jobs that were queued in this order, as they are served."""
    waiting = [Waiting(number, member) for number, member in enumerate(members)]
    at_work = Counter(more.get("at_work", {}))
    return [job.id for job in in_turn(waiting, at_work, more.get("served", {}))]  # type: ignore[arg-type]


def test_one_job_stands_behind_one_of_fifty() -> None:
    assert order([1] * 50 + [2]).index(50) == 1


def test_who_was_served_last_comes_after_who_was_not() -> None:
    assert order([1, 1, 2], served={1: BEGAN}) == [2, 0, 1]


def test_what_runs_counts_as_a_turn() -> None:
    assert order([1, 2, 2], at_work={1: 2}) == [1, 2, 0]


def test_a_release_is_first_in_each_round() -> None:
    assert order([1, 2, COMMUNITY, COMMUNITY]) == [2, 0, 1, 3]


def test_what_was_interrupted_goes_on_before_others_and_costs_no_turn() -> None:
    waiting = [Waiting(1, 1), Waiting(2, 2), Waiting(3, 2, interrupted=True)]
    assert [job.id for job in in_turn(waiting, {}, {})] == [3, 1, 2]


def test_a_steward_puts_first_and_last() -> None:
    waiting = [Waiting(1, 1), Waiting(2, 1, priority=-1), Waiting(3, 1, priority=1), Waiting(4, 2)]
    assert [job.id for job in in_turn(waiting, {}, {})] == [3, 1, 4, 2]


@given(st.lists(MEMBERS, min_size=1, max_size=40), st.integers(1, 4), st.randoms())
def test_nobody_is_served_twice_while_another_has_nothing(
    members: list[Member], workers: int, draws: object
) -> None:
    """Workers take and finish jobs at random: while a member waits with no job at work, each other
    one has a turn at most."""
    waiting = [Waiting(number, member) for number, member in enumerate(members)]
    at_work: Counter[Member] = Counter()
    served: dict[Member, datetime] = {}
    running: list[Member] = []
    since: dict[Member, Counter[Member]] = {member: Counter() for member in members}
    for tick in range(len(members)):
        job = in_turn(waiting, at_work, served)[0]
        waiting.remove(job)
        for member in {one.member for one in waiting} - {job.member}:
            if at_work[member]:
                since[member].clear()
                continue
            since[member][job.member] += 1
            assert since[member][job.member] <= 1
        since[job.member].clear()
        served[job.member] = BEGAN + timedelta(seconds=tick)
        at_work[job.member] += 1
        running.append(job.member)
        if len(running) == workers:
            at_work[running.pop(draws.randrange(len(running)))] -= 1  # type: ignore[attr-defined]


@given(st.lists(MEMBERS, min_size=1, max_size=40))
def test_equal_jobs_share_one_worker_max_min_fairly(members: list[Member]) -> None:
    """At each moment, whoever has had fewer turns than another has nothing left that waits."""
    turns: Counter[Member] = Counter()
    left = Counter(members)
    for number in order(members):
        member = members[number]
        assert turns[member] <= min(turns[other] for other in left if left[other])
        turns[member] += 1
        left[member] -= 1
