"""A chain's server and boxes in one folder, to count what a publish costs on the wire."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from cli.benches.stand import free_port
from device.agent import AgentSettings, make_content, make_neighbours
from device.messages import ProgrammeWanted
from device.paths import Places
from device.sync.content import Content
from device.sync.identity import load_identity
from fleet import serve
from fleet.console.console import Console
from ota.box.store import Store
from ota.clock import Deadline, sleep_s, utc_now
from ota.errors import Retry
from ota.files import sha256_file
from ota.floor import FloorClock
from ota.formats.shortcuts import CHUNKED_FROM_BYTES
from provisioning import identity_store, x509
from provisioning.enrol import EnrolAnswer, checked_files
from provisioning.tickets import read_ticket

START_S = 40.0
PROGRAMME = "bench"
LINES = 200
LANGUAGES = ("zh-CN", "en-US")


class ClipStudio:
    """Gives out the clips that lie in the draft's folder."""

    def warm(self) -> None:
        """Nothing to load."""

    def check(self, folder: Path, now: object) -> list[Any]:
        """The box checks."""
        return []

    def build(self, folder: Path, progress: object, stores: object) -> dict[str, Any]:
        """An index as `programme build` makes it."""
        files = {}
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name != "index.json":
                files[name] = {"sha256": sha256_file(path), "bytes": path.stat().st_size}
        document = msgspec.json.decode((folder / "programme.json").read_bytes())
        speech = {
            f"segment/{segment['id']}/{language}/0": {
                "file": clip_name(text), "text": text, "language": language,
                "duration_ms": 3000, "starts_ms": list(range(0, 3000, 150)),
            }
            for segment in document["segments"] for language, text in segment["say"].items()
        }
        return {"schema": 1, "files": files, "speech": speech}


def clip_name(text: str) -> str:
    """The clip of a sentence."""
    return f"speech/{hashlib.sha256(text.encode()).hexdigest()[:16]}.opus"


def write_programme(
    folder: Path, said: Callable[[int, str], str], lines: int = LINES
) -> int:
    """A programme of so many lines in two languages, its clips as long as real ones; returns how
    many bytes of clips are new."""
    segments = [
        {"id": f"line-{n}", "say": {language: said(n, language) for language in LANGUAGES}}
        for n in range(lines)
    ]
    document = {
        "schema": 1, "id": PROGRAMME, "version": 1, "languages": list(LANGUAGES),
        "segments": segments, "fallback": {"say": {"zh-CN": "请问一下店员好吗?"}},
        "schedule": [{"days": "mon-sun", "from": "00:00", "until": "24:00",
                      "play": [segment["id"] for segment in segments]}],
    }
    (folder / "speech").mkdir(parents=True, exist_ok=True)
    data = msgspec.json.format(msgspec.json.encode(document), indent=1)
    (folder / "programme.json").write_bytes(data)
    new_bytes, kept = 0, set()
    for segment in segments:
        for text in segment["say"].values():  # type: ignore[attr-defined]
            path = folder / clip_name(text)
            kept.add(path)
            if not path.exists():
                length_bytes = random.Random(text).randint(12_000, 24_000)
                path.write_bytes(os.urandom(length_bytes))
                new_bytes += length_bytes
    for path in set((folder / "speech").iterdir()) - kept:
        path.unlink()
    return new_bytes


class ContentShop:
    """with ContentShop(folder) as shop: the console's own HTTPS server, and boxes of the chain."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.console: Console | None = None
        self._stop: Callable[[], None] = lambda: None
        self._stack = ExitStack()
        self.https_port = 0

    def __enter__(self) -> ContentShop:
        with self._stack:
            self._serve()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def draft(self) -> Path:
        """The folder that is published."""
        assert self.console is not None
        return self.console.places.draft(PROGRAMME)

    def publish(self) -> ProgrammeWanted:
        """Publish the draft by the console's publisher."""
        assert self.console is not None
        self.console.programmes.add(PROGRAMME)
        version = self.console.publisher.publish(PROGRAMME, "bench")
        return ProgrammeWanted(target=version.target, version=version.version)

    def box(self, name: str, port: int, share: bool = False) -> Content:
        """A newly enrolled box that reaches the server at `port` of the loopback."""
        places = Places(self.folder / name)
        console = self.console
        assert console is not None
        _, text = console.authority.ticket(name)
        key = x509.new_key()
        answer = msgspec.convert(
            console.authority.enrol(text, x509.request_for(key, name).decode()), EnrolAnswer)
        files, _ = checked_files(
            answer, read_ticket(text, utc_now()), key, console.authority.ca_pem, utc_now())
        made = identity_store.new_folder(places)
        identity_store.write_files(made, {"key.pem": key, **files})
        identity_store.switch_to(places, made, name)
        identity = load_identity(places.identity)
        url = f"https://127.0.0.1:{port}/tuf"
        identity = replace(identity, box=msgspec.structs.replace(identity.box, content_url=url))
        clock = FloorClock(places.var / "clock")
        settings = AgentSettings(share=share)
        neighbours = make_neighbours(places, identity, clock, settings)
        if neighbours is not None:
            neighbours.start()
            self._stack.callback(neighbours.stop)
        return make_content(places, identity, clock, neighbours)

    def give_clips(self, name: str) -> None:
        """Lay into a box's store what it would have fetched long ago: all small content."""
        assert self.console is not None
        store = Store(Places(self.folder / name).content, 1 << 40)
        for path in self.console.places.content.iterdir():
            if path.stat().st_size < CHUNKED_FROM_BYTES:
                store.path(path.name).parent.mkdir(parents=True, exist_ok=True)
                os.link(path, store.path(path.name))

    def _serve(self) -> None:
        up = threading.Event()
        http, self.https_port, broker = (free_port() for _ in range(3))

        def started(console: Console, stop: Callable[[], None]) -> None:
            self.console, self._stop = console, stop
            up.set()

        thread = threading.Thread(target=serve.run, daemon=True, kwargs={
            "state": self.folder / "fleet", "http_port": http, "https_port": self.https_port,
            "broker_port": broker, "with_broker": False, "first": self.folder / "none",
            "studio": ClipStudio(), "started": started})
        thread.start()
        deadline = Deadline(START_S)
        while not up.is_set():
            if deadline.passed or not thread.is_alive():
                raise Retry(f"The server did not start; see {self.folder}.")
            sleep_s(0.05)
        self._stack.callback(thread.join, 10)
        self._stack.callback(lambda: self._stop())
