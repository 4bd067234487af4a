"""A program's way to the console's API. The only importer of httpx."""

from __future__ import annotations

from typing import Any

import httpx

from ota.errors import Refused, Retry

TIMEOUT_S = 60.0


class FleetClient:
    """Talks to `/api/v1` at `url`; `ca` is the fleet CA for https, `token` for other machines."""

    def __init__(self, url: str, token: str = "", ca: str = "") -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._url = url.rstrip("/")
        try:
            self._client = httpx.Client(
                base_url=f"{self._url}/api/v1",
                headers=headers,
                timeout=TIMEOUT_S,
                verify=_tls(ca),
                trust_env=False,
            )
        except (OSError, ValueError) as error:
            raise Refused(f"The CA file {ca} cannot be read ({error}).") from error

    def ask(
        self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The answer's JSON. Raises Retry (no server) or Refused with the server's reason."""
        try:
            answer = self._client.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise Retry(
                f"The fleet server at {self._url} does not answer ({error}); start it with "
                "`vitrine fleet serve --state DIR`, or name it with --url."
            ) from error
        try:
            found: dict[str, Any] = answer.json()
        except ValueError:
            found = {"error": f"{self._url} answered {answer.status_code}, not a fleet server."}
        if answer.is_success:
            return found
        sentence = str(found.get("error", f"The server answered {answer.status_code}."))
        faults = [
            f"  {fault.get('field') or 'programme.json'}: {fault.get('sentence_en')} / "
            f"{fault.get('sentence_zh')}"
            for fault in found.get("faults", [])
        ]
        raise Refused("\n".join([sentence, *faults]))


def _tls(ca: str) -> Any:
    if not ca:
        return True
    import ssl

    return ssl.create_default_context(cafile=ca)
