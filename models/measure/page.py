"""The page of `vitrine models compare`: frames side by side, plots and the table, in one folder."""

from __future__ import annotations

import json
import shutil
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from device.render.bundle import Bundle
from models.articulation.visemes import target
from models.measure import limits
from models.measure.drawing import Line, plot
from models.measure.examine import Examination
from models.measure.pictures import Bytes, mouth_psnr_each
from models.measure.sync import FPS, REACH, mel_of

Floats = NDArray[np.float32]
VISEMES = ("PP", "FF", "TH", "DD", "SS", "CH", "AA", "EH", "IY", "OW", "UW", "YU", "AH")
SHOWN = 10
DIFFERENCE_GAIN = 8
STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;
color:#1d2a26;background:#fbfaf7}h1,h2{font-weight:600}table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left}.no{color:#b00020}
.yes{color:#0b6e4f}figure{margin:1rem 0}figcaption{color:#555}img,svg{max-width:100%}
.head{display:grid;grid-template-columns:repeat(4,1fr);max-width:1024px;color:#555}
pre{background:#f1efe8;padding:1rem;overflow:auto}"""


def write(found: Examination, folder: Path, bundle: Bundle | None = None) -> Path:
    """Write `folder` (index.html, pictures, quality.json) whole or not at all; returns the page.
    A folder of an earlier run is replaced."""
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    strips = _strips(found, partial)
    frames = _full_frames(found, bundle, partial) if bundle is not None else []
    html = _html(found, strips, frames)
    (partial / "index.html").write_text(html, encoding="utf-8")
    (partial / "quality.json").write_text(
        json.dumps(found.quality, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return folder / "index.html"


def ten_moments(found: Examination) -> list[tuple[str, int, int]]:
    """(viseme, sentence, frame): for each viseme of the sentences the frame whose true code is
    nearest to its full articulation; at most SHOWN."""
    best: dict[str, tuple[float, int, int]] = {}
    for s, sentence in enumerate(found.truth.sentences):
        for piece in sentence.timeline:
            frame = int((piece.start_s + piece.end_s) / 2 * FPS)
            if piece.viseme in VISEMES and frame < len(sentence.codes):
                wanted = target(piece.viseme)[: sentence.codes.shape[1]]
                off = float(np.abs(sentence.codes[frame] - wanted).sum())
                best[piece.viseme] = min(best.get(piece.viseme, (off, s, frame)), (off, s, frame))
    return [(v, best[v][1], best[v][2]) for v in VISEMES if v in best][:SHOWN]


def _strips(found: Examination, folder: Path) -> list[tuple[str, str]]:
    """(file, caption) of truth | fp32 | int8 | difference, at full size: of ten visemes of the
    sentences, or of held-out pictures when there are no sentences."""
    full, small = found.run("fp32"), found.run("int8")
    result = []
    if full.videos:
        for viseme, s, frame in ten_moments(found):
            sentence = found.truth.sentences[s]
            row = [found.truth.videos[s][frame], full.videos[s][frame], small.videos[s][frame]]
            caption = f"{viseme}: {sentence.name}, frame {frame} ({frame / FPS:.2f} s)"
            result.append((_strip(folder / f"viseme_{viseme}.jpg", row), caption))
        return result
    assert full.held is not None and small.held is not None
    held = np.flatnonzero(found.truth.held_out)
    for i in np.linspace(0, len(held) - 1, min(SHOWN, len(held))).astype(int).tolist():
        row = [found.truth.images[held[i]], full.held[i], small.held[i]]
        result.append((_strip(folder / f"picture_{i:03d}.jpg", row), f"held-out picture {i}"))
    return result


def _strip(path: Path, row: list[Bytes]) -> str:
    truth, small = row[0].astype(np.int16), row[-1].astype(np.int16)
    off = np.clip(np.abs(small - truth) * DIFFERENCE_GAIN, 0, 255).astype(np.uint8)
    _write_jpeg(path, np.concatenate([*row, off], axis=2).transpose(1, 2, 0))
    return path.name


def _write_jpeg(path: Path, rgb: Bytes) -> None:
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]),
                              [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    path.write_bytes(data.tobytes())


def _full_frames(found: Examination, bundle: Bundle, folder: Path) -> list[tuple[str, str]]:
    """(file, caption): the whole picture at each of the ten visemes, INT8, on the idle video."""
    from device.render.baseloop import BaseLoop
    from device.render.mouth import Mouth
    from device.render.pixels import i420_to_bgra, lay_patch, premultiplied_patch

    mouth, result = Mouth(bundle, "int8"), []
    with BaseLoop(bundle.base_path, bundle.manifest.base.frames) as loop:
        canvas = np.zeros((loop.size[1], loop.size[0], 4), np.uint8)
        for viseme, s, frame in ten_moments(found):
            for _ in range(9):
                index, planes = loop.take()
            i420_to_bgra(planes, canvas)
            patch = mouth.patch(found.truth.sentences[s].codes[frame])
            lay_patch(canvas, premultiplied_patch(patch), bundle.track.matrix[index])
            name = f"frame_{viseme}.jpg"
            _write_jpeg(folder / name, canvas[..., 2::-1])
            result.append((name, viseme))
    return result


def _html(found: Examination, strips: list[tuple[str, str]], frames: list[tuple[str, str]]) -> str:
    missing = "".join(f"<li>{escape(str(text))}</li>" for text in found.quality["missing"])
    pictures = "".join(
        f'<figure><img src="{name}" alt="{escape(caption)}" loading="lazy">'
        f"<figcaption>{escape(caption)}</figcaption></figure>" for name, caption in strips)
    whole = " ".join(f'<a href="{name}"><img src="{name}" width="190" alt="{viseme}" '
                     'loading="lazy"></a>' for name, viseme in frames)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>Renderer compared</title><style>{STYLE}</style></head><body>",
        "<h1>Truth, FP32 and INT8</h1>",
        f"<p>{len(found.truth.sentences)} sentences and {found.quality['held_out_frames']} "
        "pictures that were never trained on, against the path-traced truth.</p>",
        f"<h2>Not measured</h2><ul>{missing}</ul>" if missing else "",
        "<h2>Limits</h2>", _table(found),
        "<h2>Frames at speech</h2><p class=head><span>truth</span><span>FP32</span>"
        f"<span>INT8</span><span>INT8 off the truth, {DIFFERENCE_GAIN} times</span></p>", pictures,
        f"<h2>Whole pictures, INT8</h2><p>{whole}</p>" if whole else "",
        "<h2>Over time</h2>", *_plots(found),
        f"<h2>All figures</h2><pre>{escape(json.dumps(found.quality, indent=1))}</pre>",
        "</body></html>"]
    return "\n".join(parts)


def _table(found: Examination) -> str:
    words = {True: '<td class="yes">reached</td>', False: '<td class="no">missed</td>',
             None: "<td>not measured</td>"}
    lines = []
    for row in limits.rows(found.quality, found.truth.images.shape[-1]):
        value = "" if row.value is None else f"{row.value:.4g} {row.unit}"
        sign = "at least" if row.at_least else "at most"
        lines.append(f"<tr><td>{escape(row.name)}</td><td>{escape(value)}</td>"
                     f"<td>{sign} {row.limit:g}</td>{words[row.good]}</tr>")
    head = "<tr><th>figure</th><th>here</th><th>limit</th><th></th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def _plots(found: Examination) -> list[str]:
    truth = found.truth
    if not truth.sentences or not found.run("fp32").videos:
        return ["<p>There are no sentences to plot.</p>"]
    result = [_figure(_psnr_plot(found))]
    for i, heard in enumerate(found.codes_heard):
        result.append(_figure(_jaw_plot(found, i, heard)))
    if found.true_curve is not None:
        offsets = list(range(-REACH, REACH + 1))
        lines = [Line("truth", offsets, found.true_curve.tolist(), dashed=True)]
        lines += [Line(run.name, offsets, run.curve.tolist()) for run in found.runs
                  if run.curve is not None]
        result.append(_figure(plot("Lips against sound: mean distance", "sound late by (frames)",
                                   "distance", lines, marks=(0,))))
    return result


def _figure(svg: str) -> str:
    return f"<figure>{svg}</figure>"


def _psnr_plot(found: Examination) -> str:
    """Mouth PSNR of every frame, the sentences one after the other."""
    videos = found.truth.videos
    ends = np.cumsum([len(v) for v in videos])
    seconds = (np.arange(ends[-1]) / FPS).tolist()
    lines = []
    for run in found.runs:
        if run.videos:
            each = [v for m, w in zip(run.videos, videos, strict=True)
                    for v in mouth_psnr_each(m, w)]
            lines.append(Line(run.name, seconds, np.minimum(each, 60).tolist()))
    return plot("Mouth PSNR of every frame", "s", "dB", lines, limit=34.0,
                marks=(ends[:-1] / FPS).tolist())


def _jaw_plot(found: Examination, i: int, heard: Floats) -> str:
    """The jaw that was heard, the true one, and how loud the sound is (scaled to fit)."""
    sentence = found.truth.sentences[i]
    seconds = (np.arange(len(heard)) / FPS).tolist()
    loud = mel_of(sentence.samples)[: len(heard) * 4].mean(1).reshape(-1, 4).mean(1)
    level = (loud - loud.min()) / max(float(np.ptp(loud)), 1e-6)
    return plot(f"Jaw: {sentence.name}", "s", "code", [
        Line("heard", seconds, heard[:, 0].tolist()),
        Line("true", seconds, sentence.codes[: len(heard), 0].tolist()),
        Line("sound level", seconds[: len(level)], level.tolist(), dashed=True)])
