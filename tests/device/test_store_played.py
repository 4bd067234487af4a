"""A whole player in one store: what the console's settings make it say, and not say."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from device import messages as m
from device.bus import Bus
from device.paths import Places
from device.player import Player, PlayerSettings
from device.render.bundle import load_bundle
from device.render.sink import NullSink
from ota.clock import Deadline
from tests.sim.avatar_bundle import make_bundle
from tests.sim.built_programme import make_programme


def test_a_price_that_is_none_is_not_said_and_another_groups_line_neither(tmp_path: Path) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (270, 480), 25)
    bundle = load_bundle(avatar, datetime(2026, 1, 1, tzinfo=timezone.utc))
    shop = make_programme(tmp_path / "shop", seconds=0.6)
    document = json.loads((shop / "programme.json").read_text())
    document["groups"] = ["airport"]
    document["variables"]["price"] = {"type": "price", "default": "¥128"}
    document["products"][0]["price"] = "{price}"
    document["segments"][0]["groups"] = ["airport"]
    (shop / "programme.json").write_text(json.dumps(document))
    places = Places(tmp_path / "root")
    options = PlayerSettings(headless=True, sound=False, width_px=270, height_px=480)
    with Bus(places.run, "player") as bus, Bus(places.run, "agent") as agent:
        player = Player(places, options, bundle, bus, NullSink())
        news: list[m.Message] = []

        def told(price: str, *groups: str) -> None:
            agent.publish(m.ContentReady(
                path=str(shop), programme_id="sim-tea", version=1, variables={"price": price},
                settings=m.Settings(groups=list(groups))))

        def until(test: Callable[[], Any]) -> Any:
            deadline = Deadline(20)
            while not (found := test()) and not deadline.passed:
                player.director.turn()
                while (message := agent.receive(0.005)) is not None:
                    news.append(message)
            return found

        told("cheap")
        (withheld,) = until(lambda: [each for each in news if isinstance(each, m.Happened)
                                     and each.kind == "withheld"])
        assert withheld.detail["variable"] == "price" and withheld.detail["why"] == "malformed"
        assert player.performer.saying is None and player.performer.showing is None
        told("¥128")
        said = until(lambda: player.performer.saying)
        assert said.say.sentence.key.startswith("segment/longjing/"), "welcome is the airport's"
        assert player.performer.showing == "longjing"
        told("¥128", "airport")
        assert until(lambda: player.performer.saying and player.performer.saying.say.sentence.text
                     == "欢迎光临春山茶行。")
        player.stage.base.close()
