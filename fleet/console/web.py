"""Turns requests into `Ask`, answers into responses; imports Starlette, as `sockets.py` does.

Handlers are plain functions run in a thread pool. Every body is bounded, every page carries the
headers that keep scripts and frames of others out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp

from fleet.console.access import CSRF_COOKIE, is_forged, new_csrf, person_of
from fleet.console.ask import BODY_BYTES_MAX, Answer, Ask, NotFound, Route, json_answer
from fleet.console.console import Console
from fleet.console.sockets import socket_routes
from fleet.live import CLOSING, News
from fleet.publisher import NotPlayable
from ota.errors import Retry, VitrineError

FORM_FIELDS_MAX = 6000
NEWS_WAITING_MAX = 64
SSE_BEAT_S = 20.0
YEAR = "public, max-age=31536000, immutable"
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
}
ErrorPage = Callable[[Console, Ask, int, str], Answer]


def build_app(
    console: Console, routes: Sequence[Route], secure: bool, error_page: ErrorPage
) -> ASGIApp:
    """The application of one listener; `secure` is the HTTPS one that boxes reach."""
    table: list[BaseRoute] = [
        StarletteRoute(
            route.path, _endpoint(console, route, secure, error_page), methods=[route.method]
        )
        for route in routes
    ]
    table.append(StarletteRoute("/tuf/{path:path}", _tuf(console.places.tuf), methods=["GET"]))
    table.extend(socket_routes(console, secure))
    if not secure:
        table.append(StarletteRoute("/live", _live(console), methods=["GET"]))

    async def missing(request: Request, _error: Exception) -> Response:
        ask = await _ask(request, secure, console.token)
        if request.url.path.startswith(("/api/", "/tuf/", "/enrol")) or secure:
            return _response(json_answer({"error": "There is no such address."}, 404), ask)
        return _response(error_page(console, ask, 404, ""), ask)

    async def broken(request: Request, _error: Exception) -> Response:
        sentence = "The server failed at this; its log says why."
        if request.url.path.startswith("/api/") or secure:
            return Response(json.dumps({"error": sentence}), 500, media_type="application/json")
        return Response(sentence, 500, media_type="text/plain")

    return Starlette(routes=table, exception_handlers={404: missing, 500: broken})


def _endpoint(
    console: Console, route: Route, secure: bool, error_page: ErrorPage
) -> Callable[[Request], Awaitable[Response]]:
    def fail(ask: Ask, status: int, sentence: str, **more: object) -> Answer:
        if route.is_api or secure:
            return json_answer({"error": sentence, **more}, status)
        return error_page(console, ask, status, sentence)

    def work(ask: Ask) -> Answer:
        if not route.open_to_boxes and "admin" not in ask.person.roles:
            return fail(ask, 401, "This needs the local console or the token of state/api-token.")
        if not route.open_to_boxes and is_forged(ask):
            return fail(ask, 403, "The form is too old or came from elsewhere; load it again.")
        try:
            return route.handler(console, ask)
        except NotFound:
            return fail(ask, 404, "There is no such thing here.")
        except NotPlayable as error:
            return fail(ask, 422, str(error), faults=[asdict(fault) for fault in error.faults])
        except Retry as error:
            return fail(ask, 503, str(error))
        except VitrineError as error:
            return fail(ask, 422, str(error))

    async def endpoint(request: Request) -> Response:
        try:
            ask = await _ask(request, secure, console.token)
        except _TooLarge:
            return Response(b'{"error": "The request is too large."}', 413)
        except ClientDisconnect:
            return Response(status_code=400)
        answer = await run_in_threadpool(work, ask)
        return _response(answer, ask)

    return endpoint


class _TooLarge(Exception):
    """A body over the limit."""


async def _ask(request: Request, secure: bool, token: str) -> Ask:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise _TooLarge
    form: dict[str, str] = {}
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        pairs = parse_qsl(
            body.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=FORM_FIELDS_MAX,
        )
        form = dict(pairs)
    ask = Ask(
        method=request.method,
        path=request.url.path,
        parts={key: str(value) for key, value in request.path_params.items()},
        query=dict(request.query_params),
        form=form,
        body=bytes(body),
        cookies=dict(request.cookies),
        headers={key.lower(): value for key, value in request.headers.items()},
        peer=request.client.host if request.client else "",
        secure=secure,
    )
    if CSRF_COOKIE not in ask.cookies:
        ask = replace(ask, cookies={**ask.cookies, CSRF_COOKIE: ""})
    return replace(ask, person=person_of(ask, token))


def _response(answer: Answer, ask: Ask) -> Response:
    response: Response
    if answer.file is not None:
        response = FileResponse(answer.file, media_type=answer.media_type)
    else:
        response = Response(answer.body, answer.status, media_type=answer.media_type)
    response.headers.update(HEADERS)
    if answer.file is None:
        response.headers["cache-control"] = "no-store"
    response.headers.update(answer.headers)
    for name, value in answer.cookies.items():
        response.set_cookie(name, value, max_age=31_536_000, httponly=True, samesite="strict")
    return response


def _tuf(folder: Path) -> Callable[[Request], Awaitable[Response]]:
    root = folder.resolve()

    async def endpoint(request: Request) -> Response:
        relative = str(request.path_params["path"])
        path = (root / relative).resolve()
        hidden = any(part.startswith(".") for part in relative.split("/"))
        served = relative.startswith(("metadata/", "targets/")) and not hidden
        if not served or not path.is_relative_to(root) or not path.is_file():
            return Response(b'{"error": "There is no such file."}', 404)
        # Names with a hash or a version never change; the timestamp is the only one that does.
        cache = "no-cache" if path.name == "timestamp.json" else YEAR
        kind = "application/json" if path.suffix == ".json" else "application/octet-stream"
        return FileResponse(path, media_type=kind, headers={"cache-control": cache})

    return endpoint


def _live(console: Console) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        ask = await _ask(request, False, console.token)
        if "viewer" not in ask.person.roles:
            return Response(status_code=401)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[News] = asyncio.Queue(NEWS_WAITING_MAX)

        def put(news: News) -> None:
            if news.topic == CLOSING and waiting.full():
                waiting.get_nowait()
            if not waiting.full():
                waiting.put_nowait(news)

        def deliver(news: News) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(put, news)

        number = console.hub.join(deliver)
        if number is None:
            return Response(status_code=503)

        async def stream() -> AsyncIterator[bytes]:
            try:
                yield b"retry: 2000\n\n"
                while True:
                    try:
                        news = await asyncio.wait_for(waiting.get(), SSE_BEAT_S)
                        if news.topic == CLOSING:
                            return
                        yield f"data: {json.dumps(asdict(news))}\n\n".encode()
                    except asyncio.TimeoutError:
                        yield b": here\n\n"
            finally:
                console.hub.leave(number)

        headers = {**HEADERS, "cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)

    return endpoint


def fresh_csrf(ask: Ask) -> tuple[str, dict[str, str]]:
    """The reader's form token, and the cookie to set when there was none."""
    token = ask.cookies.get(CSRF_COOKIE, "")
    if len(token) >= 16:
        return token, {}
    token = new_csrf()
    return token, {CSRF_COOKIE: token}
