"""The cache on a real Redis: shared by all processes, and harmless while it is away."""

from pathlib import Path

import pytest

from mosaic_site.cache import SharedCache
from mosaic_site.settings.paths import redis_socket
from mosaic_site.supervisor import Stack

pytestmark = pytest.mark.slow

PARAMETERS = {"KEY_PREFIX": "cache", "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2}}


def test_two_processes_count_together_and_none_breaks_without_it(tmp_path: Path) -> None:
    address = f"unix://{redis_socket(tmp_path)}"
    one, other = (SharedCache(address, dict(PARAMETERS)) for _ in range(2))

    with Stack(tmp_path, services=("redis",)):
        assert one.add("tries", 1, timeout=60)
        assert not other.add("tries", 1, timeout=60)
        assert other.incr("tries") == 2
        assert one.get("tries") == 2
        one.set("found", {"rows": [1, 2]}, 60)
        assert other.get_many(["found", "lost"]) == {"found": {"rows": [1, 2]}}
        assert other.delete("found") and not other.has_key("found")

    for cache in (one, other):
        assert cache.get("tries", 0) == 0
        assert cache.add("tries", 1, timeout=60), "as if nobody had tried yet"
        assert cache.incr("tries") == 1
        assert cache.get_many(["tries"]) == {}
        cache.set("tries", 5, 60)
        assert not cache.delete("tries")
