"""The table of the bus: who says what to whom, how large, and when silence means stale."""

from __future__ import annotations

from dataclasses import dataclass

from device import messages as m

PLAYER, EAR, EYE, AGENT = "player", "ear", "eye", "agent"
WATCH, SAFE = "watch", "safe"
TECHNICIAN = "cli"  # a command line at the box, while it runs


@dataclass(frozen=True)
class Topic:
    """One kind of message: its publishers, its readers and its limits."""

    message: type[m.Message]
    publishers: tuple[str, ...]
    readers: tuple[str, ...]
    bytes_max: int
    stale_after_ms: int | None = None


TOPICS: tuple[Topic, ...] = (
    Topic(m.Voice, (EAR,), (PLAYER,), 512),
    Topic(m.Hearing, (EAR,), (PLAYER,), 4096),
    Topic(m.Heard, (EAR,), (PLAYER, WATCH), 4096),
    Topic(m.EarState, (EAR,), (PLAYER, AGENT, WATCH), 1024, stale_after_ms=5000),
    Topic(m.Seen, (EYE,), (PLAYER, EAR, WATCH), 1024, stale_after_ms=5000),
    Topic(m.PlayerState, (PLAYER,), (AGENT, EAR, EYE, WATCH), 4096, stale_after_ms=5000),
    Topic(m.Question, (PLAYER,), (AGENT,), 49152),
    Topic(m.Reply, (AGENT,), (PLAYER,), 16384),
    Topic(m.Happened, (PLAYER, EAR, AGENT, SAFE), (AGENT, WATCH), 8192),
    Topic(m.Kept, (AGENT,), (PLAYER,), 16384),
    Topic(m.Unanswered, (PLAYER,), (AGENT,), 2048),
    Topic(m.ContentReady, (AGENT,), (PLAYER, EAR, SAFE), 16384),
    Topic(m.Command, (AGENT, TECHNICIAN), (PLAYER, EAR, SAFE), 16384),
    Topic(m.CommandDone, (PLAYER, EAR), (AGENT, TECHNICIAN), 16384),
    Topic(m.Override, (AGENT,), (PLAYER,), 16384),
    Topic(m.Talk, (PLAYER, TECHNICIAN), (EAR,), 512),
)

BY_MESSAGE: dict[type[m.Message], Topic] = {topic.message: topic for topic in TOPICS}
