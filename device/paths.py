"""Where things lie, and the only reader of the environment on the box (contract B2)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

JETSON_MARK = Path("/etc/nv_tegra_release")


@dataclass(frozen=True)
class Places:
    """Every directory of one box under one root, so that a test can have its own world."""

    root: Path

    @classmethod
    def from_environment(cls) -> Places:
        """`VITRINE_ROOT`, else `/` on a Jetson box and the user's data folder elsewhere."""
        given = os.environ.get("VITRINE_ROOT")
        if given:
            return cls(Path(given).absolute())
        if JETSON_MARK.exists():
            return cls(Path("/"))
        return cls(user_data_dir())

    @property
    def etc(self) -> Path:
        """Identity and settings: written by provisioning."""
        return self.root / "etc" / "vitrine"

    @property
    def identity(self) -> Path:
        """Key, certificate, CA, box.json and the first TUF root."""
        return self.etc / "identity"

    @property
    def var(self) -> Path:
        """What the box learns and keeps: content, desired state, outbox, trust metadata."""
        return self.root / "var" / "lib" / "vitrine"

    @property
    def content(self) -> Path:
        """The content store: files named by their hash."""
        return self.var / "content"

    @property
    def programmes(self) -> Path:
        """Programme folders laid out from the content store, one a version."""
        return self.var / "programmes"

    @property
    def engines(self) -> Path:
        """Networks compiled for this machine's GPU."""
        return self.var / "engines"

    @property
    def desired(self) -> Path:
        """The last accepted desired-state envelope."""
        return self.var / "desired.json"

    @property
    def opt(self) -> Path:
        """Application slots and the switch between them."""
        return self.root / "opt" / "vitrine"

    @property
    def recognisers(self) -> Path:
        """Speech models that a store or chain brought, one folder each."""
        return self.opt / "models" / "asr"

    @property
    def run(self) -> Path:
        """Sockets and other things that need not survive a restart."""
        return self.root / "run" / "vitrine"


def user_data_dir() -> Path:
    """`$XDG_DATA_HOME/vitrine`, by default `~/.local/share/vitrine`."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "vitrine"


def repository_root() -> Path:
    """The folder this code was started from: a checkout, or an application slot."""
    return Path(__file__).resolve().parent.parent


def avatars_dir() -> Path:
    """The avatars that come with this code, one bundle folder an id."""
    return repository_root() / "models" / "avatars"


def assets_dir() -> Path:
    """Downloaded models: `$VITRINE_ASSETS`, else `.assets` in the checkout."""
    given = os.environ.get("VITRINE_ASSETS")
    return Path(given).absolute() if given else repository_root() / ".assets"


def speech_settings() -> Path | None:
    """`$VITRINE_SPEECH`: the file of the speech servers that builds ask, if a chain has any."""
    given = os.environ.get("VITRINE_SPEECH")
    return Path(given).absolute() if given else None


def prefix_dir() -> Path:
    """Debian packages unpacked for this user: `$VITRINE_PREFIX`, else `.prefix`."""
    given = os.environ.get("VITRINE_PREFIX")
    return Path(given).absolute() if given else repository_root() / ".prefix"


def language_from_environment() -> str:
    """`zh-CN` or `en-US` for words printed to people, by the user's locale."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG", "")
    return "zh-CN" if locale.lower().startswith("zh") else "en-US"


def child_environment(places: Places) -> dict[str, str]:
    """What the processes of a box are started with."""
    return {
        **os.environ,
        "VITRINE_ROOT": str(places.root),
        "VITRINE_ASSETS": str(assets_dir()),
        "VITRINE_PREFIX": str(prefix_dir()),
        "PYTHONUNBUFFERED": "1",
        # Beside picture and sound no library may spin on all cores for a small product of matrices.
        "OPENBLAS_NUM_THREADS": "1",
    }


def has_display() -> bool:
    """True where an X or Wayland display is named, or the screen is ours without either."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or owns_screen()


def owns_screen() -> bool:
    """`VITRINE_SCREEN=kms`: a box without X, whose kernel gives us the whole screen. Never by
    guess: a desktop looked at over SSH has a screen, too."""
    return os.environ.get("VITRINE_SCREEN") == "kms"


def starts_behind() -> bool:
    """`VITRINE_BEHIND=1`: another player still presents; see device.warmup."""
    return os.environ.get("VITRINE_BEHIND") == "1"


def notify_socket() -> str | None:
    """systemd's notification socket, where it supervises this process."""
    return os.environ.get("NOTIFY_SOCKET")


def prepare_sdl() -> None:
    """Settings SDL reads from the environment: shared-memory windows, no sound, no banner."""
    if owns_screen():
        # SDL has no plain frame buffer on KMS: there its texture is the only way.
        os.environ.setdefault("SDL_VIDEODRIVER", "kmsdrm")
    else:
        os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


def bound_onednn() -> None:
    """Call before a model of CTranslate2 is loaded: oneDNN keeps the machine code of the last 1,024
    shapes, and each utterance has a length of its own (2 MB each in the encoder)."""
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "DNNL_PRIMITIVE_CACHE_CAPACITY"):
        os.environ.setdefault(name, "16")


def calm_numpy() -> None:
    """Call before numpy is imported: OpenBLAS keeps a second thread spinning after each product
    of matrices, a tenth of a core beside the picture; what we multiply is small."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
