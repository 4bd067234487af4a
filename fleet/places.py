"""Where the fleet server keeps its things, and the settings that enrolment hands to the boxes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fleet.chat import Chat
from ota.errors import Refused
from ota.files import read_bounded, write_durable

BOX_ID = re.compile(r"[a-z0-9-]{1,48}")
CHAIN_ID = re.compile(r"[a-z0-9-]{1,32}")
# Holds an @, so no box can ever be certified under this name (see BOX_ID).
CONSOLE_ID = "console@fleet"
SETTINGS_BYTES_MAX = 256 * 1024


class FleetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`fleet.json`: what this server is called and where boxes reach it."""

    chain: str
    host: str = "127.0.0.1"
    broker_port: int = 8883
    https_port: int = 8443
    http_port: int = 8080
    programme: str = ""
    # Where a technician sees a box's live picture; "{box}" stands for its id.
    preview_url: str = ""
    # The endpoint that drafts script lines for an editor; None: the console does not offer it.
    drafting: Chat | None = None
    schema: int = 1

    @property
    def https_url(self) -> str:
        """Base of everything a box fetches."""
        return f"https://{self.host}:{self.https_port}"

    @property
    def topic_root(self) -> str:
        """The chain's part of the MQTT tree, without a slash at its end."""
        return f"vitrine/1/{self.chain}"


@dataclass(frozen=True)
class FleetPlaces:
    """Every directory of one fleet server under its state directory."""

    state: Path

    @property
    def settings(self) -> Path:
        """Name and addresses of this server."""
        return self.state / "fleet.json"

    @property
    def authority(self) -> Path:
        """The CA, its records, the ticket key."""
        return self.state / "authority"

    @property
    def keys(self) -> Path:
        """Online signing keys: desired state, programmes, snapshot, timestamp."""
        return self.state / "keys"

    @property
    def offline_keys(self) -> Path:
        """Root, targets, releases, avatars: take this folder away after the first start."""
        return self.state / "offline-keys"

    @property
    def chat_keys(self) -> Path:
        """Keys of foreign servers, for `drafting.key_file`; nothing of our own lies here."""
        return self.state / "chat-keys"

    @property
    def https(self) -> Path:
        """Certificate and key of the HTTPS listener."""
        return self.state / "https"

    @property
    def broker(self) -> Path:
        """Configuration, certificate and persistence of the broker."""
        return self.state / "broker"

    @property
    def console(self) -> Path:
        """The console's own MQTT certificate and key."""
        return self.state / "console"

    @property
    def tuf(self) -> Path:
        """The published repository, served as static files."""
        return self.state / "tuf"

    @property
    def content(self) -> Path:
        """Programme files named by their hash, inside the published repository."""
        return self.tuf / "targets" / "content"

    @property
    def programmes(self) -> Path:
        """Drafts and kept versions, one folder a programme."""
        return self.state / "programmes"

    @property
    def likeness_keys(self) -> Path:
        """Public keys (PEM) of those who may sign a likeness consent."""
        return self.state / "likeness-keys"

    @property
    def database(self) -> Path:
        """Boxes, versions, audit, events."""
        return self.state / "console.db"

    def draft(self, programme: str) -> Path:
        """The folder that the editor changes."""
        return self.programmes / programme / "draft"

    def read_settings(self) -> FleetSettings:
        """`fleet.json`; raises Refused when it is missing or broken."""
        try:
            data = read_bounded(self.settings, SETTINGS_BYTES_MAX)
            return msgspec.json.decode(data, type=FleetSettings)
        except FileNotFoundError:
            raise Refused(
                f"{self.state} is no fleet server yet; start one with `vitrine fleet serve "
                f"--state {self.state}`."
            ) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"{self.settings} cannot be read ({error}); correct it.") from error

    def write_settings(self, settings: FleetSettings) -> None:
        """Replace `fleet.json`."""
        data = msgspec.json.format(msgspec.json.encode(settings), indent=2)
        write_durable(self.settings, data + b"\n")


def checked_box_id(box: str) -> str:
    """`box` when it may be a topic level and a certificate name; raises Refused otherwise."""
    if not BOX_ID.fullmatch(box):
        raise Refused(
            f"{box!r} cannot name a box; use 1 to 48 of a-z, 0-9 and - (for example shanghai-001)."
        )
    return box


def checked_chain_id(chain: str) -> str:
    """`chain` when it may be a topic level; raises Refused otherwise."""
    if not CHAIN_ID.fullmatch(chain):
        raise Refused(f"{chain!r} cannot name a chain; use 1 to 32 of a-z, 0-9 and -.")
    return chain
