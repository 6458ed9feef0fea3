from tests.training_workers.conftest import line, redis_server

__all__ = ["line", "redis_server"]
