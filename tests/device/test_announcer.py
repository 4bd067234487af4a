"""Words from the console without a voice to say them: shown, and somebody is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.paths import Places
from device.stage.announcer import SECONDS_MAX, Announcer
from ota.errors import Refused


def test_without_a_voice_model_a_notice_is_text_and_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINE_ASSETS", str(tmp_path / "nothing"))
    announcer = Announcer(Places(tmp_path))
    announcer.ask("今天提前打烊。", "zh-CN", "zm_yunxi")
    process = announcer._process
    assert process is not None
    process.wait(SECONDS_MAX)
    with pytest.raises(Refused, match="shown as text"):
        announcer.result()
    assert announcer.result() is None, "told once"
    assert not list((tmp_path / "run").rglob("*.wav"))
