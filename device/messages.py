"""Every message between the box's processes, and between box and console (contract B6).

Times named `at_ns` are on the machine's monotonic clock; times named `at` are UTC, ISO 8601.
No message holds a visitor's voice; `Heard.text` stays on the box and is never stored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

# The documents of enrolment are contract B6 as well.
from device.enrolment import BoxSettings as BoxSettings
from device.enrolment import Ticket as Ticket

Json = dict[str, Any]
DownloadBytes = Annotated[int, msgspec.Meta(ge=16_384, le=2**50)]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
OffsetMs = Annotated[float, msgspec.Meta(ge=-500, le=500)]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all messages; unknown fields are ignored, unknown types refused."""


class Voice(Message, tag="voice", frozen=True):
    """ear -> player: somebody began or stopped to speak.

    `certain` false: it may be a voice, and it may be a cough; `first`: there was hardly more than
    30 ms of it yet. Another message follows when more is known, or one with `speaking` false.
    """

    at_ns: int
    speaking: bool
    certain: bool = True
    first: bool = False


class Hearing(Message, tag="hearing", frozen=True):
    """ear -> player: what is understood of an utterance so far. For the screen, never stored."""

    at_ns: int
    text: str
    language: str = ""


class Talk(Message, tag="talk", frozen=True):
    """player, command line -> ear: the key or button that lets a visitor talk, down or up."""

    at_ns: int
    pressed: bool


class Heard(Message, tag="heard", frozen=True):
    """ear -> player: one finished utterance. `confidence` is the mean token log-probability."""

    at_ns: int
    speech_end_ns: int
    text: str
    language: str
    confidence: float
    took_ms: float


class EarState(Message, tag="ear_state", frozen=True):
    """ear -> everybody, each second: is the recogniser loaded, how loud is the shop.

    `listening` is "awake" when what is said is answered, "armed" when a wake phrase or somebody
    in front is waited for, "deaf" when nothing is recognised. Also sent at each change of it.
    """

    at_ns: int
    ready: bool
    listening: Literal["deaf", "armed", "awake"] = "awake"
    recogniser: str = ""
    level_dbfs: float | None = None
    fault: str | None = None
    rss_bytes: int | None = None
    echo: str = ""
    erle_db: float | None = None


class Seen(Message, tag="seen", frozen=True):
    """eye -> player, ear: is the camera on, and which share of its picture moved in (0..1).

    Nothing else of what it sees leaves the eye.
    """

    at_ns: int
    on: bool
    size: float = 0.0
    fault: str | None = None


class PlayerState(Message, tag="player_state", frozen=True):
    """player -> agent and ear, each second and at each change of what is said."""

    at_ns: int
    ready: bool
    programme_id: str = ""
    programme_version: int = 0
    programme_schema: int = 0
    saying: str | None = None
    speaking: bool = False
    showing: str | None = None
    state: str = "idle"
    frames_shown: int = 0
    frames_dropped: int = 0
    fps: float = 0.0
    render_p50_ms: float | None = None
    av_offset_p95_ms: float | None = None
    av_offset_set_ms: float = 0.0
    volume: float = 1.0
    underflows: int = 0
    sound_drift_ppm: float | None = None
    ai_label: bool = False
    ai_label_px: int = 0
    avatar: str = ""
    provider: str = ""
    precision: str = ""
    band: str = ""
    attract: bool = False
    rss_bytes: int | None = None
    fault: str | None = None
    frozen_s: float = 0.0
    # For the trial of a release: see device.witness. None: nobody can tell.
    tone_passed: bool | None = None
    shop_open: bool | None = None
    shop_changes_at: str | None = None
    shop_utc_offset_s: float | None = None


class Question(Message, tag="question", frozen=True):
    """player -> agent: ask the endpoint of `Settings.answers`. Holds a visitor's words."""

    id: str
    messages: list[dict[str, str]]


class Reply(Message, tag="reply", frozen=True):
    """agent -> player: what the endpoint said, None and why when it said nothing in time."""

    id: str
    text: str | None = None
    why: str = ""
    took_ms: float = 0.0


class Happened(Message, tag="happened", frozen=True):
    """any -> agent -> console: one event. `detail` never holds a visitor's words."""

    id: str
    at: str
    kind: str
    detail: Json = {}


class Kept(Message, tag="kept", frozen=True):
    """agent -> player: these events are on the disk; the player need not tell them again."""

    ids: list[str]


class Unanswered(Message, tag="unanswered", frozen=True):
    """player -> agent: a question that several visitors asked and no answer fits.

    Only where `Settings.unanswered_text` is on and the screen has said so for `noticed_s` seconds.
    Holds visitors' words: never stored, sent to the console or dropped.
    """

    text: str
    language: str
    visitors: int
    noticed_s: float


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the shop's line downloads over 1 MiB may use; None: no limit.

    `open_bytes_per_s` holds while the shop is open, where `hours` are set.
    """

    bytes_per_hour: DownloadBytes | None = None
    bytes_per_day: DownloadBytes | None = None
    open_bytes_per_s: DownloadBytes | None = 1_000_000


class AnswersFrom(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenAI-compatible endpoint for questions that the programme does not answer.

    `url` ends before `/chat/completions` (http://127.0.0.1:8081/v1). `key_file` is the name of a
    file in the box's `etc/vitrine/keys/` that holds the endpoint's key.
    """

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s]+$", max_length=300)]
    model: Annotated[str, msgspec.Meta(max_length=100)] = ""
    key_file: FileName | None = None
    limit_ms: Annotated[int, msgspec.Meta(ge=200, le=5000)] = 1500


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the console may set on a box; part of the desired state.

    `groups` are the store's, for the parts of a programme that are for some stores alone.
    `variables_until` tells until when (ISO 8601) a value of `variables` may be said.
    `hours` as device.stage.hours reads them, None: always open. `volume_curve` has the loudness
    at clock times ("21:00": 0.3), empty: `volume` all day. `rotation` (degrees clockwise) and
    `screen_mode` ("1920x1080@50") None leave the screen as the machine set it.
    """

    volume: float = 0.8
    hours: str | None = None
    language: str | None = None
    timezone: str = "Asia/Shanghai"
    # Positive shows the picture later. What was measured at the box itself goes before this.
    av_offset_ms: OffsetMs | None = None
    volume_curve: dict[str, float] = {}
    rotation: int | None = None
    screen_mode: str | None = None
    attract: bool = False
    download: Download = Download()
    # Answering beyond the script, off unless set: see docs/adr/0007.
    answers: AnswersFrom | None = None
    # Send the text of questions without an answer, while the screen says so: docs/adr/0009.
    unanswered_text: bool = False
    groups: list[str] = []
    variables_until: dict[str, str] = {}


class ContentReady(Message, tag="content_ready", frozen=True):
    """agent -> player, ear: a verified programme folder to play from the next sentence on."""

    path: str
    programme_id: str
    version: int
    variables: dict[str, str] = {}
    settings: Settings = Settings()
    seq: int = 0


class Command(Message, tag="command", frozen=True):
    """agent -> player, ear: one order of the console (B6 names)."""

    id: str
    name: str
    args: Json = {}


class CommandDone(Message, tag="command_done", frozen=True):
    """player, ear -> agent: the answer to a Command."""

    id: str
    ok: bool
    result: Json = {}


class Override(Message, tag="override", frozen=True):
    """agent -> player: an emergency notice to say or show until a moment, or its end (None)."""

    say: dict[str, str] | None = None
    show: str | None = None
    until: str | None = None


BusMessage = (
    Voice | Hearing | Heard | EarState | Seen | PlayerState | Happened
    | Question | Reply | ContentReady | Command | CommandDone | Override | Talk
    | Kept | Unanswered
)


class ProgrammeWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The signed target that holds the programme, and its version."""

    target: str
    version: int


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An emergency notice that overrides the programme until a moment (UTC, ISO 8601)."""

    until: str
    say: dict[str, str] | None = None
    show: str | None = None


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """`desired`: what the console wants of one box. Signed (DSSE), `seq` never goes back.

    `chain` and `box` name the addressee inside the signature: a box refuses a document that
    names another. After `expires` (UTC, ISO 8601) it is no longer taken up.
    """

    seq: int
    programme: ProgrammeWanted | None = None
    avatar: str | None = None
    release: str | None = None
    settings: Settings = Settings()
    variables: dict[str, str] = {}
    override: Notice | None = None
    chain: str = ""
    box: str = ""
    expires: str | None = None
    schema: int = 1


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """`reported`: the same shape as found on the box, and what went wrong."""

    desired_seq: int
    programme: ProgrammeWanted | None = None
    avatar: str | None = None
    release: str | None = None
    slot: str | None = None
    settings: Settings = Settings()
    variables: dict[str, str] = {}
    override: Notice | None = None
    errors: list[str] = []
    player: Json = {}
    ear: Json = {}
    # Where an update stands: {"phase", "version", "failed": [versions taken back here],
    # "system": the operating system's (`ota.system.words.system_facts`)}.
    update: Json = {}
    schema: int = 1


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`status`: birth and last will. A will of an older session is ignored."""

    online: bool
    session: str
    since: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`event`: one thing that happened, deduplicated by `id` on the server."""

    id: str
    at: str
    kind: str
    detail: Json = {}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`command`: name and arguments; id and expiry travel as MQTT 5 properties as well."""

    id: str
    name: Literal[
        "screenshot", "say", "reload", "restart", "reboot", "volume",
        "identify", "logs", "selftest", "ota-check", "calibrate", "wake", "live",
    ]
    args: Json = {}
    until: str | None = None


class LiveGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Signed (DSSE), inside the order `live`: this box may dial the server's relay, once.

    `speak` false only shows the screen; true lets `who` speak as the avatar. `until` (UTC, ISO
    8601) is when the permission to dial ends.
    """

    chain: str
    box: str
    session: str
    who: str
    until: str
    speak: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`result`: the box's answer to a command."""

    id: str
    ok: bool
    result: Json = {}


WIRE: dict[str, type[msgspec.Struct]] = {
    "desired": Desired,
    "reported": Reported,
    "status": Status,
    "event": Event,
    "command": Order,
    "live": LiveGrant,
    "result": Answer,
    "ticket": Ticket,
    "box": BoxSettings,
}


def wire_schemas() -> dict[str, Json]:
    """JSON Schema of every document that leaves a process, by name."""
    return {name: msgspec.json.schema(kind) for name, kind in WIRE.items()}
