"""When the ear listens: always, after a wake phrase, while a key is held, or to who stands there.

Pure: told what happened and when, it says deaf, armed or awake. Awake, what is said is answered;
armed, a wake phrase or somebody in front is waited for; deaf, nothing is recognised at all.
"""

from __future__ import annotations

from typing import Literal

from device.asr.wake import WakePhrases
from device.programme.schema import Listen

State = Literal["deaf", "armed", "awake"]

# Who stands in front is not taken as gone for a look or two (the eye looks three times a second).
THERE = 0.03
_SECOND_NS = 1_000_000_000
_BLIND_AFTER_NS = 10 * _SECOND_NS
# Somebody lets go of the key with the last syllable.
RELEASE_NS = 400_000_000
# A key that is held for so long is stuck, or something lies on it.
HELD_MAX_NS = 60 * _SECOND_NS
BLIND = ("The kiosk listens to who stands in front of it, but its camera shows nothing; connect "
         "the camera, or choose another listen mode in the programme.")
STUCK = "The talk key has been down for a minute; is something lying on it?"


class Listening:
    """`state(now_ns)` follows from the programme's `listen` and from what is told here."""

    def __init__(self, listen: Listen | None = None) -> None:
        self.fault: str | None = None
        self._listen = listen or Listen()
        self._begin(0)

    def set(self, listen: Listen, now_ns: int) -> None:
        """A programme's wish; the state begins anew when it is another one than before."""
        if listen != self._listen:
            self._listen = listen
            self._begin(now_ns)

    def _begin(self, now_ns: int) -> None:
        listen = self._listen
        self._phrases = WakePhrases.of(listen.wake if listen.mode == "wake" else {})
        self._awake_until_ns = 0
        self._pressed_ns: int | None = None
        self._seen_ns = now_ns
        self.fault = None

    @property
    def mode(self) -> str:
        """always, wake, push or presence."""
        return self._listen.mode

    def state(self, now_ns: int) -> State:
        """Deaf, armed or awake."""
        mode = self._listen.mode
        if mode == "always":
            return "awake"
        if mode == "push":
            return "awake" if self._talks(now_ns) else "deaf"
        if mode == "presence":
            blind = now_ns - self._seen_ns > _BLIND_AFTER_NS
            self.fault = BLIND if blind else None
        return "awake" if now_ns < self._awake_until_ns else "armed"

    def talk(self, pressed: bool, now_ns: int) -> None:
        """The talk key went down or up; without meaning outside push mode."""
        if self._listen.mode != "push":
            return
        if self._listen.press == "toggle":
            if pressed:
                talks = self._talks(now_ns)
                self._awake_until_ns = 0 if talks else now_ns + self._awake_ns
            return
        if pressed and self._pressed_ns is None:
            self._pressed_ns = now_ns
        elif not pressed and self._pressed_ns is not None:
            self._pressed_ns = None
            self.fault = None
            self._awake_until_ns = now_ns + RELEASE_NS

    def seen(self, on: bool, size: float, now_ns: int) -> None:
        """What the eye tells."""
        if not on:
            return
        self._seen_ns = now_ns
        if self._listen.mode == "presence" and size >= THERE:
            self._awake_until_ns = now_ns + self._awake_ns

    def busy(self, now_ns: int) -> None:
        """A visitor speaks, or is answered: the conversation is not over."""
        awake = self.state(now_ns) == "awake"
        held = self._listen.mode == "push" and self._listen.press == "hold"
        if awake and not held:
            self._awake_until_ns = max(self._awake_until_ns, now_ns + self._awake_ns)

    def wakes(self, text: str, now_ns: int) -> str | None:
        """What was asked behind the wake phrase, "" for the phrase alone; None: not for us.

        Awake, everything is for us, and a phrase in front is no part of the question.
        """
        rest = self._phrases.rest(text)
        if self.state(now_ns) == "awake":
            self.busy(now_ns)
            return rest or text
        if rest is not None and self._listen.mode == "wake":
            self._awake_until_ns = now_ns + self._awake_ns
        return rest

    @property
    def _awake_ns(self) -> int:
        return self._listen.awake_s * _SECOND_NS

    def _talks(self, now_ns: int) -> bool:
        if self._pressed_ns is not None:
            if now_ns - self._pressed_ns < HELD_MAX_NS:
                return True
            self.fault = STUCK
        return now_ns < self._awake_until_ns
