"""Every reader of bytes from outside, with good examples: the table that test_parsers walks."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile as sf

from device.audio import soundfiles
from device.bus import Bus
from device.live import wire as live_wire
from device.live.grant import Grants
from device.messages import Settings
from device.paths import Places
from device.preview import wire
from device.programme import load as programmes
from device.programme.check import check_bytes
from device.programme.times import BadTime, instant
from device.render.bundle import load_bundle
from device.render.pixels import picture_from_bytes
from device.sharing.beacon import read_hello
from device.stage.hours import read_hours
from device.stage.settings import check_settings
from device.sync import commands, desired
from device.sync import state as box_state
from device.sync.answers import _read as read_completion
from device.sync.following import Following
from device.sync.index_rules import is_whole, read_index
from device.sync.mqtt import Arrived
from device.sync.stick import _take, _told
from fleet import certificates, inbox
from fleet.drafts import to_bytes
from fleet.tickets import read_ticket as read_fleet_ticket
from ota import zstd
from ota.box.orders import Order, give_order, read_progress, take_order
from ota.box.seen import read_health, read_plays
from ota.box.slots import DirectorySlots
from ota.box.state import State, StateFile
from ota.box.window import read_shop
from ota.errors import VitrineError
from ota.floor import FloorClock, TwoCopies
from ota.formats import chunks, manifest, shortcuts, systems
from ota.history import History
from ota.publish import ceremony
from ota.publish.repository import ROLES, Repository
from ota.publish.systems import read_bundle
from ota.trust import consent, dsse, metadata, withdrawn
from ota.trust.client import Target
from ota.trust.keys import PublicKey, SigningKey, issued_name
from provisioning import x509
from provisioning.tickets import read_ticket
from tests.ota.system_rig import make_bundle

NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
KEY = SigningKey.generate()
HASH = "ab" * 32
SHOP = Path(__file__).parent.parent.parent / "programmes" / "tea-shop"
Read = Callable[[bytes], object]


@dataclass(frozen=True)
class Parser:
    """`read` may return or raise one of `errors`; `good` are examples that it takes."""

    name: str
    read: Read
    good: tuple[bytes, ...]
    errors: tuple[type[Exception], ...] = (VitrineError,)


def plain(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def enveloped(body: Any, kind: str) -> bytes:
    return dsse.sign(plain(body), kind, [KEY])


def from_file(path: Path, read: Callable[[], object]) -> Read:
    """A reader of files: the bytes lie at `path` when it looks."""
    def work(data: bytes) -> object:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return read()

    return work


def signed(read: Callable[[bytes], object], kind: str) -> Read:
    """A reader of what is in a good envelope: the signer may be mistaken, too."""
    def work(data: bytes) -> object:
        return read(dsse.verify(dsse.sign(data, kind, [KEY]), kind, [KEY.public]))

    return work


def table(folder: Path) -> list[Parser]:
    """All of them, working below `folder`."""
    return [*_signed_things(folder), *_programmes(folder), *_box(folder), *_lines(folder),
            *_fleet(folder)]


def _signed_things(folder: Path) -> list[Parser]:
    keys = {role: [SigningKey.generate()] for role in ROLES}
    repository = Repository.create(folder / "tuf", keys, clock=lambda: NOW)
    repository.add("programmes", "programmes/tea/1.json", b"{}", {"programme": "tea"})
    repository.publish()
    lists = {path.stem.rpartition(".")[2]: path.read_bytes()
             for path in (folder / "tuf" / "metadata").glob("*.json")}
    change = ceremony.rotation(repository, "root", [ceremony.key_of(KEY)])
    small, travels = chunks.pack(b"tea leaves " * 99)
    release = {"schema": 1, "version": "1.2", "artefact": {"sha256": HASH, "bytes": 9},
               "compat": {"python_from": "3.10", "python_below": "3.14", "platforms": ["linux"]},
               "files": {"a/b.py": {"sha256": HASH, "bytes": 3}}}
    ways = {"schema": 1, "chunked": {HASH: {"list": HASH, "list_bytes": 99, "pack": HASH}},
            "deltas": {HASH: [{"old": HASH, "sha256": HASH, "bytes": 4}]}}
    pem, locked = KEY.public.to_pem().encode(), folder / "made" / "k.pem"
    KEY.save(locked)
    return [
        Parser("dsse envelope", lambda data: dsse.verify(data, dsse.DESIRED, [KEY.public]),
               (enveloped({"seq": 1}, dsse.DESIRED),)),
        *[Parser(f"tuf {role}", partial(_tuf, role), (data,)) for role, data in lists.items()],
        Parser("ceremony", lambda data: ceremony.told(ceremony.read(data), []),
               (ceremony.write(change),)),
        Parser("manifest", manifest.parse_manifest, (plain(release),)),
        Parser("system", systems.parse_system, (plain({
            "schema": 1, "version": "36.5", "board": "orin", "needs": [{"what": "rauc"}],
            "bundle": {"sha256": HASH, "bytes": 9}}),)),
        Parser("system bundle", partial(_bundle, folder / "made" / "new.raucb"),
               (make_bundle(folder / "made" / "old.raucb", "36.5", size=9).read_bytes(),)),
        Parser("newest", manifest.parse_newest, (plain({"schema": 1, "version": "1.2"}),)),
        Parser("chunk list", lambda data: chunks.decode(data, small.length_bytes),
               (chunks.encode([small]),)),
        Parser("chunk", lambda data: chunks.unpack(small, data), (travels,)),
        Parser("zstd frame", lambda data: zstd.unpacked(data, 1089, b"old"), (travels,)),
        Parser("shortcuts", shortcuts.read, (plain(ways),)),
        Parser("withdrawn", withdrawn.read, (withdrawn.written(["lin-1", "mei-2"]),)),
        Parser("public key", PublicKey.from_pem, (pem,)),
        Parser("private key", SigningKey.from_pem, (locked.read_bytes(),)),
    ]


def _bundle(path: Path, data: bytes) -> object:
    path.write_bytes(data)
    return read_bundle(path)


def _tuf(role: str, data: bytes) -> object:
    found = metadata.parse(data, role)
    if role == "snapshot":
        return metadata.listed(found)
    return metadata.issued(found) if role == "timestamp" else None


def _programmes(folder: Path) -> list[Parser]:
    programme = (SHOP / "programme.json").read_bytes()
    body = json.loads(programme)
    small = plain({key: body[key] for key in ("schema", "id", "version", "languages")} | {
        "products": body["products"][:1], "segments": body["segments"][:2],
        "answers": body["answers"][:1], "fallback": body["fallback"]})
    index = plain({"schema": 1, "speech": {}, "files": {
        "programme.json": {"sha256": HASH, "bytes": 3}, "a/b.webp": {"sha256": HASH, "bytes": 9}}})
    face = folder / "avatars" / "mei"
    face.mkdir(parents=True)
    (face / "base.mp4").write_bytes(b"a face")
    sha256 = hashlib.sha256(b"a face").hexdigest()
    avatar = plain({"schema": 1, "id": "mei", "version": 1, "base": {
        "file": "base.mp4", "sha256": sha256, "frames": 50}, "consent": "consent.dsse.json",
        "gestures": {}, "renderer": {}})
    statement = plain({
        "avatar": "mei", "owner": "Mei", "chains": ["*"], "regions": ["*"], "uses": ["*"],
        "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "revocation_id": "m1",
        "base_sha256": sha256})
    (face / "consent.dsse.json").write_bytes(dsse.sign(statement, dsse.CONSENT, [KEY]))
    _, png = cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))
    _, jpeg = cv2.imencode(".jpg", np.zeros((8, 9, 3), np.uint8))
    _, webp = cv2.imencode(".webp", np.zeros((8, 9, 3), np.uint8))
    where = folder / "programme"
    file = where / "programme.json"
    second = folder / "consents" / "c.json"
    return [
        Parser("programme check", lambda data: check_bytes(data, None, NOW, drawn=False), (small,)),
        Parser("programme", from_file(file, lambda: programmes.load(where)), (small,)),
        Parser("avatar wish", from_file(file, lambda: programmes.wished_avatar(where)), (small,)),
        Parser("index of a folder",
               from_file(where / "index.json", lambda: programmes.load_index(where)), (index,)),
        Parser("index", lambda data: read_index(data, Target(
            "programmes/a/1.json", len(data), hashlib.sha256(data).hexdigest())), (index,)),
        Parser("a folder against its index", lambda data: _whole(where, data), (index,)),
        Parser("avatar.json", from_file(face / "avatar.json", lambda: consent.check_bundle(
            face, NOW, "tea", [KEY.public])), (avatar,)),
        Parser("avatar bundle", from_file(face / "avatar.json", lambda: load_bundle(
            face, NOW, "tea", [KEY.public])), (avatar,)),
        Parser("consent", lambda data: _consent(second, sha256, data), (statement,)),
        Parser("recorded line", from_file(folder / "clip.opus", lambda: soundfiles.read(
            folder / "clip.opus", 48_000)), (_clip(folder / "made.opus"),)),
        Parser("picture", lambda data: picture_from_bytes(data, "a picture"),
               (png.tobytes(), jpeg.tobytes(), webp.tobytes())),
    ]


def _clip(path: Path) -> bytes:
    with sf.SoundFile(path, "w", 48_000, 1, format="OGG", subtype="OPUS") as sound:
        sound.write(np.zeros(4800, np.float32))
    return path.read_bytes()


def _whole(folder: Path, data: bytes) -> object:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").write_bytes(data)
    return is_whole(folder, hashlib.sha256(data).hexdigest())


def _consent(path: Path, video: str, data: bytes) -> object:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dsse.sign(data, dsse.CONSENT, [KEY]))
    return consent.check_consent(
        consent.read(path, "mei", [KEY.public]), "mei", video, NOW, "tea", ["x"])


def _box(folder: Path) -> list[Parser]:
    places = Places(folder / "box")
    run, var = places.run, places.var
    clock, copies = FloorClock(var / "clock", lambda: NOW), TwoCopies(var / "state")
    clock.seen(NOW + timedelta(days=1))
    StateFile(var).save(State())
    History(var).add("installed", NOW, {"version": "1.2"})
    give_order(run, Order("install", "1.2", None))
    order, progress = ((run / f"ota-{name}.json").read_bytes() for name in ("order", "progress"))
    slots = DirectorySlots(places.opt)
    health = plain({"code": "/x", "player_presented": True, "ear_ready": True, "crashes": 0,
                    "at_s": 1.0})
    shop = plain({"at_s": 1.0, "visitor_ago_s": 3.0, "takeover": False, "open": True,
                  "changes_at": NOW.isoformat(), "utc_offset_s": 28800.0, "programme_schema": 1})
    held = plain({"target": "programmes/a/1.json", "version": 1, "programme_id": "a",
                  "folder": "a-1", "index_sha256": HASH})
    wish = {"seq": 5, "chain": "tea", "box": "b-1", "programme": {
        "target": "programmes/tea/1.json", "version": 1}, "variables": {"a": "b"},
        "settings": {"volume": 0.5, "hours": "mon-fri 09:00-21:00", "timezone": "Asia/Shanghai"},
        "override": {"say": {"en-US": "x"}, "until": "2026-12-01T00:00+08:00"},
        "expires": "2027-01-01T00:00Z"}
    following = partial(Following, places.desired, var / "seq", [KEY.public], "tea", "b-1")
    history = sorted(path for path in var.iterdir() if "history" in path.name)[0]
    return [
        Parser("desired", signed(lambda data: desired.accept(
            dsse.sign(data, dsse.DESIRED, [KEY]), [KEY.public], "tea", "b-1", None, NOW),
            dsse.DESIRED), (plain(wish),)),
        Parser("desired envelope", lambda data: desired.accept(
            data, [KEY.public], "tea", "b-1", None, NOW), (enveloped(wish, dsse.DESIRED),)),
        Parser("desired on disk", from_file(places.desired, lambda: following().load()),
               (enveloped(wish, dsse.DESIRED),)),
        Parser("held.json", from_file(var / "held.json", lambda: box_state._held(places)),
               (held,)),
        Parser("supervisor's health", from_file(
            run / "health.json", lambda: (box_state._running(places), read_health(
                run / "health.json", slots, 1.5))), (health,)),
        Parser("supervisor's word of the shop", from_file(
            run / "shop.json", lambda: (read_shop(run, 1.5), read_plays(run, 1.5))), (shop,)),
        Parser("two copies", from_file(var / "state.0.json", lambda: (
            copies.read(), StateFile(var).load())), ((var / "state.0.json").read_bytes(),)),
        Parser("clock floor", lambda data: _clock(var / "floor", data), (plain({
            "signed_time": NOW.isoformat(), "at_s": 3.5, "boot": "x", "root": 1, "keys": "k"}),)),
        Parser("history", from_file(history, lambda: (
            History(var).entries(), History(var).broken_at())), (history.read_bytes(),)),
        Parser("updater's order", from_file(run / "ota-order.json", lambda: take_order(run)),
               (order,)),
        Parser("updater's progress", from_file(
            run / "ota-progress.json", lambda: read_progress(run)), (progress,)),
        Parser("stick's order", from_file(run / "s.json", lambda: _take(run / "s.json")),
               (plain({"folder": "/media/stick"}),)),
        Parser("stick's word", from_file(run / "told.json", lambda: _told(run / "told.json")),
               (plain({"done": True, "ok": True, "message": "x"}),)),
        Parser("opening hours", lambda data: read_hours(data.decode("utf-8", "replace")),
               (b"mon-fri 09:00-21:00; sat,sun 10:00-02:00; 2026-12-25 closed",)),
        Parser("instant", lambda data: instant(data.decode("utf-8", "replace"), timezone.utc),
               (b"2026-12-31T24:00", b"2026-12-01 09:30:00.5+08:00"), (BadTime,)),
        Parser("instant of the console", lambda data: desired.instant(
            data.decode("utf-8", "replace")), (b"2026-12-01T09:00+08:00",)),
        Parser("settings", lambda data: check_settings(Settings(
            hours=data.decode("utf-8", "replace"))), (b"mon 09:00-10:00",)),
    ]


def _clock(path: Path, body: bytes) -> object:
    line = b'{"count": 1, "body": ' + body + b"}"
    path.with_name(f"{path.name}.0.json").write_bytes(
        hashlib.sha256(line).hexdigest().encode() + b"\n" + line + b"\n")
    clock = FloorClock(path, lambda: NOW)
    return clock.now(), clock.behind(), clock.reread()


def _lines(folder: Path) -> list[Parser]:
    run = folder / "bus"
    run.mkdir()
    bus = Bus(run, "player")
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def over_the_bus(data: bytes) -> object:
        line.sendto(data[:60_000], str(run / "player.bus"))
        return bus.receive(1.0)

    def over_a_stream(data: bytes) -> object:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(data[:60_000])
            ours.shutdown(socket.SHUT_WR)
            return wire.read_packet(theirs)

    grant = {"chain": "tea", "box": "b-1", "session": "a" * 32, "who": "w",
             "until": "2026-11-25T12:00:30Z"}
    order = {"id": "1", "name": "volume", "args": {"volume": 0.5}, "until": "2026-11-26T00:00Z"}
    ready = {"type": "ContentReady", "path": "/x", "programme_id": "a", "version": 1,
             "variables": {}, "settings": {}, "seq": 1}
    voice = live_wire.packet(b"V", 1.0, b"\x01\x00" * 160)
    completion = {"choices": [{"message": {"content": "Longjing is 128 yuan"}}]}
    return [
        Parser("bus message", over_the_bus, (plain(ready), plain({"type": "Talk"}))),
        Parser("preview packet", over_a_stream, (wire.framed(voice),)),
        Parser("live packet", lambda data: (live_wire.read_head(data), live_wire.voice_of(data)),
               (voice,)),
        Parser("live grant", signed(lambda data: Grants([KEY.public], "tea", "b-1").take(
            {"envelope": dsse.sign(data, dsse.LIVE, [KEY]).decode()}, NOW), dsse.LIVE),
            (plain(grant),)),
        Parser("order", lambda data: commands.judge(Arrived("t", data), NOW),
               (plain(order), plain({"id": "2", "name": "say", "args": {"segment": "a"}}))),
        Parser("beacon", read_hello, (plain({"chain": "tea", "box": "b-1", "port": 4, "v": 1}),)),
        Parser("answer of a language model", read_completion, (plain(completion),)),
    ]


def _fleet(folder: Path) -> list[Parser]:
    root, at = "vitrine/1/tea", NOW.isoformat()
    issuer = certificates.new_issuer("tea authority", NOW)
    key = x509.new_key()
    csr = x509.request_for(key, "b-1")
    cert = certificates.issue_client(
        issuer, "b-1", certificates.read_request(csr).public_key, NOW)
    der = base64.b64decode(b"".join(cert.splitlines()[1:-1]))
    ca = issuer.cert_pem
    ticket = dsse.sign(plain({
        "v": 1, "chain": "tea", "box": "b-1", "url": "https://x:1", "ca_sha256": HASH,
        "until": "2027-01-01T00:00:00+00:00", "nonce": "n"}), dsse.TICKET, [KEY])
    text = b"VITRINE1:" + base64.urlsafe_b64encode(ticket).rstrip(b"=")
    told = {
        "reported": {"desired_seq": 1}, "status": {"online": True, "session": "s", "since": at},
        "telemetry": {"at": at}, "event": {"id": "1", "at": at, "kind": "played", "detail": {}},
        "result": {"id": "1", "ok": True, "result": {}},
    }
    return [
        Parser("certificate request", certificates.read_request, (csr,)),
        Parser("certificate", lambda data: x509.check_certificate(data, ca, key, "b-1", NOW),
               (cert,)),
        Parser("neighbour's certificate", lambda data: issued_name(data, ca, NOW), (der,)),
        Parser("ticket", lambda data: read_ticket(data.decode("utf-8", "replace"), NOW), (text,)),
        Parser("ticket at the server", lambda data: read_fleet_ticket(
            data.decode("utf-8", "replace"), KEY.public, "tea", NOW), (text,)),
        *[Parser(f"box's {leaf}", partial(_from_box, root, leaf), (plain(body),),
                 (inbox.Unreadable,)) for leaf, body in told.items()],
        Parser("draft", lambda data: to_bytes(json.loads(data)), (plain({"id": "tea"}),),
               (ValueError, RecursionError)),
    ]


def _from_box(root: str, leaf: str, data: bytes) -> object:
    found = inbox.parse(root, f"{root}/b-1/{leaf}", data)
    return inbox.split_picture(found.body) if leaf == "result" else found
