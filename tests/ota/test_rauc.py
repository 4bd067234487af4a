"""The real RAUC over D-Bus: signed bundles into loop devices, with our backend as its firmware.

Debian's RAUC 1.8 is older than what a box must have and this kernel has no dm-verity, so the
bundles are `plain` here; the calls are the same. Needs root and loop devices.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ota.box.daemon import Gate
from ota.box.store import Store
from ota.box.window import Shop
from ota.clock import Deadline, sleep_s, utc_now
from ota.errors import Broken, Refused
from ota.publish.systems import Said, describe, publish_system
from ota.system import update
from ota.system.beside import Beside
from ota.system.configuration import Layout, system_conf
from ota.system.rauc import Rauc
from tests.ota.conftest import Fleet
from tests.ota.rig import Kiosk
from tests.ota.signing import certificate
from tests.sim.jetson_firmware import JetsonFirmware

NEEDED = ("rauc", "dbus-daemon", "mksquashfs", "losetup")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING) or os.geteuid() != 0 or not Path("/dev/loop-control").exists(),
    reason=f"needs root, loop devices and {', '.join(NEEDED)}; missing: {MISSING}")

IMAGE_BYTES, SLOT_BYTES = 1 << 20, 2 << 20
COMPATIBLE = "vitrine-test"
BACKEND = """#!/bin/sh
PATH={folder}:$PATH PYTHONPATH={tree} exec {python} -c '
import sys
from pathlib import Path
from ota.system.backend import answer
from ota.system.jetson import JetsonBoot
print(answer(JetsonBoot(efivars=Path("{folder}/efivars")), sys.argv[1:]))' "$@"
"""
NVBOOTCTRL = """#!/bin/sh
case "$3" in
 get-current-slot) echo 0;;
 dump-slots-info) echo "Active rootfs slot: $(cat {folder}/active)";;
 set-active-boot-slot) [ "$4" = 0 ] && echo A >{folder}/active || echo B >{folder}/active;;
esac
"""


@dataclass
class Bench:
    """A box's two systems on loop devices, its RAUC, and the chain that signs for it."""

    folder: Path
    devices: tuple[Path, Path]
    rauc: Rauc

    def bundle(self, version: str, signer: str = "chain", fill: int = 7) -> Path:
        content = self.folder / f"content-{version}-{signer}"
        content.mkdir()
        (content / "rootfs.img").write_bytes(bytes([fill]) * IMAGE_BYTES)
        (content / "manifest.raucm").write_text(
            f"[update]\ncompatible={COMPATIBLE}\nversion={version}\n[bundle]\nformat=plain\n"
            "[image.rootfs]\nfilename=rootfs.img\n")
        made = self.folder / f"{version}-{signer}.raucb"
        subprocess.run(
            ("rauc", f"--cert={self.folder / signer}.pem", f"--key={self.folder / signer}.key",
             f"--keyring={self.folder / signer}.pem", "bundle", str(content), str(made)),
            check=True, capture_output=True, timeout=60)
        return made

    def parts(self, least: tuple[int, ...] = (1, 8)) -> update.Parts:
        from ota.system.jetson import JetsonBoot

        def run(arguments: Sequence[str]) -> str:
            command = (str(self.folder / "nvbootctrl"), "-t", "rootfs", *arguments)
            return subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=10).stdout

        return update.Parts(
            update.StateFile(self.folder / "state"), JetsonBoot(run, self.folder / "efivars"),
            self.rauc, lambda what, **detail: None, lambda: None, rauc_at_least=least)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("rauc")
    for name in ("chain", "stranger"):
        certificate(folder, name)
    firmware = JetsonFirmware(folder / "efivars")
    (folder / "active").write_text("A\n")
    for name, text in (("backend", BACKEND), ("nvbootctrl", NVBOOTCTRL)):
        (folder / name).write_text(text.format(
            folder=folder, tree=Path(__file__).parents[2], python=sys.executable))
        (folder / name).chmod(0o755)
    devices = [_loop(folder / f"{name}.disk") for name in "ab"]
    (folder / "system.conf").write_text(system_conf(Layout(
        COMPATIBLE, (devices[0], devices[1]), folder / "chain.pem", folder / "backend", folder,
        formats=("plain",))))
    bus = subprocess.Popen(
        ("dbus-daemon", "--session", "--nofork", f"--address=unix:path={folder}/bus"),
        stderr=subprocess.DEVNULL)
    address = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus"}
    before = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    os.environ.update(address)
    service = subprocess.Popen(
        ("rauc", f"--conf={folder}/system.conf", "--override-boot-slot=A", "service"),
        env={**os.environ, "DBUS_STARTER_BUS_TYPE": "session"}, stderr=subprocess.DEVNULL)
    made = Bench(folder, (devices[0], devices[1]), Rauc(session=True))
    try:
        _wait_for(made.rauc)
        yield made
    finally:
        for process in (service, bus):
            process.terminate()
            process.wait(10)
        os.environ.pop("DBUS_SESSION_BUS_ADDRESS")
        if before is not None:
            os.environ["DBUS_SESSION_BUS_ADDRESS"] = before
        for device in devices:
            subprocess.run(("losetup", "-d", str(device)), check=False)
        firmware.close()


def _loop(disk: Path) -> Path:
    disk.write_bytes(bytes(SLOT_BYTES))
    done = subprocess.run(("losetup", "-f", "--show", str(disk)), capture_output=True, text=True,
                          timeout=10, check=False)
    if done.returncode:
        pytest.skip(f"no loop device to be had: {done.stderr.strip()}")
    return Path(done.stdout.strip())


def _wait_for(rauc: Rauc) -> None:
    deadline = Deadline(20.0)
    while True:
        try:
            rauc.systems()
            return
        except (Broken, Refused):
            if deadline.passed:
                raise
            sleep_s(0.05)


def test_a_strangers_bundle_is_refused_and_the_idle_system_untouched(bench: Bench) -> None:
    with pytest.raises(Refused, match="RAUC refuses"):
        update.install(bench.parts(), bench.bundle("36.6.0", "stranger"))
    assert bench.devices[1].read_bytes()[:16] == bytes(16)
    assert bench.parts().state.load().phase is update.Phase.IDLE


def test_an_old_rauc_is_not_trusted_with_a_box(bench: Bench) -> None:
    if bench.rauc.version() >= (1, 15):
        pytest.skip("this machine's RAUC is new enough")
    with pytest.raises(Refused, match=r"needs 1\.15 or newer"):
        update.install(bench.parts(least=(1, 15)), bench.bundle("36.4.9"))


def test_a_signed_bundle_is_written_verified_and_started_next(bench: Bench) -> None:
    parts, seen = bench.parts(), []
    object.__setattr__(parts, "tell", lambda what, done, whole: seen.append(done))
    assert update.install(parts, bench.bundle("36.5.0")).phase is update.Phase.READY
    assert seen and seen == sorted(seen) and seen[-1] == 100, "progress for people"
    written = bench.rauc.systems()["B"]
    assert written.version == "36.5.0" and written.length_bytes == IMAGE_BYTES
    assert not written.runs and bench.rauc.systems()["A"].runs
    assert parts.control.primary() == "A", "nobody starts it before its moment"
    assert update.whole(bench.rauc, "B") is True
    assert update.go_on(parts)
    assert parts.control.primary() == "B" and parts.control.is_good("B")


def test_a_signed_system_goes_from_the_server_through_the_store_into_the_idle_system(
    bench: Bench, fleet: Fleet, tmp_path: Path
) -> None:
    parts = replace(bench.parts(), state=update.StateFile(tmp_path / "state"))
    parts.control.set_primary("A")
    bundle = bench.bundle("36.8.0", fill=8)
    release = describe(bundle, Said(bench.rauc.compatible(), "36.8.0"), rauc_at_least="1.8")
    publish_system(fleet.repository, bundle, release)
    kiosk = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    store = Store(tmp_path / "bundles", 64 << 20)
    beside = Beside(parts, kiosk.parts(), store, lambda stick: kiosk.source(),
                    Gate(Shop, utc_now), tmp_path / "steer")
    spoken, failed = beside.turn()
    assert not failed and "36.8.0 is written and verified" in spoken
    assert bench.rauc.systems()["B"].version == "36.8.0" and parts.control.primary() == "B"
    assert update.whole(bench.rauc, "B") is True and store.used_bytes() == 0


def test_a_block_that_rots_is_seen_before_anybody_is_sent_there(bench: Bench) -> None:
    with bench.devices[1].open("r+b", buffering=0) as device:
        device.seek(4096)
        device.write(b"\0" * 512)
        os.fsync(device.fileno())
    assert update.whole(bench.rauc, "B") is False
    assert update.whole(bench.rauc, "A") is None, "nobody knows what A should hold"


def test_a_truncated_bundle_is_refused(bench: Bench) -> None:
    bundle = bench.bundle("36.7.0")
    bundle.write_bytes(bundle.read_bytes()[:-600])
    with pytest.raises(Refused):
        bench.rauc.inspect(bundle)
