"""The bench of babble can fail: growth, a lost file, a word and an address are all seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cli.benches.babble import Listened, drift_mb, figures, flat, settled, slope
from cli.benches.babble_sound import HEARD, SCENES, Library, Own, Street, load, save

MB = 1e6


def rows(mb_an_hour: float = 0.0, **last: Any) -> list[dict[str, Any]]:
    random = np.random.default_rng(4)
    made = [{
        "s": 60.0 * n, "cpu_s": 15.0 * n, "rss": 500 * MB + mb_an_hour * MB * n / 60
        + random.normal(0.0, 2 * MB), "blocks": 950_000 + n % 7, "threads": 2, "open": 12,
        "waiting": n % 3, "kept": 0, "files": 2, "bytes": 1000, "log": 300, "inet": 0,
        "heard": n, "asked": n, "leaks": 0,
    } for n in range(121)]  # fmt: skip
    for key, value in last.items():
        for row in made[80:]:
            row[key] = value
    return made


def missed(found: Listened) -> list[str]:
    return [figure.name for figure in figures(found) if figure.met is False]


def test_an_ear_that_stays_as_it_is_passes() -> None:
    assert missed(Listened(rows(), 0, 100, (), ("played.ring",))) == []
    assert settled(rows())[0]["s"] == 1800.0, "the warm-up is left out"


def test_each_way_to_fail_is_seen() -> None:
    growing = rows(mb_an_hour=12.0)
    assert not flat(slope(growing, "rss"), drift_mb(growing))
    short = [{**row, "rss": 500 * MB + (n % 2) * 90 * MB + n * MB * 5}
             for n, row in enumerate(rows()[:14])]
    assert slope(short, "rss").low < 0 and "babble: memory stays flat" in missed(
        Listened(short, 0, 9, (), ())), "a short run proves nothing by its wide interval"
    assert missed(Listened(growing, 0, 9, (), ())) == ["babble: memory stays flat"]
    for key, value in (("threads", 3), ("open", 13), ("waiting", 5), ("kept", 49), ("bytes", 1001)):
        assert len(missed(Listened(rows(**{key: value}), 0, 9, (), ()))) == 1, key
    assert len(missed(Listened(rows(), 1, 9, (), ()))) == 1
    assert len(missed(Listened(rows(), 0, 9, ("('1.2.3.4', 443)",), ()))) == 1
    assert len(missed(Listened(rows(), 0, 9, (), ("a.wav", "b.wav")))) == 1


def tiny() -> Library:
    tone = (0.05 * np.sin(np.arange(20_000) / 5)).astype(np.float32)
    own = Own("你好", np.repeat(tone, 3), np.concatenate([tone, np.zeros(4000, np.float32)]))
    return Library([tone] * 3, [tone], [tone], [own], tone, 0.1 * tone)


def test_a_street_is_the_same_for_a_seed_and_keeps_its_buffers(tmp_path: Path) -> None:
    save(tiny(), tmp_path / "sounds.npz")
    one, other = Street(tiny(), 3), Street(load(tmp_path / "sounds.npz"), 3)
    kinds = set()
    for _ in range(40):
        scene, again = one.scene(), other.scene()
        kinds.add(scene.kind)
        assert scene.heard is one._heard and np.abs(scene.heard).max() <= 1.0
        assert np.array_equal(scene.heard, again.heard)
        assert np.array_equal(scene.played, again.played)
        assert bool(scene.played.any()) == bool(scene.sayings)
        for begin, end, text in scene.sayings:
            assert 0 <= begin < end <= HEARD and text == "你好"
            assert scene.played[3 * begin : 3 * end].any()
    assert kinds == set(SCENES)
