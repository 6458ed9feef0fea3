"""The cache that all processes share. It holds nothing that matters: without Redis it is empty.

Then what is counted here is not limited: better a site that does not count for a while than none.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=Callable[..., Any])


def _when_away(otherwise: Callable[..., Any]) -> Callable[[C], C]:
    def decorate(method: C) -> C:
        @wraps(method)
        def guarded(self: RedisCache, *args: Any, **kwargs: Any) -> Any:
            try:
                return method(self, *args, **kwargs)
            except RedisError as error:
                logger.warning("the cache is away: %s", error)
                return otherwise(*args, **kwargs)

        return cast(C, guarded)

    return decorate


class SharedCache(RedisCache):
    """Django's cache on Redis; while that is away nothing is found and nothing is kept."""

    get = _when_away(lambda key, default=None, version=None: default)(RedisCache.get)
    get_many = _when_away(lambda keys, version=None: {})(RedisCache.get_many)
    has_key = _when_away(lambda *args, **kwargs: False)(RedisCache.has_key)
    add = _when_away(lambda *args, **kwargs: True)(RedisCache.add)
    set = _when_away(lambda *args, **kwargs: None)(RedisCache.set)
    set_many = _when_away(lambda data, *args, **kwargs: list(data))(RedisCache.set_many)
    touch = _when_away(lambda *args, **kwargs: False)(RedisCache.touch)
    incr = _when_away(lambda key, delta=1, version=None: delta)(RedisCache.incr)
    delete = _when_away(lambda *args, **kwargs: False)(RedisCache.delete)
    delete_many = _when_away(lambda *args, **kwargs: None)(RedisCache.delete_many)
