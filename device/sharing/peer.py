"""One other box, asked over mTLS. It may be slow, hostile or gone: every wait has an end."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from ota.clock import Deadline, sleep_s
from ota.errors import Refused, Retry
from ota.formats.chunks import Chunk, bytes_before, checked
from ota.trust.keys import issued_name

SILENCE_S = 5.0
FIXED_S = 10.0
# In one room; a slower neighbour is no help.
BYTES_PER_S_MIN = 64 << 10
BLOCK_BYTES = 64 << 10
# How long to stay with a file that grows at the other box, and how often to look.
LINGER_S, LOOK_S = 3.0, 0.1
HTTP_OK, HTTP_PARTIAL, HTTP_NOT_FOUND = 200, 206, 404


class PeerFailed(Retry):
    """This box does not help now; ask another one."""


class NotYet(Retry):
    """The box has no more of the file at the moment."""


class Peer:
    """A box of the same chain at one address. Used by one thread at a time."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext, ca_pem: bytes,
        now: Callable[[], datetime],
    ) -> None:
        self._tls, self._ca_pem, self._now = tls, ca_pem, now
        self._line = http.client.HTTPSConnection(host, port, timeout=SILENCE_S, context=tls)
        self.where = f"{host}:{port}"

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def name(self) -> str:
        """Whose certificate answers there. Raises PeerFailed: nobody's of this chain."""
        return self._connected()

    def have(self, sha256s: Sequence[str]) -> bytes:
        """What the box has of these: one of device.sharing.shelf's states each."""
        body = b"".join(bytes.fromhex(sha256) for sha256 in sha256s)
        answer = self._ask("POST", "/have", body, {})
        found = self._read(answer, len(sha256s))
        if answer.status != HTTP_OK or len(found) != len(sha256s):
            self._fail("answered nonsense")
        return found

    def span(self, sha256: str, start: int, length_bytes: int) -> Iterator[bytes]:
        """At most these bytes of a content, in blocks; fewer when there are no more yet."""
        asked = {"Range": f"bytes={start}-{start + length_bytes - 1}"}
        answer = self._ask("GET", f"/content/{sha256}", None, asked)
        if answer.status == HTTP_NOT_FOUND:
            self._read(answer, 0)
            raise NotYet(f"The box at {self.where} has no more of this file now.")
        given = answer.length or 0
        if answer.status != HTTP_PARTIAL or not 0 < given <= length_bytes:
            self._fail("answered nonsense")
        deadline = Deadline(FIXED_S + given / BYTES_PER_S_MIN)
        while given > 0:
            block = self._read(answer, min(given, BLOCK_BYTES))
            given -= len(block)
            if not block or deadline.passed:
                self._fail("is too slow or broke off")
            yield block
        answer.read()  # to its end: the line can be used again

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        self._connected()
        try:
            self._line.request(method, path, body=body, headers=headers)
            return self._line.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._line.close()
            raise PeerFailed(f"The box at {self.where} does not answer.") from error

    def _connected(self) -> str:
        """Connect where needed, and look whose certificate it is; returns the name in it.

        A box's certificate is good for a client only, so that it can never pose as the chain's
        server; the library's own check would refuse it, and ours takes its place.
        """
        try:
            if self._line.sock is None:
                self._line.connect()
            shown = self._line.sock.getpeercert(binary_form=True)
            return issued_name(shown or b"", self._ca_pem, self._now())
        except (OSError, http.client.HTTPException, Refused) as error:
            self._line.close()
            raise PeerFailed(f"No box of this chain answers at {self.where}.") from error

    def _read(self, answer: http.client.HTTPResponse, length_bytes: int) -> bytes:
        try:
            return answer.read(length_bytes) if length_bytes else answer.read(0)
        except (OSError, http.client.HTTPException) as error:
            self._line.close()
            raise PeerFailed(f"The line to the box at {self.where} broke.") from error

    def _fail(self, what: str) -> None:
        self._line.close()
        raise PeerFailed(f"The box at {self.where} {what}.")


def peer_tls(certificate: str, key: str) -> ssl.SSLContext:
    """Shows our certificate; the other's is judged by Peer. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate, key)
    return context


class FromPeer:
    """Chunks of one file from one box (an ota.box.assemble.Source)."""

    def __init__(
        self, peer: Peer, sha256: str, chunks: Sequence[Chunk], got: Callable[[int], None]
    ) -> None:
        self._peer, self._sha256, self._chunks, self._got = peer, sha256, chunks, got

    def chunks(self, first: int, last: int) -> Iterator[bytes]:
        """The bytes of these chunks, each judged. Raises NotYet, PeerFailed, Refused (a lie)."""
        start = bytes_before(self._chunks, first)
        wanted = sum(chunk.length_bytes for chunk in self._chunks[first:last])
        blocks = self._blocks(start, wanted)
        come = bytearray()
        for chunk in self._chunks[first:last]:
            while len(come) < chunk.length_bytes:
                come += next(blocks)
            yield checked(chunk, bytes(come[: chunk.length_bytes]))
            del come[: chunk.length_bytes]
        next(blocks, None)

    def _blocks(self, start: int, length_bytes: int) -> Iterator[bytes]:
        """All of them: as the file grows there, it is followed, as long as it does grow."""
        end = start + length_bytes
        patience = Deadline(LINGER_S)
        while start < end:
            try:
                for block in self._peer.span(self._sha256, start, end - start):
                    start += len(block)
                    self._got(len(block))
                    patience = Deadline(LINGER_S)
                    yield block
            except NotYet:
                if patience.passed:
                    raise
                sleep_s(LOOK_S)
