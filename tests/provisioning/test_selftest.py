"""The self-test that a layman reads: a real tone through PortAudio, and what each fault says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli.sound import SPEAKER_SINK, VirtualSound, virtual_sound
from device.hal.sim import SimBox
from device.paths import Places
from device.selftest import checks
from device.selftest.finding import as_lines
from device.selftest.run import NAMES, run_checks
from device.selftest.sound import (
    microphone_finding,
    sound_finding,
    tone,
    tone_share_db,
)
from ota.errors import Refused
from provisioning.selftest import plain_lines
from tests.provisioning.server import ROOT, vitrine
from tests.sim.chain import wait_until
from tests.sim.sound import start_server


@pytest.fixture
def sound(tmp_path: Path) -> Iterator[VirtualSound]:
    made = virtual_sound(tmp_path / "s")
    process = subprocess.Popen(made.command, env={**os.environ, **made.environment},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(made.socket.exists, 15, "the sound server")
        yield made
    finally:
        process.terminate()
        process.wait(timeout=10)


def check(
    sound: VirtualSound, root: Path, *names: str, **more: str
) -> dict[str, dict[str, object]]:
    command = [sys.executable, "-m", "cli", "device", "check", "--json"]
    for name in names:
        command += ["--only", name]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **sound.environment, "VITRINE_ROOT": str(root), **more},
    )
    assert done.stdout, done.stderr
    return {each["id"]: each for each in json.loads(done.stdout)["checks"]}


@pytest.mark.alone
def test_the_tone_goes_out_through_portaudio_and_is_heard_again(
    sound: VirtualSound, tmp_path: Path
) -> None:
    found = check(sound, tmp_path, "sound", "microphone", PULSE_SOURCE=f"{SPEAKER_SINK}.monitor")
    assert found["sound"]["ok"] is True, found
    assert found["sound"]["facts"]["tone_db"] > 10  # type: ignore[index]
    assert found["microphone"]["ok"] is True


def test_a_microphone_that_hears_nothing_is_a_question_to_the_person(
    sound: VirtualSound, tmp_path: Path
) -> None:
    found = check(sound, tmp_path, "sound", "microphone")  # the microphone is not the monitor
    assert found["sound"]["ok"] is None and "beep" in str(found["sound"]["next_en"]), found
    heard = found["microphone"]
    assert heard["ok"] is None and "静音" in str(heard["next_zh"]), found


HELD = """
import os, signal, sys, threading
from device.audio.capture import Capture
from device.audio.speaker import Speaker
from device.selftest.sound import check_sound
of, name = {"play": (Speaker, "play"), "open": (Capture, "_open")}[sys.argv[2]]
do = getattr(of, name)
def do_and_hold(*given, **named):
    found = do(*given, **named)
    for after_s, what in zip(map(float, sys.argv[3:]), (signal.SIGSTOP, signal.SIGCONT)):
        threading.Timer(after_s, os.kill, (int(sys.argv[1]), what)).start()
    return found
setattr(of, name, do_and_hold)
print([found.ok for found in check_sound()])
"""


@pytest.mark.parametrize("held", [("play", "1.15", "2.3"), ("open", "0", "4")])
def test_a_sound_server_that_is_held_up_is_no_broken_loudspeaker(
    tmp_path: Path, held: tuple[str, ...]
) -> None:
    """After the tone; and while it wakes up, so long that the loudspeaker is opened anew, which
    must not take the microphone away."""
    made = virtual_sound(tmp_path / "s")
    server = start_server(made)
    try:
        done = subprocess.run(
            [sys.executable, "-c", HELD, str(server.pid), *held], cwd=ROOT, capture_output=True,
            text=True, timeout=60, check=True, env={**os.environ, **made.environment})
        assert done.stdout == "[None, None]\n"
    finally:
        server.kill()
        server.wait(10)


def test_a_tone_is_told_from_noise_and_from_silence() -> None:
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 0.05, 16_000).astype(np.float32)
    share = tone_share_db(noise, 1000.0, 16_000)
    assert share is not None and share < -10
    mixed = tone_share_db(tone(1000.0, 1.0, 16_000) + noise, 1000.0, 16_000)
    other = tone_share_db(tone(1500.0, 1.0, 16_000), 1000.0, 16_000)
    assert mixed is not None and mixed > 8 and other is not None and other < 0
    assert tone_share_db(np.zeros(16_000, np.float32), 1000.0, 16_000) is None


def test_without_a_device_both_say_what_to_plug_in() -> None:
    assert sound_finding(False, "", "no device", None, 1.0).ok is False
    silent = microphone_finding(np.zeros(0, np.float32), "no device", None, "", 1.0)
    assert silent.ok is False and "Plug in" in silent.next_en


def test_the_box_without_identity_or_screen_says_the_next_step(tmp_path: Path) -> None:
    found = {
        each.id: each
        for each in run_checks(Places(tmp_path), SimBox(connected=()),
                               ("screen", "network", "disk", "clock"))
    }
    assert found["network"].ok is None and "enrol" in found["network"].next_en
    assert found["disk"].ok and found["clock"].ok
    assert not list((tmp_path / "var/lib/vitrine").glob(".probe*"))


def test_a_slow_clock_is_named_in_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from ota.clock import utc_now
    from ota.floor import FloorClock

    places = Places(tmp_path)
    FloorClock(places.var / "clock").seen(utc_now() + timedelta(days=30))
    finding = checks.check_clock(places)
    assert finding.ok is False and "30" in finding.en and "电池" in finding.next_zh


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where a folder belongs")
    finding = run_checks(Places(tmp_path), SimBox(), ("disk",))[0]
    assert finding.ok is False and finding.next_en


def test_an_unknown_check_is_refused_with_the_list(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="screen, sound"):
        run_checks(Places(tmp_path), SimBox(), ("smell",))
    assert len(NAMES) == 8


def test_the_technician_reads_broken_parts_first_and_a_verdict(tmp_path: Path) -> None:
    done = vitrine("provision", "selftest", "--only", "disk", "--only", "screen", "--language",
                   "zh-CN", root=tmp_path)
    assert done.returncode == 0 and "一切正常" in done.stderr, done.stderr
    report = vitrine("provision", "selftest", "--only", "disk", "--json", root=tmp_path)
    assert json.loads(report.stdout)["ok"] is True
    findings = run_checks(Places(tmp_path), SimBox(connected=()), ("disk", "screen"))
    assert as_lines(findings, "zh-CN")[0].startswith(("✓", "!"))
    bad = {"ok": False, "checks": [
        {"ok": True, "zh": "好", "en": "good", "next_zh": "", "next_en": ""},
        {"ok": False, "zh": "坏", "en": "bad", "next_zh": "修", "next_en": "mend"}]}
    assert plain_lines(bad, "en-US")[:2] == ["✗ bad", "    → mend"]


def test_diagnose_holds_facts_and_no_secret(tmp_path: Path) -> None:
    out = tmp_path / "d.json"
    done = vitrine("provision", "diagnose", "--out", str(out), root=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(out.read_text())
    assert facts["identity"]["enrolled"] is False and facts["selftest"]["checks"]
    assert "PRIVATE KEY" not in out.read_text()


def test_every_help_has_an_example(tmp_path: Path) -> None:
    for verb in ("claim", "enrol", "selftest", "diagnose", "swap", "wipe", "label"):
        done = vitrine("provision", verb, "--help", root=tmp_path)
        assert done.returncode == 0 and f"vitrine provision {verb}" in done.stdout
        assert "example" in done.stdout
