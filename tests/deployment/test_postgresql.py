"""What databases and message layers differ in, on those that a real site runs on.

The whole suite runs on them too, by `make test-postgresql`.
"""

import pytest

from tests.architecture.source import ROOT
from tests.servers import run_on_postgresql

# Triggers, races and locks, JSON in queries; and pages that watch through the channel layer.
FILES = (
    "governance/test_ballot_box.py",
    "governance/test_batches.py",
    "governance/test_voting.py",
    "contributions/test_uploads.py",
    "ledger/test_chain.py",
    "training_workers/test_job_socket.py",
    "training_workers/test_priority_served.py",
)


@pytest.mark.slow
def test_they_hold_on_postgresql_and_redis_too() -> None:
    ran = run_on_postgresql(
        ["-q", "-p", "no:cacheprovider", *(str(ROOT / "tests" / name) for name in FILES)],
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stdout
