"""The server process: the console with its two listeners, and the broker when it is asked to.

The only importer of uvicorn.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from asyncio import BaseTransport
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from device.paths import assets_dir, repository_root
from fleet.authority import DEFAULT_CHAIN, Authority
from fleet.broker import write_config
from fleet.console.access import api_token
from fleet.console.console import Console, open_console
from fleet.console.routes import BOX_ROUTES, CONSOLE_ROUTES, error_page
from fleet.console.sockets import PACKET_BYTES_MAX
from fleet.console.web import build_app
from fleet.places import FleetPlaces
from fleet.studio import SpeechStudio, Studio
from ota.clock import Deadline, sleep_s
from ota.errors import Refused, VitrineError
from ota.files import write_durable
from ota.heap import use_few_arenas

FIRST_PROGRAMME = "tea-shop"
SHUTDOWN_S = 1
FRESHEN_S = 3600.0
BROKER_START_S = 10.0


def prepare(
    state: Path,
    chain: str,
    host: str,
    broker_port: int,
    https_port: int,
    http_port: int,
    preview_url: str = "",
) -> FleetPlaces:
    """Keys, certificates and addresses under `state`; safe to call again with other ports."""
    places = FleetPlaces(state.absolute())
    settings = Authority.open_or_create(places.state, chain).settings
    settings = msgspec.structs.replace(
        settings,
        host=host,
        broker_port=broker_port,
        https_port=https_port,
        http_port=http_port,
        programme=settings.programme or FIRST_PROGRAMME,
        preview_url=preview_url or settings.preview_url,
    )
    if settings != places.read_settings():
        places.write_settings(settings)
    copy_likeness_keys(places)
    return places


def copy_likeness_keys(places: FleetPlaces) -> None:
    """Trust the keys that signed the consents of the avatars shipped with the software."""
    places.likeness_keys.mkdir(parents=True, exist_ok=True)
    for found in sorted((repository_root() / "models" / "avatars").glob("*.pub")):
        write_durable(places.likeness_keys / f"{found.stem}.pem", found.read_bytes())


def run(
    state: Path,
    chain: str = DEFAULT_CHAIN,
    host: str = "127.0.0.1",
    http_port: int = 8080,
    https_port: int = 8443,
    broker_port: int = 8883,
    with_broker: bool = False,
    first: Path | None = None,
    studio: Studio | None = None,
    bind: str = "127.0.0.1",
    preview_url: str = "",
    started: Callable[[Console, Callable[[], None]], None] | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code. Blocks.

    Boxes reach the HTTPS listener at `bind`:`https_port` under the name `host`; the console page
    listens on loopback only. Once both are answered, `started` is given the console and a function
    that ends the serving.
    Raises Refused when a port is taken or a part cannot be made.
    """
    use_few_arenas()
    if threading.current_thread() is threading.main_thread():
        # Until the loop takes the signals: leave through the doors, so that no broker stays behind.
        signal.signal(signal.SIGTERM, _leave)
    http = listening_socket("127.0.0.1", http_port)
    https = listening_socket(bind, https_port)
    http_port, https_port = http.getsockname()[1], https.getsockname()[1]
    places = prepare(state, chain, host, broker_port, https_port, http_port, preview_url)
    folder = first or repository_root() / "programmes" / FIRST_PROGRAMME
    console = open_console(
        places, studio or SpeechStudio(assets_dir()), api_token(places.state / "api-token")
    )
    with _broker(places.state, broker_port) if with_broker else nullcontext():
        say(f"console   http://127.0.0.1:{http_port}/")
        say(f"boxes     https://{host}:{https_port}/  (CA {console.authority.ca_path})")
        say(f"broker    mqtts://{host}:{broker_port}")
        console.start(folder if (folder / "programme.json").exists() else None)
        try:
            asyncio.run(_serve(console, http, https, started))
        finally:
            console.stop()
    if console.publisher.is_busy and threading.current_thread() is threading.main_thread():
        # A thread inside the synthesiser would make the interpreter's own end abort.
        sys.stderr.flush()
        os._exit(0)
    return 0


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes any. Raises Refused when the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Refused(
            f"Port {port} on {host} cannot be used ({error.strerror}); choose another one."
        ) from error
    listener.set_inheritable(False)
    return listener


def say(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def _leave(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


class _LiveProtocol(WebSocketsSansIOProtocol):
    """Tells the application whose verified certificate is at the other end."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        peer, app = peer_of(tls.getpeercert() if tls is not None else None), self.app

        async def told(scope: Any, receive: Any, send: Any) -> None:
            extensions = {**scope.get("extensions", {}), "vitrine.peer": peer}
            await app({**scope, "extensions": extensions}, receive, send)

        self.app = told


def peer_of(certificate: Mapping[str, Any] | None) -> tuple[str, int]:
    """Common name and serial number of a verified certificate as `ssl` gives it; ("", -1) of
    none."""
    found = certificate or {}
    names = [value for part in found.get("subject", ()) for key, value in part
             if key == "commonName"]
    return (str(names[0]), int(found["serialNumber"], 16)) if names else ("", -1)


class _Listener(uvicorn.Server):
    """Two servers share the loop: the signals are taken once, outside."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    console: Console,
    http: socket.socket,
    https: socket.socket,
    started: Callable[[Console, Callable[[], None]], None] | None,
) -> None:
    plain = _Listener(_config(build_app(console, CONSOLE_ROUTES, False, error_page)))
    config = _config(
        build_app(console, BOX_ROUTES, True, error_page),
        ssl_certfile=str(console.places.https / "cert.pem"),
        ssl_keyfile=str(console.places.https / "key.pem"),
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        # Asked for, needed only at the live relay: a new box has none yet.
        ssl_cert_reqs=ssl.CERT_OPTIONAL,
        ssl_ca_certs=str(console.authority.ca_path),
    )
    secure = _Listener(config)

    def stop() -> None:
        console.hub.close()
        console.relay.close_all()
        plain.should_exit = secure.should_exit = True

    loop = asyncio.get_running_loop()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)

    async def tell() -> None:
        await plain.listening.wait()
        await secure.listening.wait()
        if started is not None:
            started(console, partial(_later, loop, stop))

    beside = [loop.create_task(tell()), loop.create_task(_keep_fresh(console))]
    try:
        await asyncio.gather(plain.serve([http]), secure.serve([https]))
    finally:
        for task in beside:
            task.cancel()


def _later(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop)


def _config(app: object, **more: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=512,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ws=_LiveProtocol,
        ws_max_size=PACKET_BYTES_MAX,
        ws_per_message_deflate=False,
        **more,  # type: ignore[arg-type]
    )


async def _keep_fresh(console: Console) -> None:
    """Sign snapshot and timestamp again before they run out; once a day prune what is old."""
    while True:
        try:
            await asyncio.to_thread(console.repository.keep_fresh)
        except VitrineError as error:
            say(f"The signed lists could not be renewed: {error}")
        await asyncio.to_thread(console.pruner.when_due)
        if console.pruner.trouble:
            say(f"The repository could not be pruned: {console.pruner.trouble}")
        await asyncio.sleep(FRESHEN_S)


@contextmanager
def _broker(state: Path, port: int) -> Iterator[None]:
    listening_socket("127.0.0.1", port).close()
    process = subprocess.Popen(write_config(state, port))
    try:
        deadline = Deadline(BROKER_START_S)
        while not _answers(port):
            if process.poll() is not None or deadline.passed:
                raise Refused(
                    f"The broker did not start on port {port}; see {state / 'broker/broker.log'}."
                )
            sleep_s(0.05)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False
