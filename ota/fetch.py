"""Downloads: bounded, resumable, verified, durable. The only importer of urllib3.

Trust is decided elsewhere (`ota.trust.client`): this file promises that a destination holds exactly
the bytes that were asked for, or does not exist.
"""

from __future__ import annotations

import builtins
import hashlib
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, SSLError

from ota.clock import Deadline, sleep_s
from ota.errors import Refused, Retry
from ota.files import GrowingFile, read_bounded
from ota.trust.keys import certificate_until

CONNECT_S = 10.0
CERTIFICATE_BYTES_MAX = 64 * 1024
SILENCE_S = 20.0
BLOCK_BYTES = 64 * 1024
ATTEMPTS = 6
# A line slower than this is a stall, not a download.
BYTES_PER_S_MIN = 2048
FIXED_S = 60.0
DISK_RESERVE_BYTES = 16 << 20
HTTP_OK, HTTP_PARTIAL, HTTP_RANGE_BAD = 200, 206, 416
REST_BYTES_MAX = 64 * 1024
Progress = Callable[[int, int], None]
# Told of every block that came; it may wait, or raise Retry to end the download.
Meter = Callable[[int], None]
TRUST_CHANGED = "The bytes from {} are not the ones that were signed; they were thrown away."


class HttpStatus(Retry):
    """The server answered with an error; `.status` is the HTTP code."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"The server answered {status} for {url}; it is tried again later.")
        self.status = status


class Final(Retry):
    """To be tried again later, but not at once."""


class DiskFull(Final):
    """There is no room for the download; nothing was thrown away."""


class NoRanges(Final):
    """The server does not give out parts of a file; fetch it whole."""


class Fetcher:
    """Downloads over https with the given TLS context (mTLS on a box), or plain http without.

    One object is used by one thread at a time. Redirects are not followed and environment
    proxies are not read: a box asks only the server it was enrolled with.
    """

    def __init__(
        self, tls: ssl.SSLContext | None, attempts: int = ATTEMPTS, meter: Meter | None = None
    ) -> None:
        options: dict[str, Any] = {} if tls is None else {"ssl_context": tls}
        self._pool = urllib3.PoolManager(
            num_pools=4,
            maxsize=2,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=SILENCE_S),
            headers={"User-Agent": "vitrine-ota", "Accept-Encoding": "identity"},
            **options,
        )
        self._attempts = attempts
        self._meter = meter or (lambda count: None)

    def bytes(self, url: str, bytes_max: int) -> bytes:
        """The body of a small file. Raises Refused (too long), HttpStatus, Retry (network)."""
        deadline = Deadline(FIXED_S)
        found = bytearray()
        with self._get(url, {}) as response:
            if response.status != HTTP_OK:
                raise HttpStatus(url, response.status)
            for block in self._blocks(response, deadline, url):
                found += block
                if len(found) > bytes_max:
                    raise Refused(f"{url} is longer than the {bytes_max} bytes it may have.")
        return bytes(found)

    def file(
        self,
        url: str,
        destination: Path,
        length_bytes: int,
        sha256: str,
        progress: Progress | None = None,
    ) -> None:
        """Bring `destination` into being with exactly these bytes; continues an earlier try.

        `progress(bytes_done, bytes_all)` is called after each block. Raises Refused (other bytes
        than signed), DiskFull, HttpStatus, Retry (network; what came so far is kept).
        """
        tell = progress or (lambda done, whole: None)
        part = destination.with_name(f".{sha256}.part")
        destination.parent.mkdir(parents=True, exist_ok=True)
        deadline = Deadline(FIXED_S + length_bytes / BYTES_PER_S_MIN)
        with GrowingFile(part) as growing:
            check_room(growing, destination, length_bytes)
            failed = 0
            while growing.size_bytes < length_bytes:
                before = growing.size_bytes
                try:
                    self._continue(url, growing, length_bytes, deadline, tell)
                except Retry as error:
                    failed = self._pause(error, growing.size_bytes > before, failed, deadline)
            _finish(growing, destination, sha256, url)

    def span(self, url: str, start: int, length_bytes: int) -> Iterator[builtins.bytes]:
        """Exactly the bytes from `start` on, in blocks, over as many cuts as come.

        What came is not asked for again. Raises NoRanges, HttpStatus, Retry. The caller judges the
        bytes; leaving early ends the download.
        """
        deadline = Deadline(FIXED_S + length_bytes / BYTES_PER_S_MIN)
        done = failed = 0
        while done < length_bytes:
            before = done
            try:
                for block in self._span_once(url, start + done, length_bytes - done, deadline):
                    done += len(block)
                    yield block
                if done < length_bytes:
                    raise Retry(f"The line broke while {url} was fetched; it continues from there.")
            except Retry as error:
                failed = self._pause(error, done > before, failed, deadline)

    def _span_once(
        self, url: str, start: int, length_bytes: int, deadline: Deadline
    ) -> Iterator[builtins.bytes]:
        headers = {"Range": f"bytes={start}-{start + length_bytes - 1}"}
        with self._get(url, headers) as response:
            if response.status not in (HTTP_OK, HTTP_PARTIAL):
                raise HttpStatus(url, response.status)
            if not _continues(response, start):
                raise NoRanges(f"The server gives {url} out in one piece only.")
            left = length_bytes
            for block in self._blocks(response, deadline, url):
                if block[:left]:
                    yield block[:left]
                left -= len(block)
                if left < 0:
                    return

    def _pause(self, error: Retry, is_progress: bool, failed: int, deadline: Deadline) -> int:
        """Wait before going on; returns how often it failed in a row. Raises `error` to give up."""
        # A cut line that brought something is progress; one that did not is counted.
        failed = 0 if is_progress else failed + 1
        gone = isinstance(error, HttpStatus) and error.status in (401, 403, 404)
        if failed >= self._attempts or deadline.passed or gone or isinstance(error, Final):
            raise error
        sleep_s(min(0.1 * 2**failed, 5.0))
        return failed

    def _blocks(self, response: Any, deadline: Deadline, url: str) -> Iterator[builtins.bytes]:
        try:
            while block := response.read1(BLOCK_BYTES):
                self._meter(len(block))
                yield block
                if deadline.passed:
                    raise Retry(f"{url} comes too slowly; it is continued later.")
        except (HTTPError, OSError) as error:
            raise Retry(f"The line broke while {url} was fetched ({_short(error)}).") from error

    def _continue(
        self, url: str, growing: GrowingFile, length_bytes: int, deadline: Deadline, tell: Progress
    ) -> None:
        have = growing.size_bytes
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._get(url, headers) as response:
            if response.status == HTTP_RANGE_BAD:
                growing.restart()
                raise HttpStatus(url, response.status)
            if response.status not in (HTTP_OK, HTTP_PARTIAL):
                raise HttpStatus(url, response.status)
            if have and not _continues(response, have):
                growing.restart()
            for block in self._blocks(response, deadline, url):
                if growing.size_bytes + len(block) > length_bytes:
                    growing.restart()
                    raise Refused(f"{url} is longer than the {length_bytes} bytes signed for it.")
                growing.write(block)
                tell(growing.size_bytes, length_bytes)
        if growing.size_bytes < length_bytes:
            raise Retry(f"The line broke while {url} was fetched; it continues from there.")

    def _request(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        for is_last in (False, True):
            try:
                return self._pool.request(
                    "GET", url, headers={**self._pool.headers, **headers}, preload_content=False,
                    redirect=False,
                )
            except ProtocolError:
                # The server may hang up an idle connection in the moment in which it is used again.
                if is_last:
                    raise
        raise AssertionError("not reached")

    @contextmanager
    def _get(self, url: str, headers: dict[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        if urlsplit(url).scheme not in ("http", "https"):
            raise Refused(f"{url[:200]!r} is not an http or https address; check the settings.")
        try:
            response = self._request(url, headers)
        except SSLError as error:
            raise Refused(
                f"The server at {url} did not prove that it belongs to this chain; nothing was "
                f"fetched ({_short(error)})."
            ) from error
        except (HTTPError, OSError, ValueError) as error:
            raise Retry(f"{url} cannot be reached now ({_short(error)}).") from error
        try:
            yield response
            _read_rest(response)
        except HttpStatus:
            _read_rest(response)
            raise
        finally:
            # Closing and not draining: a long rest we do not want is not downloaded.
            response.close()


def tls_context(ca: Path, certificate: Path | None = None, key: Path | None = None) -> Any:
    """A client TLS context that trusts only the chain's own authority.

    Returns an ssl.SSLContext for `Fetcher`. Raises Refused when a file is missing or not PEM.
    """
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cafile=str(ca))
        if certificate is not None:
            context.load_cert_chain(str(certificate), None if key is None else str(key))
    except (OSError, ssl.SSLError) as error:
        raise Refused(f"The box's certificates in {ca.parent} are unreadable; enrol it.") from error
    return context


def tls_for_downloads(folder: Path, now: datetime) -> Any:
    """The TLS context (ssl.SSLContext) for content and updates, from the identity in `folder`.

    With the box's certificate, for an origin that asks for one; without it once it has run out:
    what is downloaded is signed, and an old certificate must not keep a box from it. Raises
    Refused.
    """
    certificate = folder / "cert.pem"
    try:
        lapsed = certificate_until(read_bounded(certificate, CERTIFICATE_BYTES_MAX)) <= now
    except (OSError, ValueError):
        lapsed = False  # the reader below says what is wrong with it
    if lapsed:
        return tls_context(folder / "ca.pem")
    return tls_context(folder / "ca.pem", certificate, folder / "key.pem")


def _read_rest(response: urllib3.BaseHTTPResponse) -> None:
    """A short rest is read, so that the connection can be used again."""
    rest_bytes = response.length_remaining
    if rest_bytes is not None and rest_bytes <= REST_BYTES_MAX:
        response.drain_conn()


def _continues(response: Any, have: int) -> bool:
    """True when the answer starts at our byte; a plain 200 is the whole file again."""
    if response.status != HTTP_PARTIAL:
        return False
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def check_room(growing: GrowingFile, destination: Path, length_bytes: int) -> None:
    """Raises DiskFull when the rest of a download does not fit; a part too long is begun anew."""
    if growing.size_bytes > length_bytes:
        growing.restart()
    need = length_bytes - growing.size_bytes
    free = shutil.disk_usage(destination.parent).free
    if need + DISK_RESERVE_BYTES > free:
        raise DiskFull(
            f"The disk of {destination.parent} has {free >> 20} MB free, but {need >> 20} MB are "
            f"to be downloaded (and {DISK_RESERVE_BYTES >> 20} MB stay free); remove something."
        )


def _finish(growing: GrowingFile, destination: Path, sha256: str, url: str) -> None:
    digest = hashlib.sha256()
    with growing.path.open("rb") as source:
        while block := source.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != sha256:
        growing.restart()
        raise Refused(TRUST_CHANGED.format(url))
    growing.commit(destination)


def _short(error: BaseException) -> str:
    return type(error).__name__ if not str(error) else str(error).splitlines()[0][:160]
