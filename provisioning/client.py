"""Talking to the chain's server before there is trust, and after: the only importer of httpx here.

The first request fetches the authority's certificate without believing anything; it is used only
when its hash is the one in the ticket. Everything else goes over TLS that trusts it alone.
"""

from __future__ import annotations

import ssl
from typing import Any

import httpx
import msgspec

from ota.errors import Refused, Retry
from provisioning.tickets import pem_sha256

CONNECT_S = 10.0
ANSWER_S = 30.0
CA_BYTES_MAX = 16_384
ANSWER_BYTES_MAX = 2 << 20
HTTP_OK = 200


def pinned_authority(url: str, ca_sha256: str) -> bytes:
    """The PEM of the server's authority, when it is the one that the ticket names.

    Raises Retry (not reachable), Refused (another authority: somebody is in between).
    """
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    status, body = _ask("GET", f"{url.rstrip('/')}/ca.pem", blind, None, CA_BYTES_MAX)
    if status != HTTP_OK:
        raise Refused(f"{url} is no fleet server (it answered {status}); check the ticket.")
    if pem_sha256(body) != ca_sha256:
        raise Refused(
            f"The server at {url} is not the one that made this ticket; do not go on here, "
            "use another network or ask for a new ticket."
        )
    return body


def post_json(url: str, body: dict[str, Any], ca_pem: bytes | None, token: str = "") -> Any:
    """POST JSON and return the JSON answer; `ca_pem` None is for plain http on this machine.

    Raises Retry (not reachable, server trouble), Refused with the server's own sentence.
    """
    trust = None
    if ca_pem is not None:
        try:
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            trust.minimum_version = ssl.TLSVersion.TLSv1_2
            trust.load_verify_locations(cadata=ca_pem.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise Refused("The server's authority is no usable certificate.") from error
    status, data = _ask("POST", url, trust, msgspec.json.encode(body), ANSWER_BYTES_MAX, token)
    try:
        answer = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{url} did not answer in JSON (status {status}).") from error
    if status in (429, 500, 502, 503, 504):
        raise Retry(f"{_sentence(answer, status)} Try again in a minute.")
    if not 200 <= status < 300:
        raise Refused(_sentence(answer, status))
    return answer


def _ask(
    method: str, url: str, tls: ssl.SSLContext | None, body: bytes | None, bytes_max: int,
    token: str = "",
) -> tuple[int, bytes]:
    headers = {"content-type": "application/json"} if body is not None else {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    try:
        with (
            httpx.Client(verify=tls if tls else True, timeout=timeout, trust_env=False) as client,
            client.stream(method, url, content=body, headers=headers) as response,
        ):
            data = bytearray()
            for block in response.iter_bytes():
                data += block
                if len(data) > bytes_max:
                    raise Refused(f"{url} answered more than {bytes_max} bytes; nothing was used.")
            return response.status_code, bytes(data)
    except httpx.ConnectError as error:
        if isinstance(error.__cause__, ssl.SSLError) or "CERTIFICATE" in str(error).upper():
            raise Refused(
                f"The server at {url} does not belong to this fleet ({error}); nothing was sent."
            ) from error
        raise Retry(f"{url} cannot be reached; check the network cable or Wi-Fi.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise Retry(f"{url} cannot be reached ({reason}); check the network.") from error


def _sentence(answer: Any, status: int) -> str:
    if isinstance(answer, dict) and isinstance(answer.get("error"), str):
        return str(answer["error"])[:500]
    return f"The server refused with status {status}."
