"""Answers that may take minutes: they begin before they are known, and blanks keep the line awake until they are.

JSON and HTML may begin with blanks, so callers read such an answer like any other. What is known within PROMPT_SECONDS
is answered as usual, problems included; what fails later breaks the connection off, for its status has been told. A
caller who leaves takes its question along. Few are worked out at once, so that some connections to the database are
left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from api.operations import Operation
from api.problems import Problem

PROMPT_SECONDS = 10.0
BLANK_SECONDS = 10.0
LONGEST_SECONDS = 600.0
AT_ONCE = 3
MAX_WAITING = 20  # those at work included
RETRY_AFTER_SECONDS = 30

Work = Callable[[], Awaitable[Response]]


class LongAnswers:
    """Those of one process."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def answer(
        self, work: Work, media_type: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> Response:
        """What the work answers, or the beginning of it; raises Problem overloaded.

        The body of the request has been read: while an answer is late, only the caller's leaving is listened for.
        """
        if self._waiting >= MAX_WAITING:
            detail = "too many reports and previews are asked for"
            raise Problem("overloaded", detail, retry_after_seconds=RETRY_AFTER_SECONDS)
        working = asyncio.create_task(self._take_turn(work))
        await asyncio.wait((working,), timeout=PROMPT_SECONDS)
        return working.result() if working.done() else Late(working, media_type, headers)

    async def _take_turn(self, work: Work) -> Response:
        self._waiting += 1
        try:
            async with asyncio.timeout(LONGEST_SECONDS), self._turns:
                return await work()
        finally:
            self._waiting -= 1


class Late(Response):
    """Blanks, and then what the task answers."""

    def __init__(self, working: asyncio.Task[Response], media_type: str, headers: Mapping[str, str] | None) -> None:
        super().__init__(headers=headers, media_type=media_type)
        del self.headers["content-length"]
        self._working = working

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        leaving = asyncio.create_task(_left(receive))
        try:
            while not self._working.done() and not leaving.done():
                await send({"type": "http.response.body", "body": b" ", "more_body": True})
                either = (self._working, leaving)
                await asyncio.wait(either, timeout=BLANK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            self._working.cancel()
        if not leaving.done():
            await send({"type": "http.response.body", "body": (await self._working).body})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class LongOperation(Operation):
    """A route whose answer may take minutes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def patient(request: Request) -> Response:
            answers: LongAnswers = request.app.state.backends.long_answers
            return await answers.answer(lambda: handle(request))

        return patient
