"""The stages of making an avatar from a video: each reads files of the work folder, writes one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.film import align, codes, footage, hearing, register, shots, stillness
from models.film.bundle import Parts, pack
from models.film.follow import Path2D, follow, write_arrays
from models.film.permission import Permission
from models.progress import Progress, Say
from ota.errors import Refused
from ota.files import write_durable

Floats = NDArray[np.float32]
CHECKED, TRACK, MOUTHS, VOICE = "checked.done", "track.npz", "mouths.npz", "voice2code.onnx"
PICTURES, FP32, INT8, FIGURES = (
    "pictures.npz", "renderer.fp32.onnx", "renderer.int8.onnx", "figures.json")
IDLE, BASE, PACKED = "idle.npz", "base.mp4", "packed.json"
STEPS, STEPS_QUICK = 6000, 300
FRAMES, FRAMES_QUICK = 2500, 300
HELD_OUT_SHARE, HELD_OUT_PICTURES = 0.1, 120
# Post-training INT8 may lose this much in the mouth before the network is tuned for it.
INT8_LOSS_DB_MAX = 0.3
# The shared voice network: what it hears in a voice is the same for everybody.
SHARED_VOICE = Path("models") / "avatars" / "lin"


@dataclass(frozen=True)
class Work:
    """One film's work: its folder and settings."""

    video: Path
    folder: Path
    assets: Path
    patch_px: int
    quick: bool
    threads: int
    source_sha256: str


def steps_for(quick: bool) -> int:
    """Training steps of the renderer."""
    return STEPS_QUICK if quick else STEPS


def look(work: Work, say: Say) -> None:
    """Is there one whole face in every sampled frame, and sound."""
    from models.film.landmarks import FaceTracker

    samples = footage.check_sound(work.video)
    bar = Progress(say, "frames looked at")
    total = len(samples) * footage.FPS // footage.SOUND_HZ
    footage.check_faces(work.video, footage.frames_of(work.video, footage.SAMPLE_EVERY),
                        FaceTracker(work.assets).faces, lambda n: bar.at(n, total))
    write_arrays(work.folder / "sound.npz", samples=samples.astype(np.float16))
    (work.folder / CHECKED).touch()


def _sound(work: Work) -> Floats:
    with np.load(work.folder / "sound.npz") as kept:
        return np.asarray(kept["samples"], np.float32)


def track(work: Work, say: Say) -> None:
    """The 468 points of the face in every frame."""
    from models.film.landmarks import FaceTracker

    bar = Progress(say, "frames followed")
    total = len(_sound(work)) * footage.FPS // footage.SOUND_HZ
    partial = work.folder / "track.begun.npz"
    found = follow(footage.frames_of(work.video), FaceTracker(work.assets), partial,
                   lambda n: bar.at(n, max(n, total)))
    write_arrays(work.folder / TRACK, points=found.points, seen=found.seen,
                 size=np.array(found.size))
    partial.unlink(missing_ok=True)


def _track(work: Work) -> Path2D:
    with np.load(work.folder / TRACK) as kept:
        return Path2D(kept["points"], kept["seen"], (int(kept["size"][0]), int(kept["size"][1])))


def mouths(work: Work, say: Say) -> None:
    """Where the mouth patch lies in each frame, and its code; which frames are held out."""
    path = _track(work)
    _, matrix = align.steady(path.points)
    box = align.patch_box(align.unmoved(path.points, matrix))
    bar = Progress(say, "frames held still")
    matrices = align.patch_matrices(matrix, box, work.patch_px)
    noses = register.cut_noses(footage.frames_of(work.video), matrices, work.patch_px,
                               lambda n: bar.at(n + 1, len(matrices)))
    matrices = register.corrected(
        matrices, register.motions(noses, register.template_of(noses[path.seen])), work.patch_px)
    still = align.unmoved(path.points, matrices.astype(np.float64))
    zoom = box[2] / work.patch_px
    if zoom < 0.6:
        say(f"    The face is small: its mouth will be drawn from {box[2]:.0f} pixels; film nearer "
            "for a sharper one.")
    speaking = speaking_frames(_sound(work), len(still))
    rest = codes.rest_frames(codes.gaps(still), ~speaking & path.seen)
    train = ~held_out(len(still)) & path.seen
    learned = codes.learn(still, rest, train)
    made = codes.encode(learned, still)
    heads = align.head_boxes(path.points)
    say(f"    patch of {box[2]:.0f} pixels in the video, {int(rest.sum())} frames of a resting "
        f"mouth, {len(learned.names)} numbers a mouth")
    write_arrays(work.folder / MOUTHS, matrices=matrices, codes=made, seen=path.seen,
                 speaking=speaking, rest=rest, head_box=heads, names=np.array(learned.names),
                 rest_gap=np.array(learned.rest_gap))


def held_out(frames: int) -> NDArray[np.bool_]:
    """(frames,) True for the last tenth of the film: never trained on."""
    return np.arange(frames) >= round(frames * (1 - HELD_OUT_SHARE))


def speaking_frames(samples: Floats, frames: int) -> NDArray[np.bool_]:
    """(frames,) where somebody speaks, by the box's own gate."""
    from device.render import logmel

    levels = logmel.frame_level_db(samples, footage.SOUND_HZ // 100)
    gate = logmel.speech_gate(levels, logmel.speech_level_db(levels))
    steps = np.zeros(frames * 4, np.bool_)
    steps[: len(gate)] = gate[: len(steps)]
    return np.asarray(steps.reshape(frames, 4).any(1))


def _mouths(work: Work) -> dict[str, NDArray[Any]]:
    with np.load(work.folder / MOUTHS) as kept:
        return {name: kept[name] for name in kept.files}


def voice(work: Work, say: Say) -> None:
    """The shared voice network with a new last layer for this mouth."""
    from device.infer.ort import open_session
    from device.paths import repository_root
    from models.articulation.voice import disturbed, features_of

    read = _mouths(work)
    shared = repository_root() / SHARED_VOICE
    manifest = json.loads((shared / "avatar.json").read_text(encoding="utf-8"))
    network = shared / manifest["voice_to_code"]["file"]
    samples, made = _sound(work), read["codes"]
    rng = np.random.default_rng(5)
    sounds = [features_of(samples)[0]]
    sounds += [features_of(disturbed(samples, rng))[0] for _ in range(hearing.VARIANTS - 1)]
    whole = np.pad(sounds[0], ((0, 4 * len(made)), (0, 0)), mode="edge")[: 4 * len(made)]
    jaw = open_session(network).run({"mel": whole[None].astype(np.float32)})["code"][0]
    talking = read["speaking"] & read["seen"]
    lag, together = hearing.best_lag(jaw[talking, manifest["code"]["open_index"]],
                                     made[talking, 0])
    if together < hearing.TOGETHER_MIN:
        say(f"    Sound and mouth hardly move together (correlation {together:.2f}): is it this "
            "person's own voice, in sync?")
        lag = 0
    if lag:
        side = "behind" if lag > 0 else "ahead of"
        say(f"    The picture is {abs(lag) * hearing.FRAME_MS} ms {side} the sound; corrected.")
    wanted = hearing.moved_by(made, lag)
    hearing.trunk(network, work.folder / "trunk.onnx")
    variants = hearing.features_of(work.folder / "trunk.onnx", sounds, len(made))
    keep_out = held_out(len(made))
    layer = hearing.fit(variants, wanted, read["seen"] & ~keep_out)
    hearing.with_layer(network, layer, work.folder / VOICE)
    context_ms = int(manifest["voice_to_code"]["history_ms"])
    figures = _heard_figures(work, whole, wanted, keep_out & talking)
    figures |= {"film_av_lag_ms": lag * hearing.FRAME_MS,
                "shared_network_correlation": round(together, 3)}
    say(f"    {figures}")
    facts = {"context_ms": context_ms + hearing.SIDE_FRAMES * hearing.FRAME_MS, "voice": figures}
    write_durable(work.folder / "voice.json", json.dumps(facts).encode())


def _heard_figures(work: Work, mel: Floats, wanted: Floats, frames: NDArray[np.bool_]
                   ) -> dict[str, float]:
    """On held-out speech: code error, correlation of the opening, best lag in milliseconds."""
    from device.infer.ort import open_session

    made = open_session(work.folder / VOICE).run({"mel": mel[None].astype(np.float32)})["code"][0]
    if frames.sum() < 2 * footage.FPS:
        return {"held_out_frames": float(frames.sum())}
    lag, together = hearing.best_lag(made[frames, 0], wanted[frames, 0])
    return {"held_out_frames": float(frames.sum()),
            "code_error": round(float(np.abs(made - wanted)[frames].mean()), 4),
            "open_correlation": round(float(np.corrcoef(made[frames, 0],
                                                        wanted[frames, 0])[0, 1]), 3),
            "best_lag_ms": float(lag * hearing.FRAME_MS),
            "best_lag_correlation": round(together, 3)}


def pictures(work: Work, say: Say) -> None:
    """The mouth in frames spread over all codes, and in held-out ones; rest picture, mattes."""
    from models.net.dataset import feather_mask

    read = _mouths(work)
    made, seen = read["codes"], read["seen"]
    keep_out = held_out(len(made))
    train = np.flatnonzero(seen & ~keep_out)
    train = train[codes.spread_out(made[train], FRAMES_QUICK if work.quick else FRAMES)]
    # A mouth at rest is drawn without an error: only one that moves is worth measuring.
    test = np.flatnonzero(seen & keep_out & ~read["rest"])
    test = test[np.unique(np.linspace(0, len(test) - 1, HELD_OUT_PICTURES).astype(int))]
    quiet = np.flatnonzero(seen & read["rest"] & ~keep_out)
    if len(quiet):
        quiet = quiet[np.unique(np.linspace(0, len(quiet) - 1, 60).astype(int))]
    calm = stillness.choose(made, read["speaking"], seen, read["matrices"])
    wanted = np.unique(np.concatenate([train, test, quiet, np.unique(calm.rows)]))
    bar = Progress(say, "frames read")
    cut = shots.cut_out(footage.frames_of(work.video), wanted, read["matrices"], work.patch_px,
                        lambda n: bar.at(n, int(wanted[-1])))
    # Everything is brought to the light of the idle video: there the mouth will be laid.
    where = shots.ring(work.patch_px)
    there = np.isin(wanted, calm.rows)
    light = shots.Light(np.mean([shots.light_of(p, where).mean for p in cut[there]], axis=0))
    shots.lit_alike(cut, light)
    near = np.isin(wanted, quiet) if len(quiet) else np.isin(wanted, train)
    rest = shots.rest_picture(cut[near], made[wanted[near]])
    noise = shots.noise_of(cut[near], made[wanted[near]], rest)
    mask = feather_mask(work.patch_px)
    chosen = np.isin(wanted, train) | np.isin(wanted, test)
    images, mattes = blended(cut[chosen], rest, mask, noise)
    write_arrays(work.folder / PICTURES, images=images, mattes=mattes, codes=made[wanted[chosen]],
                 rest=rest, mask=mask, held_out=keep_out[wanted[chosen]])
    say(f"    {int((~keep_out[wanted[chosen]]).sum())} pictures to train on, "
        f"{int(keep_out[wanted[chosen]].sum())} held out, noise {255 * noise:.1f} grey levels")


def blended(cut: NDArray[np.uint8], rest: NDArray[np.uint8], mask: NDArray[np.uint8],
            noise: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(n, 3, p, p) pictures that are the rest where nothing changes, and their mattes (n, p, p)."""
    side = len(rest)
    images = np.empty((len(cut), 3, side, side), np.uint8)
    mattes = np.empty((len(cut), side, side), np.uint8)
    part, still = mask.astype(np.float32) / 255, rest.astype(np.float32)
    for i, picture in enumerate(cut):
        matte = shots.matte(picture, rest, noise)
        share = (matte * part)[..., None]
        images[i] = np.rint(still + share * (picture - still)).transpose(2, 0, 1)
        mattes[i] = np.rint(255 * matte)
    return images, mattes


def _pictures(work: Work) -> dict[str, NDArray[Any]]:
    with np.load(work.folder / PICTURES) as kept:
        return {name: kept[name] for name in kept.files}


def renderer(work: Work, say: Say) -> None:
    """Train the network that draws this mouth; stopped, it goes on from its last checkpoint."""
    from models.net import networks, training

    data = _pictures(work)
    lesson, net = _lesson(data), _network(data)
    bar = Progress(say, "steps")
    checkpoint = work.folder / "renderer.begun.pt"
    training.train_renderer(
        net, lesson, steps_for(work.quick), work.threads,
        lambda step, steps, loss: bar.at(step + 1, steps, f" (loss {loss:.4f})"),
        checkpoint=checkpoint)
    networks.save(net, work.folder / "renderer.pt")
    _export(work, net, data, FP32)
    checkpoint.unlink(missing_ok=True)


def _lesson(data: dict[str, NDArray[Any]]) -> Any:
    from models.net import training

    train = ~data["held_out"]
    return training.Lesson(data["images"][train], data["codes"][train], data["mattes"][train],
                           shots.importance(data["mask"]))


def _network(data: dict[str, NDArray[Any]]) -> Any:
    from models.net import networks

    mean = data["images"][~data["held_out"]].mean(0, dtype=np.float32) / np.float32(255)
    return networks.renderer_network(data["codes"].shape[1], networks.SHAPES[len(data["rest"])],
                                     mean, _unit(data["rest"]))


def _unit(picture: NDArray[np.uint8]) -> Floats:
    """(p, p, 3) as (3, p, p) in 0..1."""
    return np.asarray(picture.transpose(2, 0, 1), np.float32) / np.float32(255)


def _export(work: Work, net: Any, data: dict[str, NDArray[Any]], name: str) -> None:
    from models.net import networks

    part = work.folder / "renderer.part.onnx"
    networks.export(net, part, {"code": (1, data["codes"].shape[1])}, "patch")
    part.replace(work.folder / name)


def quantise(work: Work, say: Say) -> None:
    """INT8, and both precisions measured on pictures never trained on; where INT8 loses too much
    the network is first tuned to live with it."""
    from models.net import networks, training

    data = _pictures(work)
    figures = _quantised(work, data)
    loss_db = figures["int8_loss"]["mouth_psnr_db"]
    if loss_db > INT8_LOSS_DB_MAX:
        say(f"    INT8 loses {loss_db:.2f} dB: tuning the network for it")
        net = _network(data)
        networks.load(net, work.folder / "renderer.pt")
        bar = Progress(say, "steps")
        training.tune_for_int8(net, _lesson(data), steps_for(work.quick) // 6, work.threads,
                               lambda step, steps, loss: bar.at(step + 1, steps))
        _export(work, net, data, "renderer.tuned.onnx")
        figures = {**_quantised(work, data, "renderer.tuned.onnx"), "tuned_for_int8": True}
    say(f"    {figures}")
    facts = json.loads((work.folder / "voice.json").read_text(encoding="utf-8"))
    whole = {"voice": facts["voice"], "renderer": figures}
    write_durable(work.folder / FIGURES, json.dumps(whole, indent=1).encode())


def _quantised(work: Work, data: dict[str, NDArray[Any]], source: str = FP32) -> dict[str, Any]:
    """Write the INT8 network from `source`; the figures of both precisions."""
    from models.measure.compare import compare
    from models.net.quantize import quantize

    held, rest = data["held_out"], _unit(data["rest"])
    part = work.folder / "renderer.int8.part.onnx"
    quantize(work.folder / source, part, data["codes"][~held])
    part.replace(work.folder / INT8)
    return dict(compare(work.folder / FP32, work.folder / INT8, rest, data["images"][held],
                        data["codes"][held], data["mask"]))


def idle(work: Work, say: Say) -> None:
    """The idle video and where the mouth lies in it."""
    from models import movie

    read, data = _mouths(work), _pictures(work)
    calm = stillness.choose(read["codes"], read["speaking"], read["seen"], read["matrices"])
    seconds = len(calm.rows) / footage.FPS
    if not calm.quiet:
        say("    Nobody is silent with the mouth shut for two seconds: the calmest moment became "
            "the idle video. Film some seconds of quiet listening for a better one.")
    say(f"    {seconds:.1f} s, {'cross-faded' if calm.fade else 'forwards and backwards'}")
    frames = stillness.idle_frames(calm, footage.frames_of(work.video), read["matrices"],
                                   data["rest"], data["mask"])
    bar = Progress(say, "idle frames")
    def told() -> Any:
        for i, picture in enumerate(frames, 1):
            bar.at(i, len(calm.rows))
            yield picture
    part = work.folder / "base.part.mp4"
    count = movie.write_loop(part, told(), footage.FPS)
    if count != len(calm.rows):
        raise Refused(f"{work.video} changed while it was read; start again.")
    part.replace(work.folder / BASE)
    write_arrays(work.folder / IDLE, matrix=stillness.idle_matrices(calm, read["matrices"]),
                 head_box=read["head_box"][calm.rows])


def packed(work: Work, name: str, out: Path, permission: Permission) -> dict[str, Any]:
    """Write the bundle; returns its figures."""
    from models.articulation.voice import FEATURES

    read, data = _mouths(work), _pictures(work)
    with np.load(work.folder / IDLE) as kept:
        matrix, heads = kept["matrix"], kept["head_box"]
    facts = json.loads((work.folder / "voice.json").read_text(encoding="utf-8"))
    figures: dict[str, Any] = json.loads((work.folder / FIGURES).read_text(encoding="utf-8"))
    note = work.folder / PACKED
    version = 1 + (json.loads(note.read_text(encoding="utf-8"))["version"] if note.exists() else 0)
    parts = Parts(name, version, footage.FPS, _track(work).size, matrix, heads, data["mask"],
                  data["rest"], [str(n) for n in read["names"]], FEATURES, facts["context_ms"],
                  figures, work.source_sha256,
                  # A film followed by an earlier release did not keep how shut its rest is.
                  codes.lips_of(float(read.get("rest_gap", np.inf))))
    pack(work.folder, out, parts, permission)
    write_durable(note, json.dumps({"version": version, "folder": str(out)}).encode())
    return figures
