"""Stories of figures that must be right: known noise, a known drift, skin in steps."""

from __future__ import annotations

import numpy as np
import pytest

from models.measure.pictures import mouth_of, psnr, scores, ssim, temporal_error, unit
from models.measure.smooth import banding, smooth_skin

SIDE = 96


def noise(seed: int = 0, count: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, SIDE, SIDE)).astype(np.uint8)


def skin(count: int = 4) -> np.ndarray:
    """A soft shade over the whole patch, a little brighter in each picture, with a dark mouth."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    shade = 120 + 60 * x + 40 * y
    pictures = np.stack([np.stack([shade + 20, shade, shade - 15]) + i for i in range(count)])
    pictures[:, :, 40:56, 34:62] = 20
    return np.rint(pictures).astype(np.uint8)


def test_psnr_and_ssim_of_known_errors() -> None:
    picture = np.full((3, SIDE, SIDE), 0.5, np.float32)
    assert psnr(picture, picture + 0.1) == pytest.approx(20, abs=0.01)
    assert psnr(picture, picture) == pytest.approx(120)
    # Two flat pictures differ in luminance only: (2ab + c1) / (a2 + b2 + c1).
    want = (2 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4)
    assert ssim(picture, picture + 0.1) == pytest.approx(want, abs=1e-4)
    busy = unit(noise()[0])
    assert ssim(busy, busy) == pytest.approx(1, abs=1e-6)
    assert ssim(busy, unit(noise(1)[0])) < 0.1
    assert ssim(busy, 1 - busy) < 0


def test_only_the_mouth_counts_in_the_mouths_figures() -> None:
    made, want = noise(), noise()
    want[:, :, :4] = 255 - want[:, :, :4]
    found = scores(made, want)
    assert found["mouth_psnr_db"] == pytest.approx(120)
    assert found["psnr_db"] < 30
    assert mouth_of(made).shape[-2:] == (round(SIDE * 0.72) - round(SIDE * 0.24),
                                         round(SIDE * 0.82) - round(SIDE * 0.18))


def test_a_constant_error_does_not_flicker_and_a_changing_one_does() -> None:
    want = np.full((6, 3, SIDE, SIDE), 100, np.uint8)
    assert temporal_error(want + 7, want) == 0
    shimmer = want.copy()
    shimmer[1::2] += 2
    assert temporal_error(shimmer, want) == pytest.approx(2)


def test_steps_in_smooth_skin_are_seen_and_noise_free_copies_are_not() -> None:
    full, mask = skin(), np.full((SIDE, SIDE), 255, np.uint8)
    same = banding(full, full.copy(), mask)
    assert same["levels_kept"] == 1
    assert same["step_distance"] == 0
    banded = (full // 8 * 8 + 4).astype(np.uint8)
    steps = banding(full, banded, mask)
    assert steps["levels_kept"] < 0.3
    assert steps["flat_share_int8"] > steps["flat_share_fp32"] + 0.2


def test_the_mouth_is_no_smooth_skin_nor_what_the_renderer_does_not_draw() -> None:
    mask = np.full((SIDE, SIDE), 255, np.uint8)
    mask[80:] = 0
    where = smooth_skin(skin(), mask)
    assert where.sum() > 1000
    assert not where[40:56, 34:62].any()
    assert not where[80:].any()
