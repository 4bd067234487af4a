"""Everything `vitrine models compare` says: precisions, providers, sentences, sync, flicker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.infer.ort import PROVIDERS
from device.render.bundle import Bundle
from models.measure import compare, landmarks, steadiness, sync
from models.measure.chain import mouth_of_work
from models.measure.pictures import (
    Bytes,
    mouth_psnr_each,
    opened,
    scores,
    shown,
    temporal_error,
)
from models.measure.truth import Truth, home_of
from ota.errors import Refused

Floats = NDArray[np.float32]
Say = Callable[[str], None]
PRECISIONS = ("fp32", "int8")
SHIFTS = (-8, -3, 5)


@dataclass
class Run:
    """One renderer on one provider, and what it made: `held` of the held-out pictures, `videos`
    of the sentences' true codes, `heard` of what the voice network hears."""

    precision: str
    provider: str
    model: Path
    held: Bytes | None = None
    videos: list[Bytes] = field(default_factory=list)
    heard: list[Bytes] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    curve: Floats | None = None

    @property
    def name(self) -> str:
        """fp32 and int8 are the CPU's; others carry their provider."""
        return self.precision if self.provider == "cpu" else f"{self.precision} {self.provider}"


@dataclass
class Examination:
    """What was found; `codes_heard` (f, K) of each sentence, `quality` goes into avatar.json."""

    truth: Truth
    runs: list[Run]
    quality: dict[str, Any]
    codes_heard: list[Floats] = field(default_factory=list)
    true_curve: Floats | None = None

    def run(self, name: str) -> Run:
        """The run called fp32, int8 or `precision provider`."""
        return next(r for r in self.runs if r.name == name)


def examine(truth: Truth, work: Path, bundle: Bundle | None, say: Say,
            scorer_model: Path = sync.SCORER) -> Examination:
    """Measure the renderers of `work` against `truth`, and `bundle`'s flicker. What cannot be
    measured is named in quality["missing"]. Raises Refused when there is no renderer."""
    runs, absent = _runs(work)
    found = Examination(truth, runs, {})
    held = truth.held_out
    for run in runs:
        say(f"    {run.name}: {int(held.sum())} held-out pictures")
        run.figures, run.held = compare.measure(
            run.model, truth.rest, truth.images[held], truth.codes[held], truth.mask, run.provider)
        run.figures["held_code_change"] = steadiness.held_code(
            run.model, truth.rest, truth.codes[held][0], run.provider)
    full, small = found.run("fp32"), found.run("int8")
    assert full.held is not None and small.held is not None
    quality = compare.summary(full.figures, full.held, small.figures, small.held, truth.mask)
    quality["providers"] = {**absent, **{r.name: r.figures for r in runs if r.provider != "cpu"}}
    missing = list(truth.missing)
    found.quality = quality
    if truth.sentences:
        quality["sentences"] = _sentences(found, work, scorer_model, missing, say)
    if bundle is None:
        missing.append("flicker at rest: give a packed avatar with `--bundle`")
    else:
        say("    flicker at rest and in a held vowel")
        quality["rest"] = steadiness.at_rest(bundle)
        quality["held_vowel"] = steadiness.held_vowel(bundle)
    quality["missing"] = missing
    return found


def check_renderers(work: Path) -> None:
    """Raise Refused with what to run when a renderer of `work` is missing."""
    for precision in PRECISIONS:
        if not (work / f"renderer.{precision}.onnx").is_file():
            what = "make" if precision == "fp32" else "quantize"
            raise Refused(f"There is no {precision.upper()} renderer in {work}; "
                          f"run `vitrine models {what}` first.")


def _runs(work: Path) -> tuple[list[Run], dict[str, str]]:
    """Every precision on every provider of this machine, and why others are not."""
    check_renderers(work)
    models = {p: work / f"renderer.{p}.onnx" for p in PRECISIONS}
    runs: list[Run] = []
    absent: dict[str, str] = {}
    for provider in sorted(PROVIDERS, key=lambda p: p != "cpu"):
        try:
            opened(models["fp32"], 1, provider)
        except Refused as error:
            if provider == "cpu":
                raise
            absent[provider] = f"not measured: {error}"
            continue
        runs += [Run(p, provider, models[p]) for p in PRECISIONS]
    return runs, absent


def _sentences(found: Examination, work: Path, scorer_model: Path, missing: list[str], say: Say
               ) -> dict[str, Any]:
    truth = found.truth
    home = home_of(work)
    if (home / "voice2code.onnx").is_file():
        mouth = mouth_of_work(home, truth.codes.shape[1], truth.images.shape[-1])
        found.codes_heard = [mouth.codes(s.samples)[: len(s.codes)] for s in truth.sentences]
    else:
        missing.append("the whole chain: run `vitrine models make` to train the voice network")
    result: dict[str, Any] = {"count": len(truth.sentences),
                              "frames": sum(len(v) for v in truth.videos)}
    finder = _finder(truth)
    if finder is not None:
        result["truth"] = _finder_error(truth, finder)
    for run in found.runs:
        say(f"    {run.name}: {len(truth.sentences)} sentences")
        run.videos = [shown(run.model, truth.rest, truth.mask, s.codes, run.provider)
                      for s in truth.sentences]
        run.heard = [shown(run.model, truth.rest, truth.mask, c, run.provider)
                     for c in found.codes_heard]
        result[run.name] = _against_truth(run, truth, finder)
    full, small = result["fp32"], result["int8"]
    result["int8_loss"] = {k: round(full[k] - small[k], 5)
                           for k in ("psnr_db", "mouth_psnr_db", "ssim", "mouth_ssim")}
    if scorer_model.is_file():
        say("    lip-sync")
        if "stand_in" in sync.about(scorer_model):
            missing.append("lip-sync by a scorer of true pictures: the figures are of a stand-in, "
                           f"run `vitrine models scorer --work {home}`")
        result["sync"] = _synchrony(found, sync.Scorer(scorer_model))
    else:
        missing.append(f"lip-sync: run `vitrine models scorer --work {home}`")
    return result


def _against_truth(run: Run, truth: Truth, finder: landmarks.LipFinder | None
                   ) -> dict[str, Any]:
    made, want = np.concatenate(run.videos), np.concatenate(truth.videos)
    figures = scores(made, want)
    each = [mouth_psnr_each(m, w) for m, w in zip(run.videos, truth.videos, strict=True)]
    figures["mouth_psnr_db_worst"] = min(min(row) for row in each)
    figures["temporal_error_levels"] = float(np.mean(
        [temporal_error(m, w) for m, w in zip(run.videos, truth.videos, strict=True)]))
    if finder is not None and truth.lips is not None:
        side = made.shape[-1]
        exact = truth.lips.at(np.concatenate([s.codes for s in truth.sentences]), side)
        width = landmarks.mouth_width(truth.lips.at(np.zeros((1, truth.codes.shape[1]),
                                                             np.float32), side))
        marks = finder.find(made)
        figures["landmark_percent"] = landmarks.distance_percent(marks, exact, width)
        figures["landmark_to_found_percent"] = landmarks.distance_percent(
            marks, finder.find(want), width)
        if run.heard:
            heard = finder.find(np.concatenate(run.heard))
            figures["voice_landmark_percent"] = landmarks.distance_percent(heard, exact, width)
    return {**{k: round(v, 4) for k, v in figures.items()},
            "each": [{"name": s.name, "mouth_psnr_db": round(float(np.mean(row)), 2)}
                     for s, row in zip(truth.sentences, each, strict=True)]}


def _finder(truth: Truth) -> landmarks.LipFinder | None:
    if truth.lips is None:
        return None
    train = ~truth.held_out
    exact = truth.lips.at(truth.codes[train], truth.images.shape[-1])
    return landmarks.LipFinder(truth.images[train], exact)


def _finder_error(truth: Truth, finder: landmarks.LipFinder) -> dict[str, float]:
    """The finder's own error in % of the mouth's width, on true pictures it never saw: below
    this no renderer can be told from the truth."""
    assert truth.lips is not None
    side = truth.images.shape[-1]
    still = np.zeros((1, truth.codes.shape[1]), np.float32)
    width = landmarks.mouth_width(truth.lips.at(still, side))
    pairs = [("pictures", truth.images[truth.held_out], truth.codes[truth.held_out]),
             ("sentences", np.concatenate(truth.videos),
              np.concatenate([s.codes for s in truth.sentences]))]
    return {"mouth_width_px": round(width, 1), **{
        f"finder_error_{name}_percent": round(landmarks.distance_percent(
            finder.find(images), truth.lips.at(codes, side), width), 4)
        for name, images, codes in pairs}}


def _synchrony(found: Examination, scorer: sync.Scorer) -> dict[str, Any]:
    """Of the true video, of each run on true codes and on heard codes; and that the scorer finds
    a sound that was moved."""
    truth = found.truth
    sounds = [s.samples for s in truth.sentences]

    def score(videos: list[Bytes], moved: int = 0) -> sync.Sync:
        return scorer.score([(sync.thumbs(v), sync.shifted(s, moved))
                             for v, s in zip(videos, sounds, strict=True)])

    true = score(truth.videos)
    found.true_curve = true.curve
    result: dict[str, Any] = {
        "truth": true.figures(),
        "moved": {str(m): score(truth.videos, m).offset_frames for m in SHIFTS},
        "foreign": scorer.score([(sync.thumbs(v), sounds[i - 1]) for i, v in
                                 enumerate(truth.videos)]).figures()}
    for run in found.runs:
        for kind, videos in (("codes", run.videos), ("voice", run.heard)):
            if not videos:
                continue
            got = score(videos)
            run.curve = got.curve if kind == "voice" or run.curve is None else run.curve
            result[f"{run.name} {kind}"] = {
                **got.figures(),
                "of_truth": round(got.confidence / max(true.confidence, 1e-6), 4)}
    return result
