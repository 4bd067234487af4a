"""Is the face on the screen still allowed? Asked when it is opened and while it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from device.paths import Places
from device.stage.keeper import last_picture_path
from ota.clock import Deadline
from ota.errors import Refused
from ota.trust.consent import Consent, check_consent
from ota.trust.withdrawn import Withdrawn

LOOK_S = 30.0


def withdrawn_ids(places: Places) -> frozenset[str]:
    """The consents that this box knows to be taken back."""
    return Withdrawn(places.var / "withdrawn").ids()


@dataclass
class Permission:
    """The consent of one opened bundle, judged by trusted time (`now`) again and again."""

    places: Places
    consent: Consent
    chain: str
    now: Callable[[], datetime]
    _due: Deadline = field(default_factory=lambda: Deadline(LOOK_S))

    def objection(self) -> str | None:
        """Why the avatar must go now, as a sentence; None while it may stay. Looks at the disk
        at most every LOOK_S."""
        if not self._due.passed:
            return None
        self._due = Deadline(LOOK_S)
        return self.judged()

    def judged(self) -> str | None:
        """The same, at once."""
        consent = self.consent
        try:
            check_consent(consent, consent.avatar, consent.base_sha256, self.now(), self.chain,
                          withdrawn_ids(self.places))
        except Refused as error:
            return str(error)
        return None


def forget_face(places: Places) -> None:
    """The last good picture shows who may not be shown: the brand picture stands instead."""
    last_picture_path(places).unlink(missing_ok=True)
