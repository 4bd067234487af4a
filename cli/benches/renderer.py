"""The renderer: our networks against the published shapes of others, rest pose, memory.

Times come from `cli.benches.race` (interleaved rounds, one thread; ratios within a round).
The networks are those of the shipped avatars; a size no avatar has is measured on the same
architecture with random weights, and its note says so. The peers are graphs of their published
shapes with random weights: what they cost, not what they show.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cli.benches.figure import Figure, median_ms
from cli.benches.memory import Memory, measure_in_child
from cli.benches.own import ours
from cli.benches.peers import PEERS
from cli.benches.precision import FP32, INT8, GraphStore, Pair
from cli.benches.quality import bundle_figures
from cli.benches.race import Times, race, runner
from cli.benches.still import Rest, rest_motion
from device.paths import assets_dir, repository_root
from device.render.bundle import Bundle, load_bundle
from device.render.mouth import Floats, Mouth
from models.net.networks import SHAPES
from models.net.quantize import blending
from ota.clock import utc_now

AVATAR = "lin"
SPEECH_S = 4
MEMORY_FRAMES = 3000
RANDOM = "random weights"
# The size that is compared with the peers, and the limits of the others.
COMPARED_PX = 192
LIMIT_MS = {256: 6.5, 384: 10.0}
GAIN_LEAST = 2.0
MEMORY_MIB, FLAT_MIB = 150.0, 1.0


@dataclass(frozen=True)
class Network:
    """A renderer of ours at both precisions; `source` is an avatar's name or RANDOM."""

    side_px: int
    source: str
    files: Pair

    @property
    def name(self) -> str:
        """For people, and the key of its times."""
        return f"ours {self.side_px} px ({self.source})"


def measure(frames: int = MEMORY_FRAMES) -> list[Figure]:
    """All figures of the renderer; `frames` is how many the memory is watched for."""
    now = utc_now()
    bundles = [load_bundle(folder, now) for folder in avatar_folders()]
    bundles = [b for b in bundles if b.manifest.kind == "code"]
    store = GraphStore(assets_dir() / "bench", say)
    networks = own_networks(bundles, store)
    peers = {peer.name: store.pair(peer.name, peer.make) for peer in PEERS}
    say("timing networks in rounds ...")
    pairs = {**{n.name: n.files for n in networks}, **peers}
    times = race({
        key(name, precision): runner(getattr(files, precision))
        for name, files in pairs.items() for precision in (FP32, INT8)})
    figures = network_figures(networks, times) + peer_figures(networks, times)
    for bundle in bundles:
        say(f"rest pose, sound and memory of {bundle.manifest.id} ...")
        figures += avatar_figures(bundle, frames)
    return figures


def avatar_folders() -> list[Path]:
    """The shipped avatars."""
    folder = repository_root() / "models" / "avatars"
    return sorted(found.parent for found in folder.glob("*/avatar.json"))


def own_networks(bundles: Sequence[Bundle], store: GraphStore) -> list[Network]:
    """One for each avatar, and random ones for the sizes that no avatar has."""
    found = [
        Network(b.manifest.patch, b.folder.name,
                Pair(b.renderer_path(FP32), b.renderer_path(INT8)))
        for b in bundles]
    have = {network.side_px for network in found}
    found += [
        Network(side_px, RANDOM, store.pair(f"ours-{side_px}", partial(ours, shape), blending))
        for side_px, shape in SHAPES.items() if side_px not in have]
    return sorted(found, key=lambda n: (n.side_px, n.source))


def key(name: str, precision: str) -> str:
    """A contestant of the race."""
    return f"{name} {precision}"


def network_figures(networks: Sequence[Network], times: Times) -> list[Figure]:
    """Milliseconds a patch at both precisions, and what INT8 gains."""
    found = []
    for n in networks:
        whole, small = key(n.name, FP32), key(n.name, INT8)
        found += [
            Figure(f"{n.name} INT8", times.ms(small), "ms", LIMIT_MS.get(n.side_px)),
            Figure(f"{n.name} FP32", times.ms(whole), "ms"),
            Figure(f"{n.name} INT8 faster than FP32", times.ratio(whole, small), "x",
                   GAIN_LEAST, True),
        ]
    return found


def peer_figures(networks: Sequence[Network], times: Times) -> list[Figure]:
    """Each peer's milliseconds, and how many times faster our smallest required size is."""
    own = next(n for n in networks if n.side_px == COMPARED_PX)
    found = []
    for peer in PEERS:
        found += [Figure(f"{peer.name} {p.upper()}", times.ms(key(peer.name, p)), "ms",
                         note=f"published shape, {RANDOM}") for p in (FP32, INT8)]
        larger = (own.side_px / peer.side_px) ** 2
        for precision in (FP32, INT8):
            limit = peer.faster if precision == peer.precision else None
            ratio = times.ratio(key(peer.name, precision), key(own.name, INT8))
            found.append(Figure(
                f"{own.name} faster than {peer.name} {precision.upper()}", ratio, "x", limit, True,
                f"at {larger:.1f} times its pixels"))
    return found


def avatar_figures(bundle: Bundle, frames: int) -> list[Figure]:
    """What only a whole avatar shows."""
    avatar = bundle.folder.name
    found = live_figures(avatar, bundle)
    memory = measure_in_child(bundle.folder, frames, partial(progress, avatar))
    return found + memory_figures(avatar, memory) + bundle_figures(bundle.manifest.quality, avatar)


def live_figures(avatar: str, bundle: Bundle) -> list[Figure]:
    """Sound, speech and silence through the avatar's own mouth."""
    mouth = Mouth(bundle, INT8, threads=1)
    sound = noisy_speech(SPEECH_S)
    front_ms = median_ms(lambda: mouth.codes(sound), 1.0) / SPEECH_S
    code = mouth.rest.copy()
    code[bundle.manifest.code.open_index] += 0.5
    whole_ms = race({avatar: lambda: mouth.patch(code)}).ms(avatar)
    return [
        Figure(f"{avatar}: sound to mouth codes, a second of sound", front_ms, "ms", 15.0),
        Figure(f"{avatar}: network and its picture as bytes", whole_ms, "ms"),
        *rest_figures(avatar, rest_motion(bundle, mouth)),
    ]


def rest_figures(avatar: str, rest: Rest) -> list[Figure]:
    """Silence may add nothing to what the base video moves by itself."""
    return [
        Figure(f"{avatar}: silence, most that a pixel is off the base", rest.added_max, "levels",
               0.0, note=f"mouth box, {rest.frames} frames"),
        Figure(f"{avatar}: silence, motion from frame to frame", rest.composed_motion, "levels",
               rest.base_motion, note="limit: the base video's own"),
    ]


def memory_figures(avatar: str, memory: Memory) -> list[Figure]:
    """Resident memory on top of the libraries, and whether it stays."""
    mib = 1 << 20
    return [
        Figure(f"{avatar}: memory of the renderer", memory.renderer_mib, "MiB", MEMORY_MIB,
               note=f"after {memory.frames:,} frames, libraries not counted"),
        Figure(f"{avatar}: memory of its process", memory.end_bytes / mib, "MiB",
               note=f"libraries alone {memory.libraries_bytes / mib:.0f} MiB"),
        Figure(f"{avatar}: memory once loaded", memory.loaded_bytes / mib, "MiB"),
        Figure(f"{avatar}: memory grown by the end", memory.growth_bytes / mib, "MiB", FLAT_MIB,
               note="since a fifth of the frames"),
        Figure(f"{avatar}: memory growth in 1,000 frames",
               memory.growth_per_1000_frames, "bytes", note="slope, same span"),
    ]


def noisy_speech(seconds: int) -> Floats:
    """Sound at 16 kHz that opens the gate: noise with a syllable's rhythm."""
    rate_hz = 16000
    time_s = np.arange(seconds * rate_hz) / rate_hz
    noise = np.random.default_rng(1).normal(0, 0.1, len(time_s))
    return (noise * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s))).astype(np.float32)


def say(sentence: str) -> None:
    """Progress, beside the figures."""
    print(f"vitrine: {sentence}", file=sys.stderr, flush=True)


def progress(avatar: str, done: int, frames: int) -> None:
    """Frames of a long watch, on one line of a terminal."""
    end = "\n" if done >= frames else "\r"
    if sys.stderr.isatty() or done >= frames:
        print(f"vitrine: {avatar}: frame {done:,} of {frames:,}", end=end, file=sys.stderr,
              flush=True)
