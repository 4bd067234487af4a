"""The machine's sensors: what cannot be read is unknown, and a value on the edge does not flap."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.hal import Readings, open_box
from device.hal.base import connected_screens, run_reboot, switch_backlights
from device.hal.health import judge
from device.hal.jetson import JetsonBox, parse_tegrastats
from device.hal.notify import Notifier
from device.hal.sim import SimBox
from ota.errors import Retry

# Two releases' lines, as NVIDIA's documentation and users' threads show them.
ORIN_R36 = (
    "11-21-2026 12:00:00 RAM 3120/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) "
    "CPU [20%@1510,10%@1510,off,off,0%@729,30%@729] EMC_FREQ 2%@2133 GR3D_FREQ 41%@[624] "
    "VIC off APE 174 cpu@48.5C soc2@47.2C soc0@48.1C gpu@47.9C tj@48.6C soc1@46.4C "
    "VDD_IN 5320mW/5210mW VDD_CPU_GPU_CV 1080mW/1020mW VDD_SOC 1480mW/1470mW"
)
XAVIER_R32 = (
    "RAM 2043/7765MB (lfb 1019x4MB) SWAP 0/3883MB (cached 0MB) CPU [2%@1190,1%@1190] "
    "EMC_FREQ 0% GR3D_FREQ 0% AO@38C GPU@36.5C PMIC@-256C Tboard@36C AUX@37C CPU@37.5C "
    "thermal@37.15C POM_5V_IN 2196/2196"
)


def test_a_line_of_an_orin() -> None:
    seen = parse_tegrastats(ORIN_R36)
    assert (seen.cpu_c, seen.gpu_c, seen.hottest_c) == (48.5, 47.9, 48.6)
    assert seen.gpu_percent == 41.0 and seen.cpu_percent == 15.0
    assert seen.memory_total_bytes == 7620 * 2**20 and seen.power_w == 5.32


def test_a_line_of_an_older_board_and_its_switched_off_sensor() -> None:
    seen = parse_tegrastats(XAVIER_R32)
    assert seen.cpu_c == 37.5 and seen.gpu_percent == 0.0 and seen.power_w == 2.196
    assert seen.hottest_c == 38.0  # PMIC@-256C is no temperature


@given(st.text(max_size=200) | st.sampled_from([ORIN_R36, XAVIER_R32]).flatmap(
    lambda line: st.integers(0, len(line)).map(lambda cut: line[:cut])))
def test_any_text_is_read_or_unknown_and_never_an_error(line: str) -> None:
    parse_tegrastats(line)


def test_an_empty_line_is_all_unknown() -> None:
    assert set(vars(parse_tegrastats("")).values()) == {None}


def test_a_jetsons_sysfs_is_read_where_tegrastats_is_silent(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text("51500\n")
    dead = tmp_path / "sys/class/thermal/thermal_zone1"
    dead.mkdir()
    (dead / "type").write_text("cv0-thermal\n")  # no temp: the sensor answers EAGAIN when off
    fan = tmp_path / "sys/class/hwmon/hwmon0"
    fan.mkdir(parents=True)
    (fan / "pwm1").write_text("255\n")
    seen = JetsonBox(tmp_path).readings(tmp_path)
    assert seen.cpu_c == 51.5 and seen.hottest_c == 51.5 and seen.fan_percent == 100.0
    assert seen.gpu_c is None and seen.power_w is None and seen.disk_free_bytes


def test_this_machine_has_memory_and_a_disk_and_admits_what_it_cannot_read(
    tmp_path: Path
) -> None:
    box = open_box()
    first, second = box.readings(tmp_path), box.readings(tmp_path / "not" / "there")
    assert first.memory_total_bytes and first.disk_free_bytes and second.disk_total_bytes
    assert first.cpu_percent is None  # nothing to compare with yet
    assert 0.0 not in (first.cpu_c, first.gpu_c, first.hottest_c)


def test_screens_and_backlights(tmp_path: Path) -> None:
    for name, state in (("card0-HDMI-A-1", "connected"), ("card0-DP-1", "disconnected")):
        (tmp_path / "drm" / name).mkdir(parents=True)
        (tmp_path / "drm" / name / "status").write_text(state + "\n")
    assert connected_screens(tmp_path / "drm") == ("HDMI-A-1",)
    assert connected_screens(tmp_path / "none") == ()
    light = tmp_path / "light" / "panel"
    light.mkdir(parents=True)
    (light / "bl_power").write_text("0")
    assert switch_backlights(tmp_path / "light", False)
    assert (light / "bl_power").read_text() == "4"
    assert not switch_backlights(tmp_path / "none", True)


def test_a_refused_reboot_is_a_sentence() -> None:
    with pytest.raises(Retry, match="power switch"):
        run_reboot(("false",))
    with pytest.raises(Retry, match="power switch"):
        run_reboot(("/no/such/program",))


def test_a_fault_begins_high_and_ends_low() -> None:
    def after(*celsius: float | None) -> list[bool]:
        faults: frozenset[str] = frozenset()
        seen = []
        for value in celsius:
            faults = judge(faults, Readings(hottest_c=value))
            seen.append("too-hot" in faults)
        return seen

    assert after(85, 90, 85, None, 81, 80, 89) == [False, True, True, True, True, False, False]


@given(st.lists(st.none() | st.floats(81, 89.9), max_size=30), st.booleans())
def test_between_the_two_limits_nothing_changes(values: list[float | None], hot: bool) -> None:
    faults = judge(frozenset(), Readings(hottest_c=95.0 if hot else 20.0))
    for value in values:
        assert judge(faults, Readings(hottest_c=value)) == faults


def test_low_space_is_a_fault_and_unknown_space_is_none() -> None:
    assert judge(frozenset(), Readings(disk_free_bytes=1e6)) == {"disk-low"}
    assert judge(frozenset(), Readings()) == frozenset()
    assert judge(frozenset({"memory-low"}),
                 Readings(memory_total_bytes=8e9, memory_used_bytes=2e9)) == frozenset()


def test_the_simulated_box_counts(tmp_path: Path) -> None:
    box = SimBox()
    box.reboot()
    box.screen_power(False)
    assert (box.reboots, box.screen_on, box.readings(tmp_path)) == (1, False, Readings())


def test_systemd_hears_ready_and_alive_and_silence_is_no_error(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        notifier = Notifier(address)
        assert notifier.ready() and notifier.alive() and notifier.status("two\nlines")
        assert systemd.recv(100) == b"READY=1" and systemd.recv(100) == b"WATCHDOG=1"
        assert systemd.recv(100) == b"STATUS=two lines"
    assert not Notifier(None).ready() and not Notifier(str(tmp_path / "gone")).ready()
