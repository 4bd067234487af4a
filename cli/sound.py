"""A sound card for a machine without one: a private PulseAudio with a speaker and a microphone.

Both are null sinks paced by the system clock. PortAudio reaches them through ALSA's pulse
plugin, exactly as it would reach a real card on a desktop.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from device.paths import prefix_dir
from ota.errors import Refused

SPEAKER_SINK = "vitrine_speaker"
MICROPHONE_SINK = "vitrine_microphone_in"
MICROPHONE_SOURCE = "vitrine_microphone"
RATE_HZ = 48000
_CARDS = Path("/proc/asound/cards")
_PLUGIN = "alsa-lib/libasound_module_pcm_pulse.so"


@dataclass(frozen=True)
class VirtualSound:
    """The server's command line, and what its clients need in their environment."""

    command: tuple[str, ...]
    environment: dict[str, str]
    socket: Path


def has_sound_card() -> bool:
    """True where the kernel names a card, or a desktop's sound server is running."""
    if _CARDS.exists() and "no soundcards" not in _CARDS.read_text(encoding="utf-8"):
        return True
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return runtime is not None and (Path(runtime) / "pulse" / "native").exists()


def virtual_sound(folder: Path) -> VirtualSound:
    """Prepare a private sound server in `folder`; raises Refused when PulseAudio is not there."""
    program = shutil.which("pulseaudio")
    if program is None:
        raise Refused("pulseaudio was not found; run ./vitrine demo once so that it is set up.")
    folder.mkdir(parents=True, exist_ok=True)
    socket = folder / "pulse.sock"
    configuration = folder / "asound.conf"
    configuration.write_text(_alsa_configuration(), encoding="utf-8")
    environment = {
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_SINK": SPEAKER_SINK,
        "PULSE_SOURCE": MICROPHONE_SOURCE,
        "PULSE_COOKIE": str(folder / "cookie"),
        "ALSA_CONFIG_PATH": str(configuration),
        "XDG_RUNTIME_DIR": str(folder),
    }
    return VirtualSound((program, *_server_arguments(socket)), environment, socket)


def _server_arguments(socket: Path) -> tuple[str, ...]:
    modules = (
        f"module-native-protocol-unix auth-anonymous=1 socket={socket}",
        f"module-null-sink sink_name={SPEAKER_SINK} rate={RATE_HZ} channels=2",
        f"module-null-sink sink_name={MICROPHONE_SINK} rate={RATE_HZ} channels=1",
        f"module-remap-source master={MICROPHONE_SINK}.monitor source_name={MICROPHONE_SOURCE}",
    )
    arguments = [
        "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no",
        "--disable-shm=yes", "--realtime=no", "--high-priority=no",
    ]
    unpacked = sorted(prefix_dir().glob("usr/lib/pulse-*/modules")) + sorted(
        prefix_dir().glob("usr/lib/*/pulse-*/modules")
    )
    if unpacked:
        arguments += ["-p", str(unpacked[0])]
    for module in modules:
        arguments += ["-L", module]
    return tuple(arguments)


def _alsa_configuration() -> str:
    machine = sysconfig.get_config_var("MULTIARCH") or ""
    plugin = prefix_dir() / "usr" / "lib" / machine / _PLUGIN
    library = f'pcm_type.pulse {{ lib "{plugin}" }}\nctl_type.pulse {{ lib "' + str(
        plugin.with_name("libasound_module_ctl_pulse.so")
    ) + '" }\n' if plugin.exists() else ""
    return library + "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
