"""The live relay: an operator's page on one side, a box on the other, small queues between.

All of it lives in the server's event loop. A slow side loses its oldest packets; nobody waits
for anybody. What is said is carried, never kept.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from device.messages import LiveGrant
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import SigningKey

GRANT_S = 60
JOIN_S = 8.0
SESSION_S_MAX = 1810.0
PACKETS_MAX = 50
SESSIONS_MAX = 64
WATCHERS_A_BOX_MAX = 2
Mail = asyncio.Queue[bytes]


@dataclass
class Session:
    """One page at one box; `speaks` means that the page's microphone drives the avatar."""

    id: str
    box: str
    who: str
    speaks: bool
    to_box: Mail = field(default_factory=lambda: asyncio.Queue(PACKETS_MAX))
    to_page: Mail = field(default_factory=lambda: asyncio.Queue(PACKETS_MAX))
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    why: str = ""

    def end(self, why: str) -> None:
        """Hang up on both sides; the first reason counts."""
        if not self.over.is_set():
            self.why = why
            self.over.set()


class Relay:
    """The open sessions by their names."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def open(self, box: str, who: str, speaks: bool) -> Session:
        """A new session. Raises Refused when somebody speaks there already, or too many watch."""
        there = [each for each in self._sessions.values() if each.box == box]
        if speaks and any(each.speaks for each in there):
            raise Refused(
                "有人正在通过这块屏幕说话 / Somebody else speaks through this screen now.")
        watching = sum(not each.speaks for each in there)
        crowded = not speaks and watching >= WATCHERS_A_BOX_MAX
        if crowded or len(self._sessions) >= SESSIONS_MAX:
            raise Refused("观看的人太多,请稍后 / Too many people watch; try again in a moment.")
        session = Session(secrets.token_hex(16), box, who, speaks)
        self._sessions[session.id] = session
        return session

    def join(self, session_id: str, box: str) -> Session | None:
        """The session that this box was asked to, once; None for any other."""
        session = self._sessions.get(session_id)
        if session is None or session.box != box or session.joined.is_set():
            return None
        session.joined.set()
        return session

    def close(self, session: Session) -> None:
        """Forget it, and hang up."""
        session.end("closed")
        self._sessions.pop(session.id, None)

    def close_all(self) -> None:
        """The server ends."""
        for session in list(self._sessions.values()):
            session.end("server")


def put(mail: Mail, data: bytes) -> None:
    """Into a full queue too: the oldest packet goes, a voice must not grow late."""
    if mail.full():
        mail.get_nowait()
    mail.put_nowait(data)


def sealed_grant(chain: str, session: Session, key: SigningKey, now: datetime) -> str:
    """The signed permission for the box to dial us, for this session alone."""
    until = (now + timedelta(seconds=GRANT_S)).isoformat(timespec="seconds")
    grant = LiveGrant(chain=chain, box=session.box, session=session.id, who=session.who,
                      until=until, speak=session.speaks)
    return dsse.sign(msgspec.json.encode(grant), dsse.LIVE, [key]).decode()
