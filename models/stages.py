"""The stages of making a synthetic avatar without Blender: speech, training, video, packing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.plan import Plan, bar, who_of, write_figures
from models.progress import Say
from ota.errors import Refused

if TYPE_CHECKING:
    from models.net.dataset import Pictures
    from models.net.training import Lesson
    from models.person.animation import Layers

Floats = NDArray[np.float32]
VOICE_STEPS, RENDERER_STEPS, LARGE_STEPS, TUNE_STEPS = 2500, 3200, 1500, 1200
RANDOM_POSES, SPOKEN_POSES = 140, 120
LARGE_PX, LARGE_SCALE = 384, 2
# More than this lost by static quantisation, and the network is tuned for it.
INT8_LOSS_DB_MAX = 0.3


@dataclass(frozen=True)
class Variant:
    """One size of an avatar: its folder in the work folder, the patch's side, the picture's scale
    against 1080 x 1920."""

    folder: Path
    patch_px: int
    scale: int


def normal(plan: Plan) -> Variant:
    """The 1080 x 1920 avatar."""
    return Variant(plan.work, plan.who.patch_px, 1)


def large(plan: Plan) -> Variant:
    """The 2160 x 3840 avatar."""
    folder = plan.work / "large"
    folder.mkdir(exist_ok=True)
    return Variant(folder, LARGE_PX, LARGE_SCALE)


def speech(plan: Plan, say: Say) -> None:
    """Speak the corpus once for all avatars of this work place."""
    from models.articulation.speech import synthesise

    shared = plan.work.parent / "speech"
    mine = plan.work / "speech"
    if not mine.exists():
        shared.mkdir(exist_ok=True)
        mine.symlink_to(Path("..") / "speech")
    synthesise(plan.speech_assets, mine)
    (plan.work / "speech.done").touch()


def poses(plan: Plan, say: Say) -> None:
    """Choose what to render: poses all over the code's space, and poses that speech visits."""
    from models.articulation import visemes, voice

    clips = [c for c in voice.read_clips(plan.work / "speech") if not c.held_out]
    tracks = [voice.example(c, None)[1] for c in clips]
    mouths = visemes.training_poses(30 if plan.quick else RANDOM_POSES)
    np.save(plan.work / "mouths.npy", mouths)
    count = 30 if plan.quick else SPOKEN_POSES
    np.save(plan.work / "spoken.npy", visemes.spoken_poses(tracks, count))


def voice(plan: Plan, say: Say) -> None:
    """Train the voice network."""
    from models.articulation import voice as voices

    figures = voices.train(plan.work / "speech", plan.work / "voice2code.onnx",
                           100 if plan.quick else VOICE_STEPS, plan.threads, bar(say, "voice"))
    write_figures(plan.work, "voice", figures)


def renderer(plan: Plan, say: Say) -> None:
    """Train the 1080p renderer."""
    _train(plan, normal(plan), RENDERER_STEPS, say)


def large_renderer(plan: Plan, say: Say) -> None:
    """Train the 4K renderer, whose inner layers begin as the other's."""
    _train(plan, large(plan), LARGE_STEPS, say, plan.work / "renderer.pt")


def _train(plan: Plan, variant: Variant, steps: int, say: Say, teacher: Path | None = None
           ) -> None:
    from models.net import networks, training

    data = read_pictures(plan.work, variant.patch_px, variant.scale)
    net = _network(data)
    if teacher is not None:
        networks.inherit(net, teacher)
    training.train_renderer(net, lesson(data), 80 if plan.quick else steps, plan.threads,
                            bar(say, f"{variant.patch_px} px"),
                            checkpoint=variant.folder / "renderer.training.pt")
    networks.save(net, variant.folder / "renderer.pt")
    networks.export(net, variant.folder / "renderer.fp32.onnx",
                    {"code": (1, data.codes.shape[1])}, "patch")


def _network(data: Pictures) -> Any:
    """A new renderer for the pictures' size, codes and rest."""
    from models.net import networks

    mean = data.images[~data.held_out].mean(0).astype(np.float32) / 255
    return networks.renderer_network(data.codes.shape[1], networks.SHAPES[data.images.shape[2]],
                                     mean, data.rest)


def lesson(data: Pictures) -> Lesson:
    """What the training pictures teach."""
    from models.net.training import Lesson

    train = ~data.held_out
    return Lesson(data.images[train], data.codes[train], data.mattes[train], data.weight)


def read_pictures(work: Path, patch_px: int | None = None, scale: int = 1) -> Pictures:
    """The training pictures of a work folder, matched to its plate, at a patch size."""
    from models.net import dataset

    names = ("mouths", "spoken")
    return dataset.load([work / n for n in names], [np.load(work / f"{n}.npy") for n in names],
                        plate_crop(work, patch_px, scale))


def plate_crop(work: Path, patch_px: int | None = None, scale: int = 1) -> Floats:
    """(p, p, 3) the plate at the mouth patch."""
    from models.person import plate

    who = who_of(work)
    foreground = plate.foreground if scale == 1 else plate.foreground_twice
    return plate.mouth_crop(foreground(who, work / "hero"), scale, who.mouth_box,
                            patch_px or who.patch_px)


def _layers(work: Path, scale: int) -> Layers:
    from models.person import plate

    who, hero = who_of(work), work / "hero"
    return plate.layers(who, hero) if scale == 1 else plate.twice(who, hero)


def quantise(plan: Plan, say: Say) -> None:
    """INT8 for 1080p."""
    _quantise(plan, normal(plan), say)


def large_quantise(plan: Plan, say: Say) -> None:
    """INT8 for 4K."""
    _quantise(plan, large(plan), say)


def _quantise(plan: Plan, variant: Variant, say: Say) -> None:
    """Static quantisation; where that loses too much, tune the network for it and do it again."""
    from models.measure import compare
    from models.net import networks, quantize, training

    data = read_pictures(plan.work, variant.patch_px, variant.scale)
    fp32, int8 = (variant.folder / f"renderer.{p}.onnx" for p in ("fp32", "int8"))
    held, partial = data.held_out, variant.folder / "renderer.int8.part.onnx"
    quantize.quantize(fp32, partial, data.codes[~held])
    figures = compare.compare(fp32, partial, data.rest, data.images[held], data.codes[held],
                              data.mask)
    lost_db = max(figures["int8_loss"][k] for k in ("psnr_db", "mouth_psnr_db"))
    say(f"    static quantisation loses {lost_db:.2f} dB")
    if lost_db > INT8_LOSS_DB_MAX:
        net = _network(data)
        networks.load(net, variant.folder / "renderer.pt")
        training.tune_for_int8(net, lesson(data), 20 if plan.quick else TUNE_STEPS, plan.threads,
                               bar(say, "tuning for INT8"))
        # The tuned network is the avatar's network in both precisions.
        networks.export(net, fp32, {"code": (1, data.codes.shape[1])}, "patch")
        quantize.quantize(fp32, partial, data.codes[~held])
        figures = compare.compare(fp32, partial, data.rest, data.images[held], data.codes[held],
                                  data.mask)
        figures["tuned_for_int8"] = True
    say(f"    {figures['int8_loss']}")
    write_figures(variant.folder, "renderer", figures)
    partial.replace(int8)


def animate(plan: Plan, say: Say) -> None:
    """The idle loop and the gestures in 1080p."""
    _animate(plan, normal(plan), say, crf=17)


def large_animate(plan: Plan, say: Say) -> None:
    """The idle loop and the gestures in 4K."""
    _animate(plan, large(plan), say, crf=20, light=True)


def _animate(
    plan: Plan, variant: Variant, say: Say, crf: int, light: bool = False
) -> None:
    from models import movie
    from models.person import animation, gestures, moves, plate
    from models.progress import Progress

    base = _layers(plan.work, variant.scale)
    clips = {"base": (base, moves.idle())}
    for name, gesture in gestures.all_gestures().items():
        folder = plan.work / "gestures" / name
        if folder.is_dir() and not (variant.folder / f"{name}.mp4").exists():
            clips[name] = (plate.with_arms(base, gesture, folder), gesture.moves)
    for name, (layers, motion) in clips.items():
        target = variant.folder / f"{name}.mp4"
        if target.exists():
            continue
        progress, partial = Progress(say, name), variant.folder / f"{name}.part.mp4"
        pictures = animation.frames(layers, motion)
        movie.write_loop(partial, progress.through(pictures, len(motion)), moves.FPS, crf,
                         moves.JOINS if name == "base" else (), light)
        partial.replace(target)
    (variant.folder / "clips.done").touch()


def pack_bundle(plan: Plan, say: Say) -> None:
    """The 1080p bundle."""
    _pack(plan, normal(plan), plan.who.id, plan.out)


def pack_large(plan: Plan, say: Say) -> None:
    """The 4K bundle."""
    _pack(plan, large(plan), plan.who.id + "-4k", plan.out.with_name(plan.out.name + "-4k"))


def _pack(plan: Plan, variant: Variant, bundle_id: str, out: Path) -> None:
    from models import pack
    from models.net import dataset

    side = variant.patch_px
    crop = plate_crop(plan.work, side, variant.scale)
    figures = {}
    for path in (plan.work / "figures.json", variant.folder / "figures.json"):
        figures.update(json.loads(path.read_text(encoding="utf-8")))
    voice_file = plan.work / "voice2code.onnx"
    if not voice_file.is_file():
        raise Refused(f"{voice_file} is missing; run the stage that trains it.")
    spec = pack.Spec(bundle_id, plan.who, plan.version, side, variant.scale, figures)
    pack.pack(out, spec, variant.folder, voice_file, dataset.feather_mask(side),
              np.rint(crop * 255).astype(np.uint8), plan.key)
