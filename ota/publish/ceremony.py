"""Signing in turns: a change of offline lists that several people sign, on machines of their own.

A change holds the next version of each list that it touches, and the version before, so that a
signer sees the difference. It is signed where the keys are and put in force where the repository
is; until as many have signed as must, nothing of it is seen by a box.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ota.errors import Refused
from ota.publish.roles import DELEGATED, OFFLINE, ONLINE, ROLES, delegator, keys_of, set_keys
from ota.trust.dsse import Key, Signing, is_signature, key_of, signer
from ota.trust.metadata import METADATA_BYTES_MAX, Metadata, parse, serialised, signatures

if TYPE_CHECKING:
    from ota.publish.repository import Repository

SCHEMA = 1
CHANGE_BYTES_MAX = 4 * METADATA_BYTES_MAX


@dataclass
class Change:
    """The next lists by role, and those that they follow."""

    documents: dict[str, Metadata[Any]]
    before: dict[str, Metadata[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Lack:
    """A list that too few have signed yet; `may_sign` are the key ids that could."""

    role: str
    have: int
    need: int
    may_sign: tuple[str, ...]


def rotation(
    repository: Repository, role: str, keys: Sequence[Key], threshold: int = 1
) -> Change:
    """Let `keys`, and no others, sign for `role`. Raises Refused: unknown role, too few keys."""
    ids = {key.keyid for key in keys}
    if role not in ROLES or not 1 <= threshold <= len(ids):
        raise Refused(f"Role {role!r} is unknown, or has fewer keys than must sign.")
    change = Change({})
    above = _next(repository, change, delegator(role))
    set_keys(above.signed, role, list(keys), threshold)
    if role in OFFLINE and role != "root":
        _next(repository, change, role)
    return change


def renewal(repository: Repository, roles: Sequence[str]) -> Change:
    """The same lists with a new end. Raises Refused for a role that renews itself."""
    change = Change({})
    for role in roles:
        if role not in OFFLINE:
            raise Refused(f"{role!r} is renewed by the chain's server; name one of "
                          f"{', '.join(OFFLINE)}.")
        _next(repository, change, role)
    return change


def listing(repository: Repository, role: str) -> Change:
    """What was added to `repository` for an offline role, as a change instead of a publish."""
    change = Change({})
    repository.apply_added(role, _next(repository, change, role).signed)
    return change


def _next(repository: Repository, change: Change, role: str) -> Metadata[Any]:
    if role not in change.documents:
        change.before[role] = repository.current(role)
        change.documents[role] = repository.following(role)
    return change.documents[role]


def sign(change: Change, keys: Mapping[str, Sequence[Signing]]) -> list[str]:
    """Add the signatures of these keys (by role); returns the ids that signed."""
    signed = []
    for role, document in change.documents.items():
        for key in keys.get(role, ()):
            document.sign(signer(key), append=True)
            signed.append(key_of(key).keyid)
    return signed


def lacking(repository: Repository, change: Change) -> list[Lack]:
    """What must still be signed before the change can be put in force."""
    found = []
    for role, document in change.documents.items():
        above = [change.documents.get(delegator(role)) or repository.current(delegator(role))]
        if role == "root":
            above.append(repository.current("root"))
        for each in above:
            keys, need = keys_of(each.signed, role)
            good = signatures(each, role, document)
            if len(good) < need:
                open_ids = tuple(key.keyid for key in keys if key.keyid not in good)
                found.append(Lack(role, len(good), need, open_ids))
    return found


def put_in_force(repository: Repository, change: Change) -> None:
    """Make the change visible to boxes, all at once, with the online keys at hand.

    What a power cut left half done is finished by doing it again. Raises Refused, and nothing has
    changed then: made for an older state, too few signatures, a file that is not here, no online
    key.
    """
    with repository.alone():
        there = [role for role, document in change.documents.items()
                 if serialised(document) == serialised(repository.current(role))]
        for role, document in change.documents.items():
            is_next = document.signed.version == repository.current(role).signed.version + 1
            if not is_next and (role not in there or len(there) == len(change.documents)):
                raise Refused(f"The {role} list has changed since this was made; make it anew.")
        short = lacking(repository, change)
        if short:
            raise Refused(sentence(short))
        repository.write_change(change.documents, _to_sign_again(repository, change))


def check_online(root: Metadata[Any], keys: Mapping[str, Sequence[Signing]]) -> None:
    """Raises Refused when boxes that follow `root` would refuse what these keys sign."""
    for role in ("snapshot", "timestamp"):
        named, need = keys_of(root.signed, role)
        at_hand = {key_of(key).keyid for key in keys.get(role, ())}
        if len(at_hand & {key.keyid for key in named}) < need:
            raise Refused(f"The key of role {role!r} is not at hand; do this on the chain's "
                          "server, or bring keys/online.")


def is_seamless(root: Metadata[Any], news: Mapping[str, Metadata[Any]]) -> bool:
    """Do these lists hold for a box that knows only the present `root`, too? Pure.

    Then they are shown first and the new root after them, and at no moment is a box refused; a
    cut in between leaves the old root with lists that it trusts. Where the old keys are gone the
    root goes first, right before the timestamp: boxes are refused until that one is written.
    """
    return all(len(signatures(root, role, each)) >= keys_of(root.signed, role)[1]
               for role, each in news.items())


def _to_sign_again(repository: Repository, change: Change) -> list[str]:
    """Online lists whose keys the change replaces."""
    targets = change.documents.get("targets")
    if targets is None:
        return []
    before = repository.current("targets").signed
    return [
        role for role in DELEGATED if role in ONLINE
        and keys_of(targets.signed, role) != keys_of(before, role)
    ]


def sentence(short: Sequence[Lack]) -> str:
    """Who must still sign, for people."""
    parts = [
        f"{each.role}: {each.have} of {each.need} have signed, still able to: "
        f"{', '.join(fingerprint(key_id) for key_id in each.may_sign) or 'nobody'}"
        for each in short
    ]
    return ("Too few have signed (" + "; ".join(parts) + "); write the change to a file with "
            "--export and let the others sign it.")


def fingerprint(key_id: str) -> str:
    """Twenty signs in groups, to be read out on the telephone."""
    return " ".join(key_id[start : start + 4] for start in range(0, 20, 4))


def write(change: Change) -> bytes:
    """The change as a file."""
    def plain(documents: Mapping[str, Metadata[Any]]) -> dict[str, Any]:
        return {role: json.loads(serialised(each)) for role, each in documents.items()}

    body = {"schema": SCHEMA, "documents": plain(change.documents), "before": plain(change.before)}
    return json.dumps(body, indent=1, sort_keys=True).encode()


def read(data: bytes) -> Change:
    """Raises Refused: not a change, of another schema, too large."""
    if len(data) > CHANGE_BYTES_MAX:
        raise Refused("The change is larger than 20 MB; make it anew.")
    try:
        body = json.loads(data)
        parts = [
            {role: parse(json.dumps(body[part][role]).encode(), role) for role in body[part]}
            for part in ("documents", "before")
        ]
        if body["schema"] != SCHEMA or not set(parts[0]) <= set(OFFLINE) or not parts[0]:
            raise ValueError("another schema")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused("This is not a change of signed lists; export it again.") from error
    return Change(parts[0], parts[1])


def told(change: Change, seen_keys: Sequence[Key]) -> list[str]:
    """What the change does, a line each, Chinese and English.

    A list that none of `seen_keys` has signed before is told whole: its past proves nothing.
    """
    lines = []
    for role, document in sorted(change.documents.items()):
        signed = document.signed
        lines.append(f"{role} {signed.version}: 有效至 / runs out {signed.expires:%Y-%m-%d}")
        before = change.before.get(role)
        if before is None or not _signed_by(before, seen_keys):
            lines.append(f"  {role}: 这把钥匙没有签过上一版,以下为全部内容 / "
                         "this key has not signed the version before: all of it follows")
            before = None
        lines += [f"  {line}" for line in _differences(before, document)]
    return lines


def _signed_by(document: Metadata[Any], keys: Sequence[Key]) -> bool:
    for key in keys:
        mark = document.signatures.get(key.keyid)
        if mark is not None and is_signature(key, mark, document.signed_bytes):
            return True
    return False


def _differences(before: Metadata[Any] | None, after: Metadata[Any]) -> list[str]:
    lines = []
    old = {} if before is None else _rules(before)
    for role, rule in _rules(after).items():
        if rule != old.get(role):
            lines.append(f"{role}: {rule}")
    had = {} if before is None else getattr(before.signed, "targets", {})
    have = getattr(after.signed, "targets", {})
    for path, info in sorted(have.items()):
        if path not in had or had[path] != info:
            digest = fingerprint(info.hashes.get("sha256", ""))
            lines.append(f"+ {path} ({info.length} B, {digest})")
    lines += [f"- {path}" for path in sorted(had) if path not in have]
    return lines


def _rules(document: Metadata[Any]) -> dict[str, str]:
    signed = document.signed
    holder = signed if hasattr(signed, "consistent_snapshot") else getattr(
        signed, "delegations", None)
    found = {}
    for role in getattr(holder, "roles", None) or {}:
        keys, need = keys_of(signed, role)
        ids = ", ".join(fingerprint(key.keyid) for key in keys)
        found[role] = f"{need} / {len(keys)}: {ids}"
    return found
