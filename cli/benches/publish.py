"""From the button in the console to the loudspeaker of the box: server, broker, agent, player.

The words of the new line have their sound already, as after a draft was saved: publishing signs
and sends. What ends is the row of the box's own proof: when its first sentence began to sound.
"""

from __future__ import annotations

import statistics
import tempfile
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from cli.benches.figure import Figure
from cli.benches.live_shop import BOX, LiveShop
from device.paths import repository_root
from device.programme.build import build
from device.tts.engine import Speech
from fleet.places import FleetPlaces
from fleet.store.proof import Proof
from ota.clock import utc_now
from ota.files import write_durable

PROGRAMME = "tea-shop"
ROUNDS = 4
LIMIT_S = 5.0
SAID_S = 60.0
RATE_HZ = 24_000


class Hummer:
    """Hums for as long as the words would take; everything around the voice is real."""

    engine = "hum-1"
    voices = MappingProxyType({"zh-CN": ("hum",), "en-US": ("hum",)})

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> Speech:
        """About four Chinese characters a second."""
        t = np.arange(round((0.4 + 0.22 * len(text)) * RATE_HZ)) / RATE_HZ
        return Speech((0.2 * np.sin(2 * np.pi * 220 * t)).astype(np.float32), RATE_HZ)


class HumStudio:
    """The real build with that voice."""

    def warm(self) -> None:
        """Nothing to load."""

    def check(self, folder: Path, now: object) -> list[Any]:
        """The programme here is a good one."""
        return []

    def build(self, folder: Path, progress: Any, stores: Any) -> dict[str, Any]:
        """`device.programme.build`."""
        built: dict[str, Any] = msgspec.to_builtins(build(folder, Hummer(), progress, stores))
        return built


class PublishShop(LiveShop):
    """The box plays what the console publishes."""

    studio = HumStudio()

    def _enrol(self) -> None:
        console = self.console
        assert console is not None
        draft = FleetPlaces(self.folder / "fleet").draft(PROGRAMME)
        write_durable(draft / "programme.json", msgspec.json.encode(programme("¥128")))
        console.programmes.add(PROGRAMME)
        console.publisher.publish(PROGRAMME, "bench")
        super()._enrol()

    def publish(self, price: str) -> float:
        """Change the price, wait for its speech, press the button; seconds until it is said."""
        console = self.console
        assert console is not None
        console.publisher.save(PROGRAMME, programme(price), "bench")
        self.wait("the speech", lambda: console.publisher.preparing.ready)
        pressed = utc_now()
        version = console.publisher.publish(PROGRAMME, "bench").version
        self.wait("the new price", lambda: self.began(version) is not None, SAID_S)
        began = self.began(version)
        assert began is not None
        return (began - pressed).total_seconds()

    def began(self, version: int) -> datetime | None:
        """When the first sentence of that version began to sound."""
        assert self.console is not None
        rows = [row.detail for row in Proof(self.console.database).said(BOX, 50)
                if row.detail.get("version") == version and row.detail.get("began")]
        return min((datetime.fromisoformat(row["began"]) for row in rows), default=None)

    def cut(self) -> int:
        """How many sentences were cut off so far."""
        assert self.console is not None
        return sum(int(row.detail.get("cut", 0))
                   for row in Proof(self.console.database).said(BOX, 500))


def programme(price: str) -> dict[str, Any]:
    """Sentences of two to three seconds, the price in one of them."""
    return {
        "schema": 1, "id": PROGRAMME, "version": 1, "languages": ["zh-CN"],
        "products": [{"id": "longjing", "name": {"zh-CN": "明前龙井"}, "price": price}],
        "segments": [
            {"id": "welcome", "say": {"zh-CN": "欢迎来到我们的茶铺。请随便看看。"}},
            {"id": "longjing", "show": "longjing",
             "say": {"zh-CN": "今年的龙井很鲜。一罐{longjing.price}。可以先试喝。"}}],
        "fallback": {"say": {"zh-CN": "请问一下店员好吗?"}},
        "schedule": [{"days": "mon-sun", "from": "00:00", "until": "24:00",
                      "play": ["welcome", "longjing"]}],
    }


def measure() -> list[Figure]:
    """Seconds from the button to the new price at the loudspeaker; sentences cut off for it."""
    avatar = repository_root() / "models" / "avatars" / "lin"
    with tempfile.TemporaryDirectory(prefix="vitrine-publish-") as place:
        shop = PublishShop(Path(place), None, avatar, "--size", "540x960")
        with shop:
            took_s = [shop.publish(f"¥{129 + number}") for number in range(ROUNDS)]
            cut = shop.cut()
    return [
        Figure("publish in the console to said on the box, worst", max(took_s), "s", LIMIT_S,
               note=f"median {statistics.median(took_s):.1f} s of {ROUNDS}"),
        Figure("sentences cut off by a publish", cut, "", 0.0),
    ]
