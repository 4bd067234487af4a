"""Who may do what: the seam where logins will come in.

Today there is one mode, local: whoever reaches the loopback listener is the administrator, and
programs elsewhere show the bearer token of `state/api-token`. The console therefore binds to
127.0.0.1 and refuses foreign Host and Origin headers, so that no web page can reach it through
the administrator's browser (DNS rebinding, cross-site forms).
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from fleet.console.ask import Ask, Person
from ota.files import read_bounded, write_durable

LOCAL_ADMIN = Person("local", frozenset({"viewer", "editor", "operator", "admin"}))
NOBODY = Person("nobody", frozenset())
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")
CSRF_COOKIE = "vitrine_csrf"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf"


def api_token(path: Path) -> str:
    """The token for programs; made at the first start, readable by its owner only."""
    if not path.exists():
        write_durable(path, secrets.token_urlsafe(32).encode(), 0o600)
    return read_bounded(path, 256).decode().strip()


def person_of(ask: Ask, token: str) -> Person:
    """The administrator for a local peer or a bearer of the token, otherwise nobody."""
    given = ask.headers.get("authorization", "")
    if given.startswith("Bearer ") and hmac.compare_digest(given[7:].encode(), token.encode()):
        return Person("api", LOCAL_ADMIN.roles)
    if ask.peer in LOCAL_NAMES and _is_local_host(ask.headers.get("host", "")):
        return LOCAL_ADMIN
    return NOBODY


def is_forged(ask: Ask) -> bool:
    """True for a change that another site's page may have sent through the reader's browser."""
    if ask.method in ("GET", "HEAD"):
        return False
    origin = ask.headers.get("origin", "")
    if origin and urlsplit(origin).netloc != ask.headers.get("host", ""):
        return True
    if ask.headers.get("content-type", "").startswith("application/json"):
        # A cross-site page cannot send this type without asking first, and we never allow it.
        return False
    if ask.headers.get("authorization"):
        return False
    cookie = ask.cookies.get(CSRF_COOKIE, "")
    shown = ask.form.get(CSRF_FIELD, "") or ask.headers.get(CSRF_HEADER, "")
    return not cookie or not hmac.compare_digest(cookie.encode(), shown.encode())


def new_csrf() -> str:
    """A fresh token for the cookie and for every form."""
    return secrets.token_urlsafe(24)


def _is_local_host(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name in LOCAL_NAMES
