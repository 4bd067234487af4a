"""A chain's own speech server: asked for each sentence, believed only as far as can be heard."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from device.audio.soundfiles import read
from device.programme.build import build
from device.tts.endpoint import Endpoint, EndpointVoice
from device.tts.loudness import TARGET_LUFS
from device.tts.r128 import integrated_lufs
from device.tts.speakers import Speakers, endpoints
from ota.errors import Refused
from tests.sim.hummer import SMALL, Hummer, write


def wav(seconds: float, rate_hz: int = 22_050, level: float = 0.05) -> bytes:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    sound = level * np.sin(2 * np.pi * 220 * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    quiet = np.zeros(rate_hz // 2)
    out = io.BytesIO()
    soundfile.write(out, np.concatenate([quiet, sound, quiet]), rate_hz, "PCM_16", format="WAV")
    return out.getvalue()


@dataclass
class Server:
    """A speech server on this machine; `answers` are (status, body), the last one for ever."""

    answers: list[tuple[int, bytes]]
    asked: list[dict[str, object]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    url: str = ""
    hold: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server([(200, wav(1.2))])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append({"path": self.path, **json.loads(body)})
            state.keys.append(self.headers["Authorization"])
            status, data = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            if status == 0:
                state.hold.wait(10)
                return
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", state.url + "/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            return None

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}/v1"
    yield state
    state.hold.set()
    http.shutdown()
    thread.join()
    http.server_close()


def engine(server: Server, timeout_s: float = 10.0) -> EndpointVoice:
    return EndpointVoice(
        Endpoint(server.url, "cosy", "anna", "secret", timeout_s), "zh-CN", lambda seconds: None)


def test_numbers_go_as_words_and_the_answer_is_trimmed_and_levelled(server: Server) -> None:
    speech = engine(server).synthesise("明前龙井¥128。", "zh-CN")
    assert server.asked == [{
        "path": "/v1/audio/speech", "model": "cosy", "input": "明前龙井一百二十八元。",
        "voice": "anna", "response_format": "wav", "speed": 1.0}]
    assert server.keys == ["Bearer secret"]
    assert 1200 < speech.duration_ms < 1450, "half a second of silence on each side is gone"
    assert integrated_lufs(speech.samples, speech.sample_rate_hz) == pytest.approx(
        TARGET_LUFS, abs=0.2)
    assert speech.words == speech.phonemes == ()


def test_a_busy_server_is_asked_once_more(server: Server) -> None:
    server.answers.insert(0, (503, b"busy"))
    assert engine(server).synthesise("好。", "zh-CN").duration_ms > 1000
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, b"", "does not accept the key"),
        (404, b"", "no /audio/speech"),
        (302, b"", "elsewhere"),
        (500, b"oh", "answered with an error"),
        (200, b"", "no sound"),
        (200, b"<html>Welcome</html>", "no sound"),
        (200, wav(30), "30|31"),
        (200, wav(1, level=0.0), "no sound"),
        (200, b"R" * (17 << 20), "16 MB"),
    ],
    ids=["key", "path", "redirect", "error", "empty", "page", "endless", "silent", "huge"],
)
def test_what_is_no_speech_is_refused_in_a_sentence(
    server: Server, status: int, body: bytes, says: str
) -> None:
    server.answers = [(status, body)]
    with pytest.raises(Refused, match=says) as refused:
        engine(server).synthesise("好。", "zh-CN")
    assert "127.0.0.1" in str(refused.value) and "secret" not in str(refused.value)
    assert all(asked["path"] == "/v1/audio/speech" for asked in server.asked)


def test_a_server_that_hangs_or_is_not_there_does_not_hold_the_build(server: Server) -> None:
    server.answers = [(0, b"")]
    with pytest.raises(Refused, match="in time"):
        engine(server, timeout_s=0.1).synthesise("好。", "zh-CN")
    nobody = EndpointVoice(
        Endpoint("http://127.0.0.1:9/v1", "m", "v"), "zh-CN", lambda seconds: None)
    with pytest.raises(Refused, match="cannot be reached"):
        nobody.synthesise("好。", "zh-CN")


def test_only_its_language_is_asked_and_only_once(server: Server, tmp_path: Path) -> None:
    write(tmp_path, {**SMALL, "products": [], "segments": SMALL["segments"][:1],
                     "voices": {"zh-CN": "zm_yunxi"}})
    own = Hummer()
    index = build(tmp_path, Speakers(own, {"zh-CN": engine(server)}))
    assert own.said and all(text.isascii() for text in own.said)
    assert {asked["input"] for asked in server.asked} == {
        "欢迎来到总店。", "请看。", "在这里。", "不知道。"}
    assert {asked["voice"] for asked in server.asked} == {"anna"}, "a voice of the box's own"
    chinese = index.speech["answer/where/zh-CN/0"]
    assert chinese.by == "speech-endpoint/1 cosy" and index.speech["answer/where/en-US/0"].by == ""
    assert len(read(tmp_path / chinese.file, 48_000)) > 48_000
    count = len(server.asked)
    build(tmp_path, Speakers(own, {"zh-CN": engine(server)}))
    assert len(server.asked) == count


def test_settings_name_the_server_and_its_key(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "speech.json"
    (tmp_path / "key").write_text("secret\n")
    entry = {"url": server.url, "model": "m", "voice": "v", "key_file": "key"}
    path.write_text(json.dumps({"zh-CN": entry}))
    found = endpoints(path)
    assert found["zh-CN"].synthesise("好。", "zh-CN").samples.size
    assert server.keys == ["Bearer secret"]
    for wrong, says in (
        ({**entry, "modle": "m"}, "modle"), ({**entry, "key_file": "none"}, "key file"),
        ({**entry, "url": "file:///etc"}, "no address"), ({**entry, "timeout_s": 900}, "seconds"),
        ({**entry, "url": "http://speech.example.com/v1"}, "in the open"),
    ):
        path.write_text(json.dumps({"zh-CN": wrong}))
        with pytest.raises(Refused, match=says):
            endpoints(path)
    with pytest.raises(Refused, match="cannot be read"):
        endpoints(tmp_path / "none.json")
