"""The sockets of the site. What they send is rendered from rows; a hint only says: look again."""

import asyncio
import contextlib
import json
import logging
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.template.loader import render_to_string

from mosaic_site.errors import Refused
from training_workers import talking
from training_workers.models import Job
from training_workers.panel import render_update
from training_workers.serving.client import NotServed, ask
from training_workers.serving.wire import Asked

logger = logging.getLogger(__name__)

# At most about two pictures a second, however many hints come.
PAUSE_SECONDS = 0.4
GATHER_SECONDS = 0.02


class _WithTask(AsyncWebsocketConsumer):
    """A consumer that works in a task beside its handlers, so that none of them ever waits."""

    task: "asyncio.Task[None] | None" = None

    async def __call__(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super().__call__(*args, **kwargs)
        finally:
            # However the connection ended: a reader who left, or a channel layer that is away.
            if self.task is not None:
                self.task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self.task


class _Shared:
    """The panels of jobs, each rendered once for all in this process who watch it."""

    def __init__(self) -> None:
        self._coming: dict[tuple[asyncio.AbstractEventLoop, int], asyncio.Task[str]] = {}

    async def panel(self, job_id: int) -> str:
        """A panel that is read from the rows after this call, so that whatever the caller was
        told of is in it. Who calls while it has not been begun shares it."""
        key = (asyncio.get_running_loop(), job_id)
        if key not in self._coming:
            self._coming[key] = asyncio.create_task(self._render(key))
        return await asyncio.shield(self._coming[key])

    async def _render(self, key: tuple[asyncio.AbstractEventLoop, int]) -> str:
        # A moment for those whom the same hint wakes.
        await asyncio.sleep(GATHER_SECONDS)
        del self._coming[key]
        panel: str = await database_sync_to_async(render_update)(key[1])
        return panel


SHARED = _Shared()


class JobConsumer(_WithTask):
    """`ws/jobs/<pk>/`: the job's panel at once, and again after each hint. Open to everybody."""

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        self.job_id: int = self.scope["url_route"]["kwargs"]["pk"]
        # Channels joins and leaves them. Those of all jobs matter for the place in the queue.
        self.groups = [f"job.{self.job_id}", "jobs"]
        self.stale = asyncio.Event()
        await super().websocket_connect(message)

    async def connect(self) -> None:
        if not await Job.objects.filter(pk=self.job_id).aexists():
            await self.close()
            return
        await self.accept()
        # From the start: whoever connects sees what the rows say now.
        self.stale.set()
        self.task = asyncio.create_task(self._show())

    async def look_again(self, event: dict[str, Any]) -> None:
        self.stale.set()

    async def _show(self) -> None:
        """Hints that come while a panel is rendered or rested upon share the next one."""
        try:
            while True:
                await self.stale.wait()
                self.stale.clear()
                await self.send(text_data=await SHARED.panel(self.job_id))
                await asyncio.sleep(PAUSE_SECONDS)
        except OSError:
            logger.debug("a reader of job %s left", self.job_id)
        except DatabaseError as error:
            # The page connects again by itself and is shown the rows as they are then.
            logger.warning("job %s is not shown live: %s", self.job_id, error)
            with contextlib.suppress(OSError):
                await self.close(code=1011)


class TalkConsumer(_WithTask):
    """`ws/talk/`: questions in, answers out word by word, then whose expert they came from."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            said = json.loads(text_data or "")
        except json.JSONDecodeError:
            said = None
        prompt = said.get("prompt", "") if isinstance(said, dict) else ""
        try:
            if self.task is not None and not self.task.done():
                raise Refused("One question at a time: the answer above is still being written.")
            question = talking.read_question(prompt if isinstance(prompt, str) else "")
            await talking.count_question(self._who())
        except Refused as refusal:
            await self._say("_refusal.html", {"refusal": str(refusal), "update": True})
            return
        await self._say("_refusal.html", {"refusal": "", "update": True})
        self.task = asyncio.create_task(self._answer(question))

    def _who(self) -> str:
        user = self.scope["user"]
        if user.is_authenticated:
            return talking.asker_by_account(user.pk)
        return talking.asker_by_address((self.scope.get("client") or ("",))[0])

    async def _say(self, template: str, context: dict[str, Any]) -> None:
        # Nothing here reads the database, so it need not leave the event loop.
        await self.send(text_data=render_to_string(f"training_workers/{template}", context))

    async def _answer(self, question: str) -> None:
        answer = talking.Answer(question=question)
        try:
            await self._say("_turns.html", {"answer": answer, "append": True})
            try:
                async for event in ask(Asked(question, asker=self._who())):
                    answer.take(event)
                    if event["kind"] == "token":
                        new = {"answer": answer, "words": [answer.last_piece], "append": True}
                        await self._say("_text.html", new)
                    else:
                        await self._say("_answer.html", {"answer": answer, "update": True})
            except NotServed as reason:
                answer.fail(str(reason))
            if not answer.is_over:
                answer.fail("The answer broke off. Ask again.")
            if answer.problem:
                await self._say("_answer.html", {"answer": answer, "update": True})
        except OSError:
            # The reader has gone; nobody is left to tell.
            logger.info("a reader left in the middle of an answer")
