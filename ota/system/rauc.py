"""RAUC over D-Bus: it checks a bundle's signature and fit, writes the idle system, verifies it.

Interface: de.pengutronix.rauc.Installer, RAUC 1.15. The only importer of dbus-fast (MIT); its
asyncio stays inside: each call here blocks, with a time limit.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError

from ota.errors import Broken, Refused, Retry
from ota.system.configuration import version_of
from ota.system.told import Bundle, System

NAME, PATH = "de.pengutronix.rauc", "/"
INSTALLER, PROPERTIES = f"{NAME}.Installer", "org.freedesktop.DBus.Properties"
ANSWER_S, INSTALL_S = 30.0, 3600.0
SENTENCE_CHARS_MAX = 300
Progress = Callable[[int, int], None]
Told = TypeVar("Told")


class Rauc:
    """The service on the system bus, or on a session's (tests)."""

    def __init__(self, session: bool = False, program: str = "rauc") -> None:
        self._kind = BusType.SESSION if session else BusType.SYSTEM
        self._program = program

    def version(self) -> tuple[int, ...]:
        """RAUC's own version. Raises Broken when it is not there."""
        try:
            told = subprocess.run((self._program, "--version"), capture_output=True, text=True,
                                  timeout=ANSWER_S, check=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise Broken(f"RAUC is not installed ({error}).") from error
        return version_of(told)

    def compatible(self) -> str:
        """The kind of board that this box's system.conf names."""
        return str(self._call("Get", "ss", [INSTALLER, "Compatible"], PROPERTIES)[0].value)

    def inspect(self, bundle: Path) -> Bundle:
        """Signature and fit are RAUC's to judge. Raises Refused with its words."""
        compatible, version = self._call("Info", "s", [str(bundle)])
        return Bundle(str(compatible), str(version))

    def install(self, bundle: Path, progress: Progress) -> None:
        """Write the idle system, which nothing starts meanwhile, and verify it.

        Raises Refused (RAUC's words), Broken (it went away in the middle).
        """
        _run(self._installed(bundle, progress), INSTALL_S)

    def mark_active(self, name: str) -> None:
        """The next start tries that system."""
        self._call("Mark", "ss", ["active", name])

    def systems(self) -> dict[str, System]:
        """By boot name, A and B."""
        (found,) = self._call("GetSlotStatus", "", [])
        known = {}
        for name, status in found:
            told = {key: value.value for key, value in status.items()}
            if "bootname" in told:
                known[str(told["bootname"])] = System(
                    name, str(told.get("device", "")), told.get("state") == "booted",
                    str(told.get("bundle.version", "")), str(told.get("sha256", "")),
                    int(told.get("size", 0)))
        return known

    def _call(
        self, member: str, signature: str, body: list[Any], interface: str = INSTALLER
    ) -> list[Any]:
        async def once() -> list[Any]:
            bus = await MessageBus(bus_type=self._kind).connect()
            try:
                return await _ask(bus, interface, member, signature, body)
            finally:
                bus.disconnect()

        return _run(once(), ANSWER_S)

    async def _installed(self, bundle: Path, progress: Progress) -> None:
        bus = await MessageBus(bus_type=self._kind).connect()
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def heard(message: Message) -> None:
            if message.message_type is not MessageType.SIGNAL or message.path != PATH:
                return
            if message.member == "Completed" and not ended.done():
                ended.set_result(int(message.body[0]))
            elif message.member == "PropertiesChanged" and "Progress" in message.body[1]:
                progress(int(message.body[1]["Progress"].value[0]), 100)
            elif message.member == "NameOwnerChanged" and not ended.done():
                ended.set_exception(Broken("RAUC stopped in the middle; the system is not used."))

        try:
            bus.add_message_handler(heard)
            await _match(bus, f"type='signal',path='{PATH}',interface='{INSTALLER}'")
            await _match(bus, f"type='signal',path='{PATH}',interface='{PROPERTIES}'")
            await _ask(bus, INSTALLER, "InstallBundle", "sa{sv}", [str(bundle), {}])
            await _match(bus, "type='signal',member='NameOwnerChanged',"
                              f"interface='org.freedesktop.DBus',arg0='{NAME}'")
            if await ended != 0:
                said = await _ask(bus, PROPERTIES, "Get", "ss", [INSTALLER, "LastError"])
                raise Refused(f"RAUC did not install it: {_words(said[0])}")
        finally:
            bus.disconnect()


async def _match(bus: MessageBus, rule: str) -> None:
    await bus.call(Message(destination="org.freedesktop.DBus", path="/org/freedesktop/DBus",
                           interface="org.freedesktop.DBus", member="AddMatch", signature="s",
                           body=[rule]))


async def _ask(
    bus: MessageBus, interface: str, member: str, signature: str, body: list[Any]
) -> list[Any]:
    reply = await bus.call(Message(destination=NAME, path=PATH, interface=interface,
                                   member=member, signature=signature, body=body))
    if reply is None:
        raise Broken("RAUC gave no answer.")
    if reply.message_type is MessageType.ERROR:
        if "ServiceUnknown" in (reply.error_name or ""):
            raise Broken("RAUC's service does not run on this box.")
        raise Refused(f"RAUC refuses: {_words(reply.body[0] if reply.body else '')}")
    return list(reply.body)


def _run(work: Coroutine[Any, Any, Told], limit_s: float) -> Told:
    try:
        return asyncio.run(asyncio.wait_for(work, limit_s))
    except asyncio.TimeoutError as error:
        raise Retry(f"RAUC did not finish within {limit_s:.0f} s; it is asked again.") from error
    except (OSError, DBusError, EOFError) as error:
        raise Broken(f"The message bus of this machine cannot be reached ({error}).") from error


def _words(said: Any) -> str:
    text = str(said.value if isinstance(said, Variant) else said).strip() or "it gave no reason"
    return text[:SENTENCE_CHARS_MAX]
