"""One frame: base picture, mouth patch, overlays. Only what changed is touched.

A frame with a closed mouth and no overlay is the base frame bit by bit. While the base stands
still (a still picture in the heat, a slow band) only the boxes that changed are drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from device.render import pixels
from device.render.captions import Track, View
from device.render.cards import Label, Look, ai_label, card_shade_px
from device.render.dirty import Box, apart
from device.render.dress import Dressed, Ground, dress
from device.render.ground import BaseView
from device.render.pixels import Floats, Picture, Sprite

MARGIN_PX = 48
FADE_FRAMES = 6
BUMPER_FADE_FRAMES = 12
SLIDE_PX = 44
CALIBRATION_TOP = 0.42
CAPTION_ROOM_PX = 392  # under a standing card in portrait


@dataclass(frozen=True)
class Layer:
    """A sprite at its place (top left, canvas pixels)."""

    sprite: Sprite
    x: int
    y: int
    opacity: float = 1.0

    @property
    def box(self) -> Box:
        """What it covers; may reach beyond the canvas."""
        return Box(self.x, self.y, self.x + self.sprite.width_px, self.y + self.sprite.height_px)


@dataclass(frozen=True)
class Drawn:
    """What a canvas shows: the base frame, the mouth on it, the layers over them."""

    canvas: Picture
    base_i420: Picture
    mouth: Dressed | None
    layers: list[Layer]


@dataclass(frozen=True)
class Overlay:
    """What lies over the picture now; a new object is made when any of it changes."""

    card: Sprite | None = None
    caption: Sprite | View | None = None
    hint: Sprite | None = None
    heard: Sprite | None = None  # a visitor's words: see Compositor.private
    brand: Sprite | None = None
    plate: Sprite | None = None
    gauge: Sprite | None = None
    bumper: Sprite | None = None
    notice: Sprite | None = None
    ear: Sprite | None = None  # shown while the microphone is on, whatever else is
    said: Track | None = None

    def changed(self, part: str, what: Sprite | Track | None) -> Overlay:
        """The overlay with another `part`, which is one of its fields."""
        change: dict[str, Any] = {part: what}
        return replace(self, **change)

    def at(self, n: int) -> Overlay:
        """The overlay of frame `n`: itself, unless what is said comes to its next word."""
        if self.said is None and not isinstance(self.caption, View):
            return self
        caption = self.said.at(n) if self.said is not None else None
        return self if caption is self.caption else replace(self, caption=caption)


class Compositor:
    """Compositor(1080, 1920, (1080, 1920)): draws frames of any base size into a canvas size.

    One present loop owns it; only `dress` is for other threads as well. `private` are the boxes
    of the last frame that hold a visitor's words: for the screen alone. `look.k` follows the short
    side, `shift` (x, y) in pixels moves all that lies over the picture.
    """

    def __init__(
        self, width_px: int, height_px: int, base_size: tuple[int, int],
        focus: tuple[int, int] | None = None,
    ) -> None:
        """`focus` is the base pixel (x, y) to keep in view where the canvas crops the base."""
        self.width_px, self.height_px = width_px, height_px
        self._view = BaseView(base_size, (width_px, height_px), focus)
        self.look = Look(k=min(width_px, height_px) / 1080, landscape=width_px > height_px,
                         canvas=(width_px, height_px), beside=self._view.framing.beside)
        self.label: Label = ai_label(self.look)
        self.shift = (0, 0)
        self.covered = False
        self.private: tuple[Box, ...] = ()
        self._drawn: Drawn | None = None
        self._ground: Ground | None = None
        self._laid: tuple[Overlay, tuple[int, int], list[Layer]] | None = None
        self._card, self._bumper = _Change(FADE_FRAMES), _Change(BUMPER_FADE_FRAMES)

    def wear(self, look: Look) -> None:
        """Take the colours of a theme; the scale stays."""
        self.look = replace(look, k=self.look.k, landscape=self.look.landscape,
                            canvas=self.look.canvas, beside=self.look.beside)
        self._laid = None

    def dress(self, patch: Picture, matrix: Floats) -> Dressed:
        """A patch made ready for `frame` with that `matrix`, which then has less to do.

        Any thread. Where the base stands still the mouth is laid on it here already.
        """
        return dress(patch, matrix, self._view.on_canvas(matrix), (self.width_px, self.height_px),
                     self._ground)

    def frame(
        self,
        canvas: Picture,
        base_i420: Picture,
        patch: Picture | Dressed | None,
        matrix: Floats,
        overlay: Overlay,
    ) -> list[Box]:
        """Draw one frame into `canvas` (h, w, 4); returns the boxes that changed.

        `patch` is premultiplied BGRA (`pixels.premultiplied_patch`), also as `dress` returned it,
        None for a closed mouth; `matrix` (2, 3) maps patch pixels to base pixels. A canvas that
        is given again must still hold what was drawn into it; the same base array means the same
        picture.
        """
        before = self._drawn
        mouth = None if patch is None else self._fitted(patch, matrix, before)
        now = self._drawn = Drawn(canvas, base_i420, mouth, self.layers(overlay))
        place = self._view.place
        if before is None or before.canvas is not canvas:
            self._ground = None
            self.base(canvas, base_i420)
            whole = Box(0, 0, self.width_px, self.height_px)
            self._over(canvas, whole, now)
            return [whole]
        boxes = self._changed(before, now)
        if before.base_i420 is not base_i420:
            self._ground = None
            self._view.moving(canvas, base_i420)
            self._over(_cut(canvas, place), place, now)
            boxes = [part for box in boxes for part in box.without(place)]
            for box in boxes:
                self._view.restore(_cut(canvas, box), box)
                self._over(_cut(canvas, box), box, now)
            return [place, *boxes]
        for box in boxes:
            self._again(_cut(canvas, box), box, now)
        return boxes

    def _fitted(self, patch: Picture | Dressed, matrix: Floats, before: Drawn | None) -> Dressed:
        """The mouth at that place: as it came, as it was drawn last, else dressed here."""
        at = matrix.tobytes()
        if isinstance(patch, Dressed):
            if patch.at == at:
                return patch
            patch = patch.patch
        if before is not None and before.mouth is not None and before.mouth.fits(patch, at):
            return before.mouth
        return self.dress(patch, matrix)

    def _again(self, part: Picture, box: Box, now: Drawn) -> None:
        """One box of a canvas whose base stands still, drawn anew."""
        finished = None
        if now.mouth is not None and now.mouth.box == box:
            finished = now.mouth.whole_over(now.base_i420)
        if finished is not None:
            np.copyto(part, finished)
        else:
            np.copyto(part, _cut(self._clean(now.base_i420), box))
        self._over(part, box, now, laid=finished is not None)

    def _clean(self, base_i420: Picture) -> Picture:
        """The base alone as it looks on the canvas, drawn once while it stands still."""
        if self._ground is None:
            clean: Picture = np.empty((self.height_px, self.width_px, 4), np.uint8)
            self.base(clean, base_i420)
            self._ground = Ground(base_i420, clean)
        return self._ground.clean

    def _over(self, part: Picture, box: Box, now: Drawn, laid: bool = False) -> None:
        """Mouth (unless it is `laid`) and layers onto one box of the canvas."""
        if now.mouth is not None and not laid:
            now.mouth.lay(part, box)
        for layer in now.layers:
            if layer.box.meets(box):
                pixels.blend(part, layer.sprite, layer.x - box.left, layer.y - box.top,
                             layer.opacity)

    def _changed(self, before: Drawn, now: Drawn) -> list[Box]:
        """The boxes in which two frames over the same base differ."""
        mouths = {mouth.box for mouth, other in (
            (now.mouth, before.mouth), (before.mouth, now.mouth))
            if mouth is not None and not mouth.same_as(other)}
        if before.layers is now.layers and len(mouths) < 2:
            return [box for box in mouths if box.area_px]
        boxes = [layer.box for layer in before.layers if layer not in now.layers]
        boxes += [layer.box for layer in now.layers if layer not in before.layers]
        return apart([box.within(self.width_px, self.height_px) for box in (*boxes, *mouths)])

    def base(self, canvas: Picture, base_i420: Picture) -> None:
        """The base frame alone, scaled and cropped to cover the canvas, or on its ground."""
        self._view.whole(canvas, base_i420)

    def layers(self, overlay: Overlay) -> list[Layer]:
        """Where everything lies in this frame; the AI label is always the last and on top.

        The same list as before while nothing comes, goes or moves.
        """
        if (self._laid is not None and self._laid[0] is overlay and self._laid[1] == self.shift
                and self._card.settled and self._bumper.settled):
            return self._laid[2]
        found = self._laid_out(overlay)
        self._laid = (overlay, self.shift, found)
        return found

    def _laid_out(self, overlay: Overlay) -> list[Layer]:
        margin = self.look.px(MARGIN_PX)
        found = [self._card_layer(card, shown)
                 for card, shown in self._card.steps(overlay.card)]
        found += self._words_layers(overlay, margin)
        if overlay.brand is not None:
            x = self.width_px - margin - overlay.brand.width_px
            found.append(Layer(overlay.brand, x, margin))
        found += self._calibration(overlay)
        for bumper, shown in self._bumper.steps(overlay.bumper):
            if shown >= 1.0:
                found.clear()  # nothing beneath it can be seen
            found.append(Layer(bumper, 0, 0, shown))
        if overlay.notice is not None:
            if overlay.notice.height_px >= self.height_px:
                found.clear()
            found.append(Layer(overlay.notice, 0, self.height_px - overlay.notice.height_px))
        corner = margin - self.label.margin_px
        if overlay.ear is not None:
            found.append(self._ear_layer(overlay.ear, margin))
        found.append(Layer(self.label.sprite, corner, corner))
        self.covered = any(self._covers(layer) for layer in found)
        placed = [self._shifted(layer) for layer in found]
        self.private = tuple(layer.box.within(self.width_px, self.height_px) for layer in placed
                             if layer.sprite is overlay.heard)
        return placed

    def _covers(self, layer: Layer) -> bool:
        """Does it hide the whole picture?"""
        return (layer.opacity >= 1.0 and layer.sprite.width_px >= self.width_px
                and layer.sprite.height_px >= self.height_px)

    def _shifted(self, layer: Layer) -> Layer:
        """What spans the picture stays: moved, it would show a strip of what is beneath."""
        if layer.sprite.width_px >= self.width_px:
            return layer
        return replace(layer, x=layer.x + self.shift[0], y=layer.y + self.shift[1])

    def _calibration(self, overlay: Overlay) -> list[Layer]:
        """The calibration page's words and scale, one below the other, under the middle."""
        found, y = [], round(self.height_px * CALIBRATION_TOP)
        for sprite in (overlay.plate, overlay.gauge):
            if sprite is not None:
                found.append(Layer(sprite, (self.width_px - sprite.width_px) // 2, y))
                y += sprite.height_px + self.look.px(16)
        return found

    def _ear_layer(self, ear: Sprite, margin: int) -> Layer:
        """Right of the AI label; in portrait, where the brand may begin there, under it."""
        wide = self.label.sprite.width_px - 2 * self.label.margin_px
        high = self.label.sprite.height_px - 2 * self.label.margin_px
        gap = self.look.px(16)
        if self.height_px >= self.width_px:
            return Layer(ear, margin, margin + high + gap)
        return Layer(ear, margin + wide + gap, margin + (high - ear.height_px) // 2)

    def _words_layers(self, overlay: Overlay, margin: int) -> list[Layer]:
        """Caption or hint, above them what was heard: over a lying card in portrait and beside
        the presenter, else in the left column."""
        portrait, card = self.height_px >= self.width_px, overlay.card
        foot = self.height_px - margin
        if (portrait or self.look.beside) and card is not None and not _stands(card):
            foot -= card.height_px - 2 * card_shade_px(self.look) + self.look.px(28)
        found: list[Layer] = []
        for words in (overlay.caption or overlay.hint, overlay.heard):
            if words is None:
                continue
            x = (self.width_px - words.width_px) // 2 if portrait else margin
            y = foot - words.height_px
            foot = y - self.look.px(20)
            if isinstance(words, View):
                found += [Layer(part.sprite, x + part.x, y + part.y) for part in words.parts]
            else:
                found.append(Layer(words, x, y))
        return found

    def _card_layer(self, card: Sprite, shown: float) -> Layer:
        eased = 1.0 - (1.0 - shown) ** 2
        shade = card_shade_px(self.look)
        edge = self.look.px(MARGIN_PX) - shade
        portrait = self.height_px >= self.width_px
        x = self.width_px - card.width_px - edge
        if self.look.beside:
            x = edge if not _stands(card) else (
                self._view.place.left - card.width_px + shade)
        elif portrait and not _stands(card):
            x = (self.width_px - card.width_px) // 2
        y = self.height_px - card.height_px - edge + round((1.0 - eased) * self.look.px(SLIDE_PX))
        if portrait and _stands(card):
            y -= self.look.px(CAPTION_ROOM_PX)
        return Layer(card, x, y, eased)


class _Change:
    """One sprite comes while the one before it goes, in so many frames."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._coming: tuple[Sprite | None, int] = (None, 0)
        self._going: tuple[Sprite | None, int] = (None, 0)

    @property
    def settled(self) -> bool:
        """Would another step with the same wish show the same?"""
        (coming, come), (going, gone) = self._coming, self._going
        return (coming is None or come == self._frames) and (going is None or gone == 0)

    def steps(self, wanted: Sprite | None) -> list[tuple[Sprite, float]]:
        """One frame on: the sprites to show, the leaving one first, each with its share."""
        if wanted is not self._coming[0]:
            self._going, self._coming = self._coming, (wanted, 0)
        self._coming = self._coming[0], min(self._frames, self._coming[1] + 1)
        self._going = self._going[0], max(0, self._going[1] - 1)
        return [(sprite, step / self._frames) for sprite, step in (self._going, self._coming)
                if sprite is not None and step > 0]


def _stands(card: Sprite) -> bool:
    """Is it a card for the picture's side?"""
    return card.height_px > card.width_px


def _cut(canvas: Picture, box: Box) -> Picture:
    return canvas[box.top : box.bottom, box.left : box.right]
