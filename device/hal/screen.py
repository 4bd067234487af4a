"""The screen as the machine has it: connectors, modes, rotation and light. Imports no library.

Facts come from sysfs (the kernel's own word on plugs) and from `xrandr --current` (what X made of
them; without `--current` it would ask the monitor and stutter). Orders go to `xrandr`, `xset`,
`cec-ctl` or sysfs: whichever this machine has. Ways were read in xrandr(1), xset(1), cec-ctl(1)
and linux/drivers/gpu/drm/drm_sysfs.c.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from device.hal.base import switch_backlights

COMMAND_S = 5.0
OUTPUT_BYTES_MAX = 1 << 16
ROTATION_WORDS = {0: "normal", 90: "right", 180: "inverted", 270: "left"}
_TURNS = {word: degrees for degrees, word in ROTATION_WORDS.items()}
# CEA-861 timings, for a monitor that does not say what it can do.
MODELINES = {
    "1920x1080@60": "148.50 1920 2008 2052 2200 1080 1084 1089 1125 +hsync +vsync",
    "1920x1080@50": "148.50 1920 2448 2492 2640 1080 1084 1089 1125 +hsync +vsync",
    "3840x2160@30": "297.00 3840 4016 4104 4400 2160 2168 2178 2250 +hsync +vsync",
    "3840x2160@25": "297.00 3840 4896 4984 5280 2160 2168 2178 2250 +hsync +vsync",
    "1280x720@60": "74.25 1280 1390 1430 1650 720 725 730 750 +hsync +vsync",
}
_DESKTOP = re.compile(r"current (\d+) x (\d+)")
_OUTPUT = re.compile(
    r"^(\S+) (connected|disconnected)(?: primary)?(?: (\d+x\d+)\+-?\d+\+-?\d+)?(?: (\w+))?")
_MODE = re.compile(r"^ +(\S+)( +[\d. *+]+)$")
_SIZE = re.compile(r"\d+x\d+")
_RATE = re.compile(r"([\d.]+)([ *+]*)")
_MONITOR = re.compile(r"Monitor is (\w+)")

Run = Callable[[Sequence[str]], str | None]


@dataclass(frozen=True)
class Output:
    """One socket for a screen. `mode` is "1920x1080@60", None when it shows nothing.

    `modes` is what it offers, `rotation` degrees clockwise.
    """

    name: str
    connected: bool
    mode: str | None = None
    rotation: int = 0
    modes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """One look. `plugged` None: the machine does not say; `lit` None: unknown."""

    plugged: bool | None = None
    outputs: tuple[Output, ...] = ()
    desktop: tuple[int, int] | None = None
    lit: bool | None = None


class Screen(Protocol):
    """The one seam for everything that is done to a screen."""

    def look(self) -> Seen:
        """How it is."""
        ...

    def power(self, on: bool) -> bool:
        """Light it or switch it off; False when no way of this machine did it."""
        ...

    def configure(self, output: str, mode: str | None, rotation: int | None) -> bool:
        """Show on that output, in that mode (None: its best) and turn; False when refused."""
        ...


class RealScreen:
    """`root` is / on a box; `display` says that there is an X server to ask."""

    def __init__(
        self, root: Path = Path("/"), display: bool = True, run: Run | None = None
    ) -> None:
        self._root, self._display = root, display
        self._run = run or run_command
        self._awake_told = False

    def look(self) -> Seen:
        """sysfs for the plug, X for the rest."""
        text = self._run(("xrandr", "--current")) if self._display else None
        outputs, desktop = read_outputs(text or "")
        plugged = plugged_in(self._root / "sys/class/drm")
        if plugged is None and outputs:
            plugged = any(output.connected for output in outputs)
        return Seen(plugged, outputs, desktop, self._lit(outputs))

    def power(self, on: bool) -> bool:
        """DPMS, else the output itself, else the television over CEC, else the backlight."""
        ways = (self._by_dpms, self._by_output, self._by_cec, self._by_backlight)
        if not on:
            return any(way(False) for way in ways)
        done = [way(True) for way in ways]  # whatever switched it off must be undone
        return any(done)

    def configure(self, output: str, mode: str | None, rotation: int | None) -> bool:
        """Through xrandr; a mode that the monitor does not offer is described to it first."""
        if not self._display:
            return False
        order = ["xrandr", "--output", output, "--pos", "0x0"]
        if mode is None:
            order.append("--auto")
        else:
            order += self._described(output, mode)
        if rotation is not None:
            order += ["--rotate", ROTATION_WORDS[rotation]]
        return self._run(order) is not None

    def keep_awake(self) -> None:
        """X blanks a screen by itself after ten minutes; tell it never to."""
        if self._display and not self._awake_told:
            self._run(("xset", "s", "off", "s", "noblank"))
            self._run(("xset", "dpms", "0", "0", "0"))
            self._awake_told = True

    def _described(self, output: str, mode: str) -> list[str]:
        """The mode in xrandr's words; one that the monitor does not offer gets a name of ours."""
        text = self._run(("xrandr", "--current")) or ""
        ours = mode.replace("@", "_vitrine")
        if ours in text:
            return ["--mode", ours]
        offered = any(mode in each.modes for each in read_outputs(text)[0] if each.name == output)
        if offered or mode not in MODELINES:
            size, _, rate = mode.partition("@")
            return ["--mode", size, *(["--rate", rate] if rate else [])]
        self._run(("xrandr", "--newmode", ours, *MODELINES[mode].split()))
        self._run(("xrandr", "--addmode", output, ours))
        return ["--mode", ours]

    def _lit(self, outputs: Sequence[Output]) -> bool | None:
        if outputs and not any(output.mode for output in outputs):
            return False
        if self._display:
            return monitor_lit(self._run(("xset", "q")) or "")
        return kernel_lit(self._root / "sys/class/drm")

    def _by_dpms(self, on: bool) -> bool:
        """`xset` answers 0 even where X has no DPMS: only a look proves it."""
        if not self._display:
            return False
        self._run(("xset", "dpms", "force", "on" if on else "off"))
        return monitor_lit(self._run(("xset", "q")) or "") is on

    def _by_output(self, on: bool) -> bool:
        """`xrandr` may fail after it has switched the output: again only a look proves it."""
        if not self._display:
            return False
        meant = {output.name for output in self._outputs()
                 if output.connected and (output.mode is None) is on}
        for name in sorted(meant):
            self._run(("xrandr", "--output", name, "--auto" if on else "--off"))
        return any(output.name in meant and (output.mode is not None) is on
                   for output in (self._outputs() if meant else ()))

    def _outputs(self) -> tuple[Output, ...]:
        return read_outputs(self._run(("xrandr", "--current")) or "")[0]

    def _by_cec(self, on: bool) -> bool:
        devices = sorted((self._root / "dev").glob("cec[0-9]"))
        how = ("--image-view-on",) if on else ("--standby",)
        order = ("cec-ctl", "--playback", "--to", "0", *how)
        done = [self._run((*order, "-d", str(each))) is not None for each in devices]
        return any(done)

    def _by_backlight(self, on: bool) -> bool:
        return switch_backlights(self._root / "sys/class/backlight", on)


def run_command(command: Sequence[str]) -> str | None:
    """What it printed; None when it is not there, refused, or took too long."""
    try:
        done = subprocess.run(
            list(command), capture_output=True, text=True, timeout=COMMAND_S, check=False,
            errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout[:OUTPUT_BYTES_MAX] if done.returncode == 0 else None


def read_outputs(text: str) -> tuple[tuple[Output, ...], tuple[int, int] | None]:
    """Outputs and size of the desktop from `xrandr --current`; never raises."""
    found: list[Output] = []
    desktop = _DESKTOP.search(text)
    for line in text.splitlines():
        if head := _OUTPUT.match(line):
            turn = _TURNS.get(head[4] or "", 0) if head[3] else 0
            found.append(Output(head[1], head[2] == "connected", None, turn))
        elif found and (row := _MODE.match(line)):
            size_found = _SIZE.search(row[1])
            found[-1] = _with_mode(found[-1], size_found[0] if size_found else row[1], row[2])
    size = (int(desktop[1]), int(desktop[2])) if desktop else None
    return tuple(found), size


def _with_mode(output: Output, size: str, rates: str) -> Output:
    mode, modes = output.mode, list(output.modes)
    for rate, marks in _RATE.findall(rates):
        name = f"{size}@{round(float(rate))}"
        modes.append(name)
        if "*" in marks:
            mode = name
    return Output(output.name, output.connected, mode, output.rotation, tuple(modes))


def monitor_lit(text: str) -> bool | None:
    """The light as `xset q` tells it; None without DPMS."""
    found = _MONITOR.search(text)
    return None if found is None else found[1] == "On"


def plugged_in(drm: Path) -> bool | None:
    """Does the kernel see a screen in any socket? None where it has no sockets."""
    states = [state for path in _sockets(drm) if (state := _word(path / "status"))]
    return "connected" in states if states else None


def kernel_lit(drm: Path) -> bool | None:
    """Light of the connected sockets without X; None where it cannot be read."""
    states = [_word(path / "dpms") for path in _sockets(drm)
              if _word(path / "status") == "connected"]
    known = [state for state in states if state]
    return "On" in known if known else None


def _sockets(drm: Path) -> list[Path]:
    """Connectors that a cable goes into; Writeback and Virtual are none."""
    return [path.parent for path in sorted(drm.glob("card*-*/status"))
            if "Writeback" not in path.parent.name]


def _word(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[:64].strip()
    except OSError:
        return ""
