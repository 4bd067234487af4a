"""The broker: a mosquitto configuration without its known traps, and how to start it.

Each setting answers a trap measured on mosquitto 2.0 (docs/fleet.md has the table).
"""

from __future__ import annotations

import os
import platform
import pwd
import shutil
import signal
from pathlib import Path

from device.paths import prefix_dir
from fleet.authority import Authority
from fleet.places import CONSOLE_ID, FleetPlaces
from ota.errors import Refused, Retry
from ota.files import read_bounded, write_durable

DAEMONS = Path("/usr/sbin")
CONFIGURATION = """\
# Written by `vitrine fleet`; changes are overwritten at the next start.
per_listener_settings false
listener {port} {bind}
cafile {ca}
certfile {broker}/cert.pem
keyfile {broker}/key.pem
crlfile {crl}
tls_version tlsv1.2
require_certificate true
# The certificate's common name is the user: no passwords, nothing per box lives here.
use_identity_as_username true
# Without it a box could take over another client's session by using its client id.
use_username_as_clientid true
allow_anonymous false
acl_file {broker}/acl
# Without it each small message waits 40 ms for Nagle and delayed ACK to agree.
set_tcp_nodelay true
# The defaults (1000, 20) silently drop most retained documents at a console's cold start.
max_queued_messages 20000
max_inflight_messages 200
max_queued_bytes 67108864
max_packet_size 262144
max_connections 12000
persistent_client_expiration 7d
# The default saves every 30 minutes: after a power cut every retained document was gone.
persistence true
persistence_location {broker}/data/
autosave_interval 10
pid_file {broker}/mosquitto.pid
user {user}
log_dest {log}
log_type error
log_type warning
log_timestamp_format %Y-%m-%dT%H:%M:%S
# Every coming and going is in the console's database; this file must not grow by them.
connection_messages false
"""

ACCESS = """\
# The console speaks for the chain; its name holds an @, which no box may be called.
user {console}
topic readwrite {root}/#

# A box: its own branch and nothing else.
pattern readwrite {root}/%u/#
"""


def configuration(places: FleetPlaces, port: int, bind: str, user: str, log: str) -> str:
    """The text of `mosquitto.conf`."""
    return CONFIGURATION.format(
        port=port,
        bind=bind,
        ca=places.authority / "ca.pem",
        crl=places.authority / "crl.pem",
        broker=places.broker,
        user=user,
        log=log,
    )


def access_list(topic_root: str) -> str:
    """The text of the ACL file: one pattern for every box, one line for the console."""
    return ACCESS.format(console=CONSOLE_ID, root=topic_root)


def write_config(
    state: Path, port: int, bind: str = "127.0.0.1", prefix: Path | None = None
) -> list[str]:
    """Write configuration and ACL for a broker on `port`; returns the command line to start it.

    Makes the authority when there is none. Raises Refused when mosquitto is not installed.
    """
    command = command_line(find_mosquitto(prefix or prefix_dir()), prefix or prefix_dir())
    places = FleetPlaces(state.absolute())
    authority = Authority.open_or_create(places.state)
    (places.broker / "data").mkdir(parents=True, exist_ok=True)
    # Started by root, mosquitto would become a user who may not read the keys.
    user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() == 0 else "mosquitto"
    text = configuration(places, port, bind, user, f"file {places.broker / 'broker.log'}")
    write_durable(places.broker / "mosquitto.conf", text.encode())
    write_durable(places.broker / "acl", access_list(authority.settings.topic_root).encode(), 0o600)
    return [*command, "-c", str(places.broker / "mosquitto.conf")]


def find_mosquitto(prefix: Path) -> Path:
    """The broker's program: in the unpacked prefix, on PATH, or where Debian keeps daemons."""
    found = shutil.which("mosquitto")
    candidates = [prefix / "usr" / "sbin" / "mosquitto", DAEMONS / "mosquitto"]
    if found:
        candidates.insert(1, Path(found))
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise Refused("mosquitto is not installed; run ./vitrine once, or apt-get install mosquitto.")


def command_line(program: Path, prefix: Path) -> list[str]:
    """How to start `program`: out of the prefix it needs its libraries named."""
    if not program.is_relative_to(prefix):
        return [str(program)]
    triplet = f"{platform.machine()}-linux-gnu"
    folders = [prefix / "usr" / "lib" / triplet, prefix / "lib" / triplet, prefix / "usr" / "lib"]
    libraries = ":".join(str(folder) for folder in folders)
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", str(program)]


def reload_revocations(state: Path) -> bool:
    """Tell a running broker to read the revocation list again; False when none runs."""
    path = FleetPlaces(state.absolute()).broker / "mosquitto.pid"
    try:
        process = int(read_bounded(path, 32).decode().strip())
        name = read_bounded(Path("/proc") / str(process) / "comm", 64)
        if name.strip() != b"mosquitto":
            return False
        os.kill(process, signal.SIGHUP)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return False
    except PermissionError as error:
        raise Retry("The broker belongs to another user; send it SIGHUP yourself.") from error
    return True
