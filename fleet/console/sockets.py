"""The console's WebSockets: a page that watches or speaks, and the box that was asked for it.

Beside `web.py` the only importer of Starlette.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from device.live.wire import STATE, VOICE, VOICE_BYTES_MAX, LiveState, state_packet
from fleet.console.access import CSRF_COOKIE, person_of
from fleet.console.ask import Ask
from fleet.console.console import Console
from fleet.relay import JOIN_S, SESSION_S_MAX, Mail, Session, put, sealed_grant
from ota.clock import monotonic_s, utc_now
from ota.errors import VitrineError

HELLO_S, HELLO_CHARS_MAX = 5.0, 1024
PACKET_BYTES_MAX = 64 << 10
SPEAKERS = frozenset({"operator", "admin"})
FORBIDDEN, BUSY = 4403, 4409
NO_ANSWER = "这块屏幕没有应答 / This screen does not answer."
ANSWERED = "这块屏幕拒绝了:{} / The screen refused."


class Hello(msgspec.Struct):
    """The page's first message: the token of its forms, and whether it wants to speak."""

    csrf: str
    speak: bool = False


def socket_routes(console: Console, secure: bool) -> list[WebSocketRoute]:
    """Pages reach the loopback listener, boxes the HTTPS one with their certificate."""
    if secure:
        return [WebSocketRoute("/live/box/{session}", _box_end(console))]
    return [WebSocketRoute("/screens/{box}/live", _page_end(console))]


def box_of(console: Console, scope: Any) -> str:
    """The box whose good certificate is at the other end (see serve.py); "" for anybody else."""
    name, serial = scope.get("extensions", {}).get("vitrine.peer", ("", -1))
    issued = console.authority.issued(name) if name and console.boxes.get(name) else None
    return name if issued is not None and int(issued.serial) == serial else ""


def _page_end(console: Console) -> Callable[[WebSocket], Coroutine[Any, Any, None]]:
    async def endpoint(socket: WebSocket) -> None:
        ask = _ask_of(socket)
        person = person_of(ask, console.token)
        same = urlsplit(ask.headers.get("origin", "")).netloc == ask.headers.get("host", "")
        if "viewer" not in person.roles or not same:
            await socket.close(FORBIDDEN)
            return
        await socket.accept()
        hello = await _hello(socket)
        cookie = ask.cookies.get(CSRF_COOKIE, "")
        mine = hello is not None and len(cookie) >= 16 and hmac.compare_digest(
            cookie.encode(), hello.csrf.encode())
        if hello is None or not mine or (hello.speak and not SPEAKERS & person.roles):
            await socket.close(FORBIDDEN)
            return
        box = str(socket.path_params["box"])
        try:
            session = console.relay.open(box, person.name, hello.speak)
        except VitrineError as error:
            await _say_end(socket, str(error))
            return
        try:
            await _Takeover(console, socket, session).run()
        finally:
            console.relay.close(session)

    return endpoint


class _Takeover:
    """One page's session from the order to the audit's last line."""

    def __init__(self, console: Console, socket: WebSocket, session: Session) -> None:
        self._console, self._socket, self._session = console, socket, session
        self._on_since_s: float | None = None

    async def run(self) -> None:
        """Ask the box, carry both ways until one of the three hangs up."""
        session = self._session
        asked = asyncio.create_task(self._ask_box())
        carried = [asyncio.create_task(self._from_page()), asyncio.create_task(self._to_page())]
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(session.over.wait(), SESSION_S_MAX)
        finally:
            for task in (asked, *carried):
                task.cancel()
            await asyncio.gather(asked, *carried, return_exceptions=True)
            await self._note_end()
        await _say_end(self._socket, session.why)

    async def _ask_box(self) -> None:
        console, session = self._console, self._session
        envelope = sealed_grant(
            console.authority.settings.chain, session, console.authority.desired_key, utc_now())
        try:
            order_id = await run_in_threadpool(
                console.orders.send, session.box, "live", {"envelope": envelope}, session.who,
                session.speaks)
            await asyncio.wait_for(session.joined.wait(), JOIN_S)
        except VitrineError as error:
            session.end(str(error))
        except asyncio.TimeoutError:
            line = await run_in_threadpool(console.orders.wait, order_id, 0.0)
            refused = line is not None and line.ok is False
            session.end(ANSWERED.format(line.result.get("error", "")) if line and refused
                        else NO_ANSWER)

    async def _from_page(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                data = await self._socket.receive_bytes()
                if self._session.speaks and data[:1] == VOICE and len(data) <= VOICE_BYTES_MAX:
                    put(self._session.to_box, data)
        self._session.end("operator")

    async def _to_page(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                data = await self._session.to_page.get()
                if data[:1] == STATE:
                    await self._look_at(data)
                await self._socket.send_bytes(data)
        self._session.end("operator")

    async def _look_at(self, data: bytes) -> None:
        """The audit begins when the box says that the voice is on the air."""
        try:
            state = msgspec.json.decode(data[9:], type=LiveState)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if state.phase == "on" and self._on_since_s is None:
            self._on_since_s = monotonic_s()
            await self._note("live.begun", {})
        elif state.phase == "end":
            self._session.end(state.why or "operator")

    async def _note_end(self) -> None:
        if self._on_since_s is not None:
            seconds = round(monotonic_s() - self._on_since_s, 1)
            await self._note("live.ended", {"seconds": seconds, "why": self._session.why})

    async def _note(self, what: str, detail: dict[str, Any]) -> None:
        session = self._session
        await run_in_threadpool(
            self._console.journal.note, session.who, what, session.box, utc_now(), detail)
        self._console.hub.announce("box", session.box)


def _box_end(console: Console) -> Callable[[WebSocket], Coroutine[Any, Any, None]]:
    async def endpoint(socket: WebSocket) -> None:
        box = await run_in_threadpool(box_of, console, socket.scope)
        session = console.relay.join(str(socket.path_params["session"]), box) if box else None
        if session is None:
            await socket.close(FORBIDDEN)
            return
        await socket.accept()
        ends = [asyncio.create_task(_into(socket, session.to_page)),
                asyncio.create_task(_out_of(socket, session.to_box)),
                asyncio.create_task(session.over.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            await asyncio.sleep(0)
            session.end("box")
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close()

    return endpoint


async def _into(socket: WebSocket, mail: Mail) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, KeyError):
        while True:
            data = await socket.receive_bytes()
            if len(data) <= PACKET_BYTES_MAX:
                put(mail, data)


async def _out_of(socket: WebSocket, mail: Mail) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_bytes(await mail.get())


async def _hello(socket: WebSocket) -> Hello | None:
    try:
        text = await asyncio.wait_for(socket.receive_text(), HELLO_S)
        return msgspec.json.decode(text[:HELLO_CHARS_MAX], type=Hello)
    except (asyncio.TimeoutError, WebSocketDisconnect, KeyError, RuntimeError,
            msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


async def _say_end(socket: WebSocket, why: str) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await socket.send_bytes(state_packet(LiveState(phase="end", why=why)))
        await socket.close()


def _ask_of(socket: WebSocket) -> Ask:
    return Ask(
        method="GET", path=socket.url.path, parts={}, query={}, form={}, body=b"",
        cookies=dict(socket.cookies),
        headers={key.lower(): value for key, value in socket.headers.items()},
        peer=socket.client.host if socket.client else "", secure=False,
    )
