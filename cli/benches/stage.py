"""The picture: drawing frames against copies of the bytes they touch, then the whole player."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cli.benches.figure import Figure, median_ms
from cli.benches.renderer import AVATAR
from device.paths import repository_root
from device.render import pixels
from device.render.baseloop import BaseLoop
from device.render.bundle import Bundle, load_bundle
from device.render.compose import Compositor, Overlay
from device.render.mouth import Mouth
from ota.clock import utc_now
from ota.errors import Broken

PORTRAIT, PORTRAIT_4K = (1080, 1920), (2160, 3840)
AVATARS = repository_root() / "models" / "avatars"
LARGE = AVATARS / f"{AVATAR}-4k"
PLAY_S = 60.0


@dataclass(frozen=True)
class Screen:
    """One size of screen: limits for a player's CPU (share of one core) and for drawing."""

    size: tuple[int, int]
    avatar: Path
    cpu_share_max: float
    mouth_ms_max: float | None

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.size[0]}x{self.size[1]}"


def measure() -> list[Figure]:
    """Drawing in milliseconds and as multiples of plain copies; late frames and CPU of a player
    with avatar, card and captions at both sizes."""
    pixels.use_one_thread()
    large = LARGE if LARGE.is_dir() else AVATARS / AVATAR
    screens = (Screen(PORTRAIT, AVATARS / AVATAR, 0.6, 1.0),
               Screen(PORTRAIT_4K, large, 1.5, None))
    found: list[Figure] = []
    for screen in screens:
        found += drawing(load_bundle(screen.avatar, utc_now()), screen)
    for screen in screens:
        found += playing(screen)
    return found


def drawing(bundle: Bundle, screen: Screen) -> list[Figure]:
    """A whole frame, and one where only the mouth changed, with mouths dressed by their thread."""
    canvas = np.zeros((screen.size[1], screen.size[0], 4), np.uint8)
    other = np.zeros_like(canvas)
    compositor = Compositor(*screen.size, bundle.manifest.size)
    patches, matrix = _two_mouths(bundle), bundle.track.matrix[0]
    with BaseLoop(bundle.base_path, bundle.manifest.base.frames) as loop:
        bases = [loop.take()[1] for _ in range(2)]
    turn, overlay = 0, Overlay()
    mouths = [compositor.dress(each, matrix) for each in patches]

    def frame(moving: bool) -> None:
        nonlocal turn
        turn += 1
        compositor.frame(canvas, bases[turn % 2 if moving else 0], mouths[turn % 2], matrix,
                         overlay)

    full_ms = median_ms(lambda: frame(True))
    warp_ms = median_ms(lambda: compositor.dress(patches[0], matrix))
    for _ in range(2):
        frame(False)
    # The base stands still now, so the mouth's thread lays mouths on it.
    mouths = [compositor.dress(each, matrix) for each in patches]
    dress_ms = median_ms(lambda: compositor.dress(patches[0], matrix))
    mouth_ms = median_ms(lambda: frame(False))
    box, = compositor.frame(canvas, bases[0], mouths[(turn + 1) % 2], matrix, overlay)
    part = canvas[box.top : box.bottom, box.left : box.right]
    spare, patch = np.empty_like(part), np.empty_like(patches[0])
    copy_ms = median_ms(lambda: np.copyto(other, canvas))
    # The least there is to do: the box from the clean base, the patch over it.
    floor_ms = (median_ms(lambda: np.copyto(spare, part))
                + median_ms(lambda: np.copyto(patch, patches[0])))
    return [
        Figure(f"{screen.name}: base, mouth, label", full_ms, "ms"),
        Figure(f"{screen.name}: against a copy of the canvas", full_ms / copy_ms, "x"),
        Figure(f"{screen.name}: only the mouth changed", mouth_ms, "ms", screen.mouth_ms_max),
        Figure(f"{screen.name}: against a copy of its bytes", mouth_ms / floor_ms, "x", 2.0),
        Figure(f"{screen.name}: a mouth dressed, in its thread", warp_ms, "ms"),
        Figure(f"{screen.name}: the same over a base that stands still", dress_ms, "ms"),
    ]


def _two_mouths(bundle: Bundle) -> list[pixels.Picture]:
    mouth, made = Mouth(bundle), []
    for size in (0.3, 0.6):
        code = np.array(bundle.manifest.code.rest, np.float32)
        code[bundle.manifest.code.open_index] += size
        made.append(pixels.premultiplied_patch(mouth.patch(code)))
    return made


def playing(screen: Screen) -> list[Figure]:
    """The player itself, without a window, on the tea shop's programme."""
    report = play(screen, PLAY_S)
    shown = report["frames_shown"] + report["frames_dropped"]
    note = f"{PLAY_S:.0f} s, {screen.avatar.name}"
    return [
        Figure(f"{screen.name}: frames a second", report["fps"], "fps", 24.9, True, note),
        Figure(f"{screen.name}: late frames", 100 * report["frames_dropped"] / shown, "%", 0.0),
        Figure(f"{screen.name}: steps to a slower band", len(report["bands"]), "", 0),
        Figure(f"{screen.name}: CPU of the player", report["cpu_share"], "cores",
               screen.cpu_share_max),
        Figure(f"{screen.name}: composing a frame", report["compose_ms"]["p50"], "ms"),
        Figure(f"{screen.name}: memory of the player", report["rss_bytes"]["max"] / 2**20, "MiB"),
    ]


def play(screen: Screen, seconds: float) -> dict[str, Any]:
    """The report (B5) of a player that ran for `seconds`. Raises Broken when it failed."""
    programme = repository_root() / "programmes" / "tea-shop"
    with tempfile.TemporaryDirectory() as root:
        target = Path(root) / "report.json"
        command = [sys.executable, "-m", "cli", "device", "player", "--headless", "--avatar",
                   str(screen.avatar), "--programme", str(programme), "--size", screen.name,
                   "--seconds", str(seconds), "--report", str(target)]
        done = subprocess.run(
            command, cwd=repository_root(), capture_output=True, text=True, check=False,
            timeout=seconds + 120, env={**os.environ, "VITRINE_ROOT": root})
        if done.returncode:
            raise Broken(f"The player failed: {done.stderr.strip()[-400:]}")
        found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        return found
