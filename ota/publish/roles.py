"""The roles of a chain's signed repository: who signs what, for how long. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ota.errors import Refused
from ota.trust.dsse import Key
from ota.trust.metadata import DelegatedRole, Delegations, Root

OFFLINE = ("root", "targets", "releases", "avatars")
ONLINE = ("programmes", "rollouts", "snapshot", "timestamp")
ROLES = OFFLINE + ONLINE
# In TUF a star does not cross a slash.
DELEGATED = {
    "releases": ("releases/*",),
    "avatars": ("avatars/*", "avatars/*/*"),
    "programmes": ("programmes/*", "programmes/*/*"),
    "rollouts": ("rollouts/*",),
}
TARGET_PATH = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}(/[a-z0-9][a-z0-9._-]{0,63}){1,3}")
# An expired list stops news, never the screen; online lists are signed again at half their life.
LIFE = {
    "root": timedelta(days=730),
    "targets": timedelta(days=730),
    "releases": timedelta(days=730),
    "avatars": timedelta(days=730),
    "programmes": timedelta(days=365),
    "rollouts": timedelta(days=365),
    "snapshot": timedelta(days=30),
    "timestamp": timedelta(days=7),
}


def delegations(keys: Mapping[str, Sequence[Key]], thresholds: Mapping[str, int]) -> Delegations:
    """What `targets` says of the roles below it."""
    roles: dict[str, DelegatedRole] = {}
    known: dict[str, Key] = {}
    for name, patterns in DELEGATED.items():
        ids = [key.keyid for key in keys[name]]
        known.update({key.keyid: key for key in keys[name]})
        roles[name] = DelegatedRole(name, ids, thresholds.get(name, 1), True, list(patterns))
    return Delegations(known, roles)


def set_keys(signed: Any, role: str, keys: Sequence[Key], threshold: int) -> None:
    """Let these keys, and no others, sign for `role`; `signed` is the root or targets list."""
    holder = _holder(signed)
    for key_id in list(holder.roles[role].keyids):
        signed.revoke_key(key_id, role)
    for key in keys:
        signed.add_key(key, role)
    holder.roles[role].threshold = threshold


def keys_of(signed: Any, role: str) -> tuple[list[Key], int]:
    """Whose signatures count for `role`, and how many must be there."""
    holder = _holder(signed)
    found = holder.roles[role]
    return [holder.keys[each] for each in found.keyids if each in holder.keys], found.threshold


def check_name(role: str, target_path: str) -> None:
    """Raises Refused when the name is not the role's to give, or not lower-case a-z0-9._-/."""
    patterns = DELEGATED.get(role, ())
    depth = target_path.count("/")
    fits = any(
        pattern.count("/") == depth and fnmatch.fnmatchcase(target_path, pattern)
        for pattern in patterns
    )
    if not fits or not TARGET_PATH.fullmatch(target_path):
        raise Refused(
            f"Role {role!r} may not sign {target_path[:80]!r}; its names look like "
            f"{' or '.join(patterns) or 'nothing'}, in lower case."
        )


def delegator(role: str) -> str:
    """Whose list says who signs for `role`."""
    return "targets" if role in DELEGATED else "root"


def _holder(signed: Any) -> Any:
    return signed if isinstance(signed, Root) else signed.delegations
