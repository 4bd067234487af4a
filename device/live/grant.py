"""May somebody look at this box, or speak through it? The console's signed word, judged (pure).

Orders are not signed and the broker is believed nothing: who only holds the broker can neither
make such a document nor use one twice, nor have it for another box.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from device.messages import LiveGrant
from device.sync.desired import instant
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import PublicKey

GRANT_S_MAX = 120
ENVELOPE_CHARS_MAX = 4096
SESSION_CHARS = (16, 64)
USED_MAX = 256


class Grants:
    """Judges grants of one box, each good once. Used from one thread."""

    def __init__(self, keys: Sequence[PublicKey], chain: str, box: str) -> None:
        self._keys, self._chain, self._box = keys, chain, box
        self._used: OrderedDict[str, None] = OrderedDict()

    def take(self, args: dict[str, Any], now: datetime) -> LiveGrant:
        """The grant in an order's `envelope`. Raises Refused: unsigned, for another box, out of
        date, too long, used before, malformed."""
        envelope = args.get("envelope")
        if not isinstance(envelope, str) or len(envelope) > ENVELOPE_CHARS_MAX:
            raise Refused("`live` needs the console's signed permission.")
        payload = dsse.verify(envelope.encode(), dsse.LIVE, self._keys)
        try:
            grant = msgspec.json.decode(payload, type=LiveGrant)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"The permission is malformed ({error}).") from error
        if (grant.chain, grant.box) != (self._chain, self._box):
            raise Refused("The permission is for another box.")
        until = instant(grant.until)
        if until <= now:
            raise Refused("The permission is out of date; begin again.")
        if until - now > timedelta(seconds=GRANT_S_MAX):
            raise Refused("The permission is good for too long; check the clocks of both sides.")
        if not (SESSION_CHARS[0] <= len(grant.session) <= SESSION_CHARS[1]
                and grant.session.isalnum() and grant.session.isascii()):
            raise Refused("The permission names no usable session.")
        if grant.session in self._used:
            raise Refused("The permission was used before; begin again.")
        self._used[grant.session] = None
        while len(self._used) > USED_MAX:
            self._used.popitem(last=False)
        return grant


def relay_url(enrol_url: str, session: str) -> str:
    """Where the box dials: the server it was enrolled with, never a name from a message."""
    return f"wss://{urlsplit(enrol_url).netloc}/live/box/{session}"
