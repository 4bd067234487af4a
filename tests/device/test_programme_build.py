"""Building: only what changed is spoken, byte for byte the same, never half done."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from device.audio.soundfiles import read
from device.conversation.script import Script
from device.paths import assets_dir
from device.programme.build import build, copy_source
from device.programme.load import load, load_index
from device.programme.ogg import with_serial
from device.programme.voices import VoiceOnDemand
from ota.errors import Refused
from tests.sim.hummer import SMALL, Hummer, Speech, write

ROOT = Path(__file__).resolve().parents[2]
TEA_SHOP = ROOT / "programmes" / "tea-shop"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "assets").mkdir(parents=True)
    shutil.copy(TEA_SHOP / "assets" / "longjing.webp", folder / "assets")
    write(folder, SMALL)
    return folder


def edited(old: str, new: str) -> object:
    return json.loads(json.dumps(SMALL, ensure_ascii=False).replace(old, new))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_the_index_names_every_file_and_every_sentence(shop: Path) -> None:
    voice = Hummer()
    index = build(shop, voice)
    files = contents(shop)
    del files["index.json"]
    assert set(index.files) == set(files)
    for name, data in files.items():
        assert index.files[name].bytes == len(data)
        assert index.files[name].sha256 == hashlib.sha256(data).hexdigest()
    assert list(index.speech["segment/hi/zh-CN/0"].sentences) == ["欢迎来到总店。"]
    assert index.speech["segment/tea/zh-CN/0"].text == "龙井128元。"
    assert index.speech["segment/tea/en-US/0"].text == "Longjing, 128 yuan."
    assert load_index(shop) == index
    clip = index.speech["segment/hi/zh-CN/0"]
    assert abs(len(read(shop / clip.file, 48_000)) / 48 - clip.duration_ms) < 30


def test_a_second_build_says_nothing_and_changes_nothing(shop: Path) -> None:
    build(shop, Hummer())
    before = contents(shop)
    again = Hummer()
    build(shop, again)
    assert again.said == [] and contents(shop) == before


def test_one_changed_line_is_one_synthesis_and_the_old_clip_goes(shop: Path) -> None:
    build(shop, Hummer())
    old = {p.name for p in (shop / "speech").iterdir()}
    write(shop, edited("在这里。", "在后面。"))
    voice = Hummer()
    build(shop, voice)
    assert voice.said == ["在后面。"]
    new = {p.name for p in (shop / "speech").iterdir()}
    assert len(new - old) == 1 and len(old - new) == 1


def test_a_new_price_is_said_wherever_the_price_is_said(shop: Path) -> None:
    build(shop, Hummer())
    write(shop, edited("¥128", "¥138"))
    voice = Hummer()
    build(shop, voice)
    assert sorted(voice.said) == ["Longjing, 138 yuan.", "龙井138元。"]


def test_two_machines_build_the_same_bytes(shop: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    copy_source(shop, other)
    build(shop, Hummer())
    build(other, Hummer())
    assert contents(shop) == contents(other)


@dataclass
class Together(Hummer):
    """Hums only when another one hums beside it, and never two sentences at once."""

    gate: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))
    busy: threading.Lock = field(default_factory=threading.Lock)

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> Speech:
        assert self.busy.acquire(blocking=False), "not for two threads at once"
        with contextlib.suppress(threading.BrokenBarrierError):
            self.gate.wait(5.0)
            self.gate.abort()  # they have met: the rest as it comes
        try:
            return super().synthesise(text, language, speed, voice)
        finally:
            self.busy.release()


def test_several_speak_at_once_and_the_bytes_are_those_of_one(
    shop: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    copy_source(shop, other)
    build(shop, Hummer())
    gate = threading.Barrier(2)
    crew = [Together(gate=gate) for _ in range(3)]
    seen: list[tuple[int, int]] = []
    build(other, crew[0], lambda done, total: seen.append((done, total)), more=crew[1:])
    assert contents(shop) == contents(other)
    assert gate.broken and [bool(each.said) for each in crew] == [True, True, False], (
        "ten sentences are worth two")
    assert seen == [(done, 10) for done in range(11)]
    write(other, edited("在这里。", "在后面。"))
    again = [Hummer() for _ in range(3)]
    build(other, again[0], more=again[1:])
    assert [each.said for each in again] == [["在后面。"], [], []], "one line, one synthesis"


def test_when_one_of_several_breaks_the_rest_is_kept_and_nothing_more_is_begun(shop: Path) -> None:
    crew = [Hummer(breaks_at=1), Hummer(breaks_at=1)]
    with pytest.raises(Refused, match="unplugged"):
        build(shop, crew[0], more=crew[1:])
    assert not (shop / "index.json").exists()
    kept = len(list((shop / "speech").glob("*.opus")))
    assert 1 <= kept <= 2
    voice = Hummer()
    build(shop, voice)
    assert len(voice.said) == 10 - kept


def test_stock_prices_and_sold_out_lines_are_built_for_every_store(shop: Path) -> None:
    data = edited("¥128", "{price}")
    assert isinstance(data, dict)
    data["variables"] |= {"price": {"type": "price", "default": "¥128"},
                          "left": {"type": "stock", "default": "9"}}
    data["products"][0]["stock"] = "left"
    data["sold_out"] = {"say": {"zh-CN": "{product.name}卖完了。", "en-US": "No {product.name}."}}
    write(shop, data)
    voice = Hummer()
    index = build(shop, voice, stores=[{"price": "¥99"}, {"price": "soon"}, {"left": "0"}])
    assert index.speech["sold-out/tea/zh-CN/0"].text == "龙井卖完了。"
    assert {"龙井128元。", "龙井99元。", "No Longjing."} <= set(voice.said)
    assert not any("soon" in each for each in voice.said), "what is no price is not spoken"
    own = Script.load(shop, {"price": "¥99"})
    assert [s.text for s in own.sentences(own.programme.segments[1], "zh-CN")] == ["龙井99元。"]


def test_a_build_that_breaks_leaves_the_old_programme_playable(shop: Path) -> None:
    build(shop, Hummer())
    before = load_index(shop)
    write(shop, edited("。", "吧。"))
    with pytest.raises(Refused, match="unplugged"):
        build(shop, Hummer(breaks_at=2))
    assert load_index(shop) == before
    for clip in before.speech.values():
        assert (shop / clip.file).is_file()
    voice = Hummer()
    build(shop, voice)
    assert len(voice.said) == 3, "what was said before the break is not said again"
    assert set(load_index(shop).speech) == set(before.speech)


@pytest.mark.parametrize("rotten", [b"rotten", b""])
def test_a_rotten_clip_is_made_again(shop: Path, rotten: bytes) -> None:
    index = build(shop, Hummer())
    name = index.speech["answer/where/zh-CN/0"].file
    (shop / name).write_bytes(rotten)
    voice = Hummer()
    assert build(shop, voice) == index
    assert voice.said == ["在这里。"]


def test_another_voice_or_engine_makes_new_clips(shop: Path) -> None:
    build(shop, Hummer())
    voice = Hummer(engine="hummer/2")
    build(shop, voice)
    assert len(voice.said) == 10
    write(shop, {**SMALL, "voices": {"zh-CN": "zm_yunxi"}})
    voice = Hummer(engine="hummer/2")
    build(shop, voice)
    assert voice.said and all(any(c > "一" for c in text) for text in voice.said)


def test_each_store_hears_its_own_name(shop: Path) -> None:
    voice = Hummer()
    index = build(shop, voice, stores=[{"store": "南京路店"}, {"store": "总店"}])
    assert "欢迎来到南京路店。" in voice.said
    programme = load(shop)
    segment = programme.segments[0]
    main = Script.of(programme, index, shop)
    own = Script.of(programme, index, shop, {"store": "南京路店"})
    unknown = Script.of(programme, index, shop, {"store": "没有录过的店"})
    assert [s.text for s in main.sentences(segment, "zh-CN")] == ["欢迎来到总店。", "请看。"]
    assert [s.text for s in own.sentences(segment, "zh-CN")] == ["欢迎来到南京路店。", "请看。"]
    assert unknown.sentences(segment, "zh-CN") == ()


def test_a_faulty_programme_is_not_built(shop: Path) -> None:
    build(shop, Hummer())
    before = contents(shop)
    write(shop, edited('"show": "tea"', '"show": "coffee"'))
    with pytest.raises(Refused, match=r"line \d+: segments\[1\].show"):
        build(shop, Hummer())
    after = contents(shop)
    assert {k: v for k, v in after.items() if k != "programme.json"} == {
        k: v for k, v in before.items() if k != "programme.json"
    }


def test_a_link_is_not_shipped(shop: Path) -> None:
    (shop / "secret").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="symbolic link"):
        build(shop, Hummer())


def test_torn_ogg_is_noticed() -> None:
    with pytest.raises(ValueError, match="Ogg"):
        with_serial(b"OggS" + b"\0" * 10, 1)


def test_the_shipped_programme_needs_no_synthesis() -> None:
    def no_model() -> Hummer:
        raise AssertionError("a clip is missing: run vitrine programme build programmes/tea-shop")

    before = (TEA_SHOP / "index.json").read_bytes()
    voice = VoiceOnDemand.from_assets(assets_dir())
    voice._load = no_model  # type: ignore[assignment]
    index = build(TEA_SHOP, voice)
    assert voice.synthesised == 0
    assert (TEA_SHOP / "index.json").read_bytes() == before
    assert {c.language for c in index.speech.values()} == {"zh-CN", "en-US"}
    longest_ms = max(clip.duration_ms for clip in index.speech.values())
    assert longest_ms < 5000, "a long sentence makes the visitor wait and a publish late"


def test_a_changed_line_of_the_shipped_programme_is_one_real_synthesis(tmp_path: Path) -> None:
    load_index(TEA_SHOP)
    folder = tmp_path / "tea-shop"
    shutil.copytree(TEA_SHOP, folder)
    text = (folder / "programme.json").read_text(encoding="utf-8")
    assert "请到茶台这边坐一坐吧。" in text
    changed = text.replace("请到茶台这边坐一坐吧。", "请来茶台坐坐。")
    (folder / "programme.json").write_text(changed, encoding="utf-8")
    voice = VoiceOnDemand.from_assets(assets_dir(), threads=1)
    index = build(folder, voice)
    assert voice.synthesised == 1
    clip = index.speech["segment/invite/zh-CN/1"]
    samples = read(folder / clip.file, 48_000)
    assert clip.text == "请来茶台坐坐。" and 800 < clip.duration_ms < 4000
    assert float(np.abs(samples).max()) > 0.1
