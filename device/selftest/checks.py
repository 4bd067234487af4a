"""Screen, recogniser, network, disk and clock: each check touches the real thing."""

from __future__ import annotations

import secrets
import shutil
import socket
import ssl
from datetime import timedelta

from device.hal.base import Hal
from device.paths import Places, assets_dir, has_display
from device.selftest.finding import Finding
from device.sync.identity import Identity, load_identity
from ota.clock import Deadline, monotonic_s
from ota.errors import Refused, VitrineError
from ota.fetch import Fetcher
from ota.files import write_durable
from ota.floor import FloorClock

CONNECT_S = 5.0
TIMESTAMP_BYTES_MAX = 65_536
DISK_FREE_MIN_BYTES = 1 << 30
DISK_PROBE_BYTES = 4 << 20
DISK_SLOW_S = 5.0
CLOCK_BEHIND_MAX = timedelta(minutes=5)


def check_screen(hal: Hal) -> Finding:
    """Is a screen connected, or a display server there?"""
    screens, display = hal.screens(), has_display()
    facts = {"connected": list(screens), "display": display}
    if screens or display:
        names = ", ".join(screens) or "display"
        return Finding(
            id="screen", ok=True, facts=facts,
            zh=f"找到屏幕:{names}。", en=f"A screen was found: {names}.",
        )
    return Finding(
        id="screen", ok=None, facts=facts,
        zh="没有找到屏幕,画面只在预览页显示。",
        en="No screen was found; the picture is on the preview page only.",
        next_zh="接好屏幕的电源和信号线,然后再试一次。",
        next_en="Connect the screen's power and signal cable, then try again.",
    )


def check_recogniser() -> Finding:
    """Load voice detection and recogniser, and run both once."""
    from device.asr.vad import Vad
    from device.asr.whisper import Whisper

    began_s = monotonic_s()
    try:
        Vad.load(assets_dir())
        Whisper.load(assets_dir(), 1).warm_up()
    except VitrineError as error:
        return Finding(
            id="recogniser", ok=False, facts={"fault": str(error)},
            zh="语音识别无法启动。", en="Speech recognition cannot start.",
            next_zh="运行一次 ./vitrine demo 补齐模型,或联系技术支持。",
            next_en="Run ./vitrine demo once to bring its models, or call support.",
        )
    load_ms = round((monotonic_s() - began_s) * 1e3)
    return Finding(
        id="recogniser", ok=True, facts={"load_ms": load_ms},
        zh="语音识别正常。", en="Speech recognition works.",
    )


def check_network(places: Places) -> Finding:
    """Broker by mutual TLS and content by HTTPS, with the box's own identity."""
    try:
        identity = load_identity(places.identity)
    except Refused as error:
        return Finding(
            id="network", ok=None, facts={"fault": str(error)},
            zh="这台设备还没有登记,无法检查网络。",
            en="This box is not enrolled yet, so the network was not checked.",
            next_zh="用登记票运行:vitrine provision enrol。",
            next_en="Run vitrine provision enrol with a ticket.",
        )
    facts: dict[str, object] = {}
    broker = _broker_fault(identity)
    content = _content_fault(identity)
    facts |= {"broker": broker or "ok", "content": content or "ok"}
    if broker is None and content is None:
        return Finding(
            id="network", ok=True, facts=facts,
            zh="网络正常,服务器可以连接。", en="The network works; the server can be reached.",
        )
    return Finding(
        id="network", ok=False, facts=facts,
        zh="连不上公司的服务器。节目会继续播放,但不会更新。",
        en="The chain's server cannot be reached. The programme goes on, without updates.",
        next_zh="检查网线或无线网络;仍然不行请联系技术支持。",
        next_en="Check the network cable or Wi-Fi; if it stays, call support.",
    )


def check_disk(places: Places) -> Finding:
    """Free space, and a real durable write."""
    probe = places.var / f".probe-{secrets.token_hex(4)}"
    began_s = monotonic_s()
    try:
        write_durable(probe, secrets.token_bytes(DISK_PROBE_BYTES))
        took_s = monotonic_s() - began_s
        free = shutil.disk_usage(places.var).free
    except (OSError, VitrineError) as error:
        return Finding(
            id="disk", ok=False, facts={"fault": str(error)},
            zh="磁盘无法写入。", en="The disk cannot be written.",
            next_zh="磁盘已满或损坏:请联系技术支持。",
            next_en="It is full or broken: call support.",
        )
    finally:
        probe.unlink(missing_ok=True)
    facts = {"free_bytes": free, "write_s": round(took_s, 3)}
    if free < DISK_FREE_MIN_BYTES or took_s > DISK_SLOW_S:
        return Finding(
            id="disk", ok=False, facts=facts,
            zh=f"磁盘快满了或太慢(剩余 {free >> 20} MB)。",
            en=f"The disk is nearly full or too slow ({free >> 20} MB free).",
            next_zh="请联系技术支持更换磁盘。", next_en="Call support to have it replaced.",
        )
    return Finding(
        id="disk", ok=True, facts=facts,
        zh=f"磁盘正常,剩余 {free >> 30} GB。", en=f"The disk works; {free >> 30} GB are free.",
    )


def check_clock(places: Places) -> Finding:
    """The machine's clock against the newest signed time this box has seen."""
    clock = FloorClock(places.var / "clock")
    behind = clock.behind()
    facts = {"now": clock.now().isoformat(timespec="seconds"), "behind_s": behind.total_seconds()}
    if behind > CLOCK_BEHIND_MAX:
        return Finding(
            id="clock", ok=False, facts=facts,
            zh=f"时钟慢了 {_days(behind)} 天。", en=f"The clock is {_days(behind)} days slow.",
            next_zh="接上网络等几分钟;断电后又变慢,说明电池没电了。",
            next_en="Connect the network and wait; if it is slow after each power cut, its "
            "battery is empty.",
        )
    return Finding(id="clock", ok=True, facts=facts, zh="时钟正常。", en="The clock is right.")


def _days(span: timedelta) -> str:
    return f"{span.total_seconds() / 86_400:.1f}"


def _broker_fault(identity: Identity) -> str | None:
    address = (identity.box.broker.host, identity.box.broker.port)
    try:
        with (
            socket.create_connection(address, timeout=CONNECT_S) as plain,
            identity.tls().wrap_socket(plain, server_hostname=address[0]),
        ):
            return None
    except (OSError, ssl.SSLError, VitrineError) as error:
        return f"{address[0]}:{address[1]}: {error}"


def _content_fault(identity: Identity) -> str | None:
    url = f"{identity.box.content_url.rstrip('/')}/metadata/timestamp.json"
    deadline = Deadline(CONNECT_S)
    try:
        Fetcher(identity.tls_for_downloads(), attempts=1).bytes(url, TIMESTAMP_BYTES_MAX)
    except VitrineError as error:
        return str(error)
    return None if not deadline.passed else f"{url} took longer than {CONNECT_S:.0f} s"
