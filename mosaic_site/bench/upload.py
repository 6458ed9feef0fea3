"""`upload`: a file cut off again and again, a large one's memory, and how fast parts arrive."""

import base64
import hashlib
import http.client
import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from contributions.models import DatasetVersion
from mosaic_site.bench.measurement import Measurement, NotMeasured
from mosaic_site.members.models import Scope, User
from mosaic_site.members.tokens import token_make
from mosaic_site.supervisor import Stack

MIB = 2**20
LARGE_BYTES, CUT_BYTES = 1_000_000_000, 300_000_000
CUTS, SEED = 10, 7
GOAL_MIB = 200
NO_HEADERS: Mapping[str, str] = {}


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    home = Path(settings.MOSAIC_HOME)
    # The form is let through whole, so that both ways bring the same file.
    env = {"MOSAIC_UPLOAD_LIMIT_MIB": "1024"}
    services = ("redis", "web", "worker-checks")
    with Stack(home, services=services, env=env, say=say) as stack:
        say("making a file of 1 GB and one of 300 MB")
        large = _file(home / "large.csv", LARGE_BYTES, SEED)
        cut = _file(home / "cut.csv", CUT_BYTES, SEED + 1)
        member = User.objects.create_user("ada", "ada@example.org")
        _, secret = token_make(member=member, name="bench", scopes=Scope.values, days=1)
        program = _Program(stack, secret)
        program.ask("GET", reverse("api:uploads"))
        idle = _peak_mib(stack)
        say("1 GB in parts")
        began = time.perf_counter()
        program.bring(large)
        in_parts = time.perf_counter() - began
        finish = program.finish_seconds
        peak = _peak_mib(stack)
        say(f"{in_parts:.0f} s; 300 MB in parts, cut off {CUTS} times")
        sent = program.bring(cut, cuts=CUTS)
        say("1 GB by a form")
        began = time.perf_counter()
        _by_form(stack, member, large)
        by_form = time.perf_counter() - began
    return [
        Measurement(
            "upload.memory", peak, "MiB", "the same process before it", idle,
            f"Highest resident memory of the web process (uvicorn) over an upload of "
            f"{LARGE_BYTES / 1e9:g} GB in parts, its finish included. Once.",
            f"under {GOAL_MIB} MiB", peak < GOAL_MIB,
        ),
        Measurement(
            "upload.speed", LARGE_BYTES / MIB / in_parts, "MiB/s", "the same file by a form",
            LARGE_BYTES / MIB / by_form,
            "Until the site says “received”: each part hashed by the sender and by the site, and "
            "the whole put together and hashed once more. One connection, loopback, once.",
        ),
        Measurement(
            "upload.finish", finish, "s", "the whole upload", in_parts,
            "From the last request of that upload until a worker has put the parts together and "
            "hashed the whole. Once.",
        ),
        Measurement(
            "upload.cut", sent / MIB, "MiB", "the file", CUT_BYTES / MIB,
            f"Sent until a file was whole whose line was cut in the middle of a part {CUTS} times, "
            f"seed {SEED}. What the site stored has the SHA-256 of the file.",
            "arrives whole", True,
        ),
    ]  # fmt: skip


class _Program:
    """Uploads with an API token, over one connection as long as it holds."""

    def __init__(self, stack: Stack, secret: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=120)
        self._headers = {"Authorization": f"Bearer {secret}"}
        self.finish_seconds = 0.0  # of the latest upload

    def ask(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        self._connection.request(method, url, body, self._headers | (headers or {}))
        response = self._connection.getresponse()
        answer = response.read()
        if response.status not in {200, 201, 202}:
            raise NotMeasured(f"{method} {url} answered {response.status}: {answer[:200]!r}")
        return json.loads(answer)

    def bring(self, path: Path, cuts: int = 0) -> int:
        """The bytes it took. Raises NotMeasured unless the file arrives whole."""
        size = path.stat().st_size
        form = f"name={path.stem}&filename={path.name}&size={size}".encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        upload = self.ask("POST", reverse("api:uploads"), form, kind)
        draws = random.Random(SEED)
        numbers = range(1, upload["part_count"] + 1)
        unlucky = draws.sample(numbers, cuts)
        sent, whole = 0, hashlib.sha256()
        with path.open("rb") as file:
            for number in numbers:
                part = file.read(upload["part_bytes"])
                whole.update(part)
                if number in unlucky:
                    sent += self._cut_off(upload, number, part, draws.randrange(len(part)))
                    if str(number) in self.ask("GET", upload["url"])["parts"]:
                        raise NotMeasured(f"Part {number} is there, and only a piece of it came.")
                self.ask("PUT", f"{upload['url']}?part={number}", part, _digest(part))
                sent += len(part)
        began = time.perf_counter()
        made = self.ask("POST", upload["finish"])
        while made["status"] == "joining":
            time.sleep(0.1)
            made = self.ask("GET", upload["url"])
        self.finish_seconds = time.perf_counter() - began
        _require_whole(made["version"], whole.hexdigest())
        return sent

    def _cut_off(self, upload: dict[str, Any], number: int, part: bytes, until: int) -> int:
        """Send the beginning of a part, and hang up."""
        self._connection.putrequest("PUT", f"{upload['url']}?part={number}")
        headers = self._headers | _digest(part) | {"Content-Length": str(len(part))}
        for name, value in headers.items():
            self._connection.putheader(name, value)
        self._connection.endheaders(part[:until])
        self._connection.close()
        return until


def _digest(part: bytes) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(part).digest()).decode()
    return {"Content-Digest": f"sha-256=:{digest}:"}


def _file(path: Path, size: int, seed: int) -> Path:
    draws = random.Random(seed)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(draws.randbytes(min(MIB, size - start)))
    return path


def _require_whole(version: int, sha256: str) -> None:
    row = DatasetVersion.objects.get(pk=version)
    with default_storage.open(str(row.file.name)) as stored:
        digest = hashlib.file_digest(stored, "sha256").hexdigest()
    if not digest == row.sha256 == sha256:
        raise NotMeasured(f"{row} is not what was sent.")


def _peak_mib(stack: Stack) -> float:
    """The highest resident memory that the web process has had."""
    status = Path(f"/proc/{stack.pids['web']}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def _by_form(stack: Stack, member: User, path: Path) -> None:
    """Send the file, but for its first byte, as a browser sends the form."""
    client, csrf, edge = Client(), uuid.uuid4().hex, uuid.uuid4().hex
    client.force_login(member)
    fields = {"csrfmiddlewaretoken": csrf, "once": str(uuid.uuid4()), "name": "By form"}
    head = "".join(
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += (
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="by-form.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )
    tail = f"\r\n--{edge}--\r\n"

    def body() -> Iterator[bytes]:
        yield head.encode()
        with path.open("rb") as file:
            yield bytes([file.read(1)[0] ^ 1])
            while piece := file.read(MIB):
                yield piece
        yield tail.encode()

    length = len(head) + path.stat().st_size + len(tail)
    cookies = f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}; csrftoken={csrf}"
    headers = {
        "Cookie": cookies,
        "Content-Type": f"multipart/form-data; boundary={edge}",
        "Content-Length": str(length),
    }
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=300)
    connection.request("POST", reverse("contributions:dataset_new"), body(), headers)
    if connection.getresponse().status != 302:
        raise NotMeasured("The form was not taken.")
    connection.close()
