"""Messages between the processes of one box: Unix datagrams with JSON, one table of topics."""

from device.bus.bus import Bus

__all__ = ["Bus"]
