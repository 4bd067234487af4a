"""Five boxes and one line: each file comes into the shop once, and only the truth is passed on."""

from __future__ import annotations

import http.client
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.sharing import beacon, order, peer
from device.sharing import neighbours as module
from device.sharing.beacon import Beacon, Hello, read_hello
from device.sharing.listener import Listener, listener_tls
from device.sharing.neighbours import Neighbours
from device.sharing.peer import NotYet, Peer, PeerFailed, peer_tls
from ota.box.store import Store
from ota.clock import utc_now
from tests.ota.origin import Origin
from tests.sim.chain import wait_until
from tests.sim.shelf import Authority, Shelf, box

AVATAR = "avatar/base.mp4"
BODY = random.Random(5).randbytes(2 << 20)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is heard before a test begins; waits are short."""
    monkeypatch.setattr(module, "SETTLE_S", 0.0)
    monkeypatch.setattr(order, "PATIENCE_S", 0.3)
    monkeypatch.setattr(order, "STALL_S", 0.5)
    monkeypatch.setattr(peer, "LINGER_S", 0.3)
    monkeypatch.setattr(peer, "SILENCE_S", 0.5)
    monkeypatch.setattr(beacon, "LOOK_S", 0.05)


@pytest.fixture
def shelf(origin: Origin) -> Shelf:
    made = Shelf(origin.directory)
    made.files[AVATAR] = BODY
    for number in range(6):
        made.files[f"speech/{number}.opus"] = random.Random(number).randbytes(20_000)
    return made


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    for near in made.boxes.values():
        near.stop()


class Shop:
    """Boxes on one network."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority = folder, Authority(folder / "identities")
        self.boxes: dict[str, Neighbours] = {}

    def open(self, *names: str) -> list[Neighbours]:
        for name in names:
            self.boxes[name] = self.authority.neighbours(name, self.folder / name)
        others = {name: sorted(set(self.boxes) - {name}) for name in self.boxes}
        wait_until(lambda: all(sorted(box.boxes()) == others[name]
                               for name, box in self.boxes.items()), what="everybody is heard")
        return [self.boxes[name] for name in names]


def asked(origin: Origin) -> list[str]:
    found = [path for path, _ in origin.requests if "/content/" in path]
    origin.requests.clear()
    return found


def test_the_second_box_asks_the_first(
    shop: Shop, shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    first, second = shop.open("a", "b")
    wanted = shelf.publish()
    box(tmp_path / "a", shelf, origin.url, neighbours=first).bring(wanted)
    asked(origin)
    found = box(tmp_path / "b", shelf, origin.url, neighbours=second).bring(wanted)
    assert (Path(found.path) / AVATAR).read_bytes() == BODY
    assert len(asked(origin)) == 1  # the list of chunks
    assert first.listener.given_bytes > len(BODY)
    assert second.got_bytes == first.listener.given_bytes


def test_three_that_begin_together_fetch_each_file_once(
    shop: Shop, shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    shop.open("a", "b", "c")
    wanted = shelf.publish()
    boxes = [box(tmp_path / name, shelf, origin.url, neighbours=near)
             for name, near in shop.boxes.items()]
    with ThreadPoolExecutor(3) as crew:
        found = list(crew.map(lambda each: each.bring(wanted), boxes))
    for place in found:
        assert (Path(place.path) / AVATAR).read_bytes() == BODY
    assert origin.sent_bytes < 1.1 * (len(BODY) + 6 * 20_000)


def test_a_neighbour_that_lies_is_left_alone(
    shop: Shop, shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    first, second = shop.open("a", "b")
    wanted = shelf.publish()
    box(tmp_path / "a", shelf, origin.url, neighbours=first).bring(wanted)
    for path in (tmp_path / "a" / "content").glob("??/" + "?" * 64):
        path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))
    found = box(tmp_path / "b", shelf, origin.url, neighbours=second).bring(wanted)
    assert (Path(found.path) / AVATAR).read_bytes() == BODY
    assert second.boxes() == []


def test_a_neighbour_that_is_switched_off_in_the_middle_costs_a_moment(
    shop: Shop, shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    first, second = shop.open("a", "b")
    wanted = shelf.publish()
    first.shelf.intend([f"{number:064x}" for number in range(3)])
    names = [shelf.content(data).name for data in shelf.files.values()]
    first.shelf.intend(names)  # it says that it fetches them, and is never seen again
    threading.Timer(0.3, first.listener.stop).start()
    found = box(tmp_path / "b", shelf, origin.url, neighbours=second).bring(wanted)
    assert (Path(found.path) / AVATAR).read_bytes() == BODY


def test_one_that_takes_the_call_and_says_nothing_does_not_hold_up_the_others(
    shop: Shop, shelf: Shelf, origin: Origin, tmp_path: Path
) -> None:
    [near] = shop.open("a")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        hello = Hello(chain=shop.authority.chain, box="ghost", port=port)
        ghost = Beacon(hello, lambda *_: None, "127.0.0.1")
        ghost.start()
        found = box(tmp_path / "a", shelf, origin.url, neighbours=near).bring(shelf.publish())
        ghost.stop()
    assert (Path(found.path) / AVATAR).exists() and near.boxes() == []


class Rogue:
    """A box with a good certificate that says it has everything, and then gives `answer`."""

    def __init__(self, shop: Shop, answer: bytes) -> None:
        mine = shop.authority.credentials("rogue")
        self._tls = listener_tls(str(mine.ca), str(mine.certificate), str(mine.key))
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.calls = 0
        hello = Hello(
            chain=shop.authority.chain, box="rogue", port=self._socket.getsockname()[1])
        self._beacon = Beacon(hello, lambda *_: None, "127.0.0.1")
        threading.Thread(target=self._accept, daemon=True).start()
        self._beacon.start()

    def close(self) -> None:
        self._beacon.stop()
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError), self._tls.wrap_socket(line, server_side=True) as secure:
            reader = secure.makefile("rb")
            while head := reader.readline():
                length = 0
                while (field := reader.readline()) not in (b"\r\n", b""):
                    if field.lower().startswith(b"content-length:"):
                        length = int(field.split(b":")[1])
                body = reader.read(length)
                if head.startswith(b"POST"):
                    states = b"\2" * (len(body) // 32)
                    secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                                   % (len(states), states))
                else:
                    self.calls += 1
                    secure.sendall(self._answer)


PART = b"HTTP/1.1 206 Partial Content\r\nContent-Length: "


@pytest.mark.parametrize("answer", [
    PART + b"20000\r\n\r\n" + b"x" * 20_000,
    PART + b"20000\r\n\r\nthen nothing more",
    PART + b"99999999999\r\n\r\n" + b"x" * 50_000,
    PART + b"-5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" + b"x" * 50_000,
    b"HTTP/1.1 206 X\r\n" + b"A: b\r\n" * 2_000 + b"\r\n",
    b"\0" * 100_000,
    b"",
], ids=["lie", "stall", "too-long", "negative", "endless", "headers", "noise", "silence"])
def test_a_stolen_box_can_say_what_it_likes(
    shop: Shop, shelf: Shelf, origin: Origin, tmp_path: Path, answer: bytes
) -> None:
    [near] = shop.open("a")
    rogue = Rogue(shop, answer)
    wait_until(lambda: near.boxes() == ["rogue"], what="the rogue is heard")
    shelf.files = {AVATAR: BODY[:300_000]}
    found = box(tmp_path / "a", shelf, origin.url, neighbours=near).bring(shelf.publish())
    assert (Path(found.path) / AVATAR).read_bytes() == BODY[:300_000]
    assert rogue.calls == 1 and near.boxes() == []
    rogue.close()


def test_a_stranger_with_the_chains_name_is_no_neighbour(shop: Shop, tmp_path: Path) -> None:
    [near] = shop.open("a")
    stranger = Authority(tmp_path / "strangers")
    stranger.chain = shop.authority.chain
    other = stranger.neighbours("b", tmp_path / "x")
    heard: list[str] = []
    ear = Beacon(Hello(chain=shop.authority.chain, box="ear", port=1),
                 lambda _h, _p, box: heard.append(box), "127.0.0.1")
    ear.start()
    wait_until(lambda: {"a", "b"} <= set(heard), what="both are heard")
    assert near.boxes() == [] and other.boxes() == []
    ear.stop()
    other.stop()
    with pytest.raises(PeerFailed):
        asker(stranger, near.listener.port, "c").have([])


def asker(authority: Authority, port: int, name: str, lasts: timedelta = timedelta()) -> Peer:
    mine = authority.credentials(name, lasts)
    tls = peer_tls(str(mine.certificate), str(mine.key))
    return Peer("127.0.0.1", port, tls, mine.ca.read_bytes(), utc_now)


def test_a_certificate_that_ran_out_opens_nothing(shop: Shop) -> None:
    [near] = shop.open("a")
    assert asker(shop.authority, near.listener.port, "b").have(["0" * 64]) == b"\0"
    with pytest.raises(PeerFailed):
        asker(shop.authority, near.listener.port, "c", timedelta(days=-800)).have([])


@pytest.mark.parametrize("path", [
    "/content/../../../etc/passwd", "/content/" + "0" * 64, "//etc/passwd", "/", "/content/",
    "/content/" + "A" * 64, "/content/%2e%2e/%2e%2e/etc/passwd",
])
def test_nothing_but_content_by_its_hash_is_given(
    shop: Shop, tmp_path: Path, path: str
) -> None:
    [near] = shop.open("a")
    line = raw_line(shop, near.listener)
    line.request("GET", path, headers={"Range": "bytes=0-100"})
    assert line.getresponse().status == 404
    line.close()


def test_a_question_that_is_too_long_is_not_read(shop: Shop) -> None:
    [near] = shop.open("a")
    for length in ("999999999", "320032", "33", "-1", "x"):
        line = raw_line(shop, near.listener)
        line.putrequest("POST", "/have")
        line.putheader("Content-Length", length)
        line.endheaders()
        assert line.getresponse().status == 400
        line.close()


def raw_line(shop: Shop, listener: Listener) -> http.client.HTTPSConnection:
    mine = shop.authority.credentials(f"raw-{random.randrange(10**9)}")
    tls = peer_tls(str(mine.certificate), str(mine.key))
    return http.client.HTTPSConnection("127.0.0.1", listener.port, timeout=5, context=tls)


def test_a_link_in_the_store_is_not_content(shop: Shop, tmp_path: Path) -> None:
    [near] = shop.open("a")
    secret = tmp_path / "secret"
    secret.write_bytes(b"a key")
    path = Store(tmp_path / "a" / "content", 1000).path("0" * 64)
    path.parent.mkdir(parents=True)
    path.symlink_to(secret)
    with pytest.raises(NotYet):
        next(asker(shop.authority, near.listener.port, "b").span("0" * 64, 0, 5))


@given(st.lists(st.from_regex(r"[a-z0-9-]{1,9}", fullmatch=True), unique=True, min_size=1,
                max_size=6), st.integers(0, 2**32))
def test_all_boxes_agree_on_the_order_and_one_that_leaves_moves_nobody_else(
    boxes: list[str], number: int
) -> None:
    sha256 = f"{number:064x}"
    found = order.ranked(boxes, sha256)
    assert order.ranked(reversed(boxes), sha256) == found and sorted(found) == sorted(boxes)
    assert order.ranked(found[1:], sha256) == found[1:]


def test_the_first_goes_at_once_and_each_next_one_later() -> None:
    assert order.is_due(0, False, 0.0)
    assert not order.is_due(1, False, 0.0) and order.is_due(1, False, order.PATIENCE_S)
    assert not order.is_due(0, True, order.STALL_S / 2) and order.is_due(0, True, order.STALL_S)


@given(st.binary(max_size=600))
def test_no_beacon_raises_anything(data: bytes) -> None:
    found = read_hello(data)
    assert found is None or 0 < found.port < 65536
