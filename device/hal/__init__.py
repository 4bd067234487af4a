"""The machine under the box: sensors, screen power, reboot. Chosen once, passed in."""

from __future__ import annotations

from device.hal.base import Hal, Readings
from device.paths import JETSON_MARK

__all__ = ["Hal", "Readings", "open_box"]


def open_box() -> Hal:
    """The Jetson where its release file is, else a PC."""
    if JETSON_MARK.exists():
        from device.hal.jetson import JetsonBox

        return JetsonBox()
    from device.hal.pc import PcBox

    return PcBox()
