"""`vitrine ota keys`: the ceremony, step by step, for people. The rules: ota.publish.ceremony."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ota.errors import Refused, VitrineError

if TYPE_CHECKING:
    from ota.publish.ceremony import Change
    from ota.publish.repository import Repository

PASSPHRASE_BYTES_MAX = 4096
SOON_DAYS = 90
THRESHOLD_ROLES = ("root", "releases")
EXAMPLE = """examples:
  vitrine ota keys --out keys --passphrase-file secret.txt
  vitrine ota keys make --out keys --root-keys 3 --root-threshold 2 --passphrase-file secret.txt
  vitrine ota keys make --role root --out anna --passphrase-file secret.txt
  vitrine ota keys show --repository tuf
  vitrine ota keys rotate --role root --repository tuf --keys keys --public anna/public/root.pem \\
      --public keys/public/root.pem --threshold 2 --export change.json
  vitrine ota keys sign change.json --keys anna --passphrase-file secret.txt
  vitrine ota keys import change.json --repository tuf --keys keys/online
  vitrine ota keys revoke --role releases --key 3f2a --repository tuf --keys keys
  vitrine ota keys renew --role root --repository tuf --keys keys
  vitrine ota keys token --role root --label "YubiKey PIV" --out anna

carry keys/offline away afterwards; keys/online goes to the chain's server
"""


def register(parser: argparse.ArgumentParser) -> None:
    """Fill in `vitrine ota keys`, whose plain form is `make`."""
    _make_options(parser)
    parser.set_defaults(run=run_make)
    acts = parser.add_subparsers(dest="act", metavar="STEP")
    make = _add(acts, "make", run_make, "make keys")
    _make_options(make, argparse.SUPPRESS)
    show = _add(acts, "show", run_show, "who signs what, and until when")
    _repository(show)
    for name, run, words in (
        ("rotate", run_rotate, "let other keys sign for a role"),
        ("revoke", run_revoke, "take one key out of a role"),
        ("renew", run_renew, "sign lists again that run out"),
    ):
        act = _add(acts, name, run, words)
        _repository(act)
        change_options(act)
        act.add_argument("--role", required=True, action="append", help="may repeat for renew")
        if name != "renew":
            act.add_argument("--threshold", type=int, help="so many must sign (default: as before)")
        if name == "rotate":
            act.add_argument("--public", type=Path, action="append", required=True,
                             help="PEM or .token.json of each key that shall sign; repeat it")
        if name == "revoke":
            act.add_argument("--key", required=True, help="the first signs of its fingerprint")
    sign = _add(acts, "sign", run_sign, "add your signatures to a change")
    sign.add_argument("change", type=Path)
    _keys(sign)
    sign.add_argument("--yes", action="store_true", help="do not ask")
    take = _add(acts, "import", run_import, "put a signed change in force")
    take.add_argument("change", type=Path)
    _repository(take)
    _keys(take)
    token = _add(acts, "token", run_token, "use a key that a token keeps (PKCS#11)")
    token.add_argument("--role", required=True)
    token.add_argument("--out", type=Path, required=True, help="the folder of keys")
    token.add_argument("--number", type=int, default=2, help="the key's id (default 2: PIV 9c)")
    token.add_argument("--label", help="the token's name, when there are several")
    token.add_argument("--pin-file", type=Path)


def _make_options(parser: argparse.ArgumentParser, default: Any = None) -> None:
    parser.add_argument("--out", type=Path, default=default, help="a new folder for the keys")
    parser.add_argument("--passphrase-file", type=Path, default=default,
                        help="encrypts the offline keys")
    parser.add_argument("--role", default=default, help="only one more key, for this role")
    for role in THRESHOLD_ROLES:
        parser.add_argument(f"--{role}-keys", type=int, default=default, metavar="N",
                            help=f"how many people hold a key of {role} (default 1)")
        parser.add_argument(f"--{role}-threshold", type=int, default=default, metavar="N",
                            help="how many of them must sign (default 1)")


def _add(acts: Any, name: str, run: Callable[[argparse.Namespace], int], words: str
         ) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = acts.add_parser(
        name, help=words, description=f"{words[0].upper()}{words[1:]}.", epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS,
                        help="one JSON object on stdout")
    parser.set_defaults(run=run)
    return parser


def _repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repository", type=Path, required=True, help="the TUF folder")


def _keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keys", type=Path, action="append", default=[], help="may repeat")
    parser.add_argument("--passphrase-file", type=Path, help="opens the offline keys")
    parser.add_argument("--pin-file", type=Path, help="the PIN of a token")


def change_options(parser: argparse.ArgumentParser) -> None:
    """What every step has that changes signed lists."""
    _keys(parser)
    parser.add_argument("--export", type=Path, metavar="FILE",
                        help="write the change to a file for others to sign")


def run_make(args: argparse.Namespace) -> int:
    """Make a chain's keys, or one more key of a role."""
    from ota.publish.ceremony import fingerprint
    from ota.publish.keyring import OFFLINE_KEYS, add_key, make_keyring

    if args.out is None:
        raise VitrineError("Say where the keys go: vitrine ota keys --out keys")
    secret = passphrase(args.passphrase_file)
    if args.role is not None:
        made = {args.role: [add_key(args.out, args.role, secret)]}
    else:
        holders = {role: getattr(args, f"{role}_keys") or 1 for role in THRESHOLD_ROLES}
        need = {role: getattr(args, f"{role}_threshold") or 1 for role in THRESHOLD_ROLES}
        made = make_keyring(args.out, secret, holders, need)
    ids = {role: [key.public.key_id for key in keys] for role, keys in made.items()}
    lines = [f"{role:11} {fingerprint(each)}" for role, held in ids.items() for each in held]
    lines.append(f"把 {args.out / 'offline'} 保管到安全的地方 / Carry {args.out / 'offline'} "
                 f"({', '.join(OFFLINE_KEYS)}) to a safe place.")
    if secret is None:
        lines.append("离线钥匙没有加密 / The offline keys are not encrypted; use "
                     "--passphrase-file for a real chain.")
    tell(args, {"keys": ids, "directory": str(args.out)}, lines)
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Who signs what; exit 1 when an offline list runs out soon."""
    from ota.clock import utc_now
    from ota.publish.ceremony import fingerprint
    from ota.publish.repository import ROLES, Repository
    from ota.publish.roles import ONLINE, delegator, keys_of

    repository = Repository.open(args.repository, {})
    told, lines, soon = {}, [], False
    for role in ROLES:
        keys, need = keys_of(repository.current(delegator(role)).signed, role)
        expires = repository.expires(role)
        days = (expires - utc_now()).days
        late = role not in ONLINE and days < SOON_DAYS
        soon = soon or late
        told[role] = {"threshold": need, "keys": [key.keyid for key in keys],
                      "expires": expires.isoformat(), "days_left": days}
        mark = "  快到期,请续签 / runs out soon: vitrine ota keys renew" if late else ""
        lines.append(f"{role:11} {need} / {len(keys)} 人签名 / must sign,"
                     f" {expires:%Y-%m-%d} ({days} 天 / days){mark}")
        lines += [f"{'':11} {fingerprint(key.keyid)}" for key in keys]
    tell(args, {"roles": told}, lines)
    return 1 if soon else 0


def run_rotate(args: argparse.Namespace) -> int:
    """Replace a role's keys."""
    from ota.publish import ceremony
    from ota.publish.tokens import SUFFIX, public_half
    from ota.trust.dsse import Key, public_key
    from ota.trust.keys import PublicKey

    role, repository = _only(args.role), open_for_change(args)
    public: list[Key] = [
        public_half(path) if path.name.endswith(SUFFIX) else public_key(PublicKey.load(path))
        for path in args.public
    ]
    need = args.threshold or threshold_of(repository, role)
    return finish(args, repository, ceremony.rotation(repository, role, public, need))


def run_revoke(args: argparse.Namespace) -> int:
    """Take a key out of a role; the others sign on."""
    from ota.publish import ceremony
    from ota.publish.roles import delegator, keys_of

    role, repository = _only(args.role), open_for_change(args)
    keys, need = keys_of(repository.current(delegator(role)).signed, role)
    wanted = args.key.replace(" ", "").lower()
    out = [key for key in keys if wanted and key.keyid.startswith(wanted)]
    if len(out) != 1:
        raise Refused(f"{len(out)} keys of {role} begin with {args.key!r}; `vitrine ota keys show` "
                      "tells their fingerprints.")
    left = [key for key in keys if key not in out]
    need = args.threshold or need
    if len(left) < need:
        raise Refused(f"Without this key {role} has {len(left)} and {need} must sign; first let "
                      "another key in with `vitrine ota keys rotate`.")
    return finish(args, repository, ceremony.rotation(repository, role, left, need))


def run_renew(args: argparse.Namespace) -> int:
    """Sign offline lists again."""
    from ota.publish import ceremony

    repository = open_for_change(args)
    return finish(args, repository, ceremony.renewal(repository, args.role))


def run_sign(args: argparse.Namespace) -> int:
    """Show a change, and add the signatures of the keys at hand."""
    from ota.files import read_bounded, write_durable
    from ota.publish import ceremony
    from ota.trust.dsse import key_of

    change = ceremony.read(read_bounded(args.change, ceremony.CHANGE_BYTES_MAX))
    keys = hands(args, tuple(change.documents))
    mine = [key_of(key) for held in keys.values() for key in held]
    if not mine:
        raise Refused("There is no key here for this change; name its folder with --keys.")
    print("\n".join(ceremony.told(change, mine)), file=sys.stderr)
    if not args.yes and not agreed():
        raise Refused("没有签名 / Nothing was signed.")
    signed = ceremony.sign(change, keys)
    write_durable(args.change, ceremony.write(change))
    tell(args, {"signed": signed}, [
        f"已签名 / signed: {ceremony.fingerprint(each)}" for each in signed])
    return 0


def run_import(args: argparse.Namespace) -> int:
    """Put a change in force where the repository and its online keys are."""
    from ota.files import read_bounded
    from ota.publish import ceremony

    change = ceremony.read(read_bounded(args.change, ceremony.CHANGE_BYTES_MAX))
    repository = open_for_change(args)
    ceremony.put_in_force(repository, change)
    tell(args, {"in_force": sorted(change.documents)}, ["已生效 / In force: every box follows."])
    return 0


def run_token(args: argparse.Namespace) -> int:
    """Note a token's key in a folder of keys."""
    from ota.publish import tokens
    from ota.publish.ceremony import fingerprint
    from ota.publish.roles import OFFLINE

    if args.role not in OFFLINE:
        raise Refused(f"A token signs for {', '.join(OFFLINE)}; {args.role!r} is none of them.")
    path = args.out / "offline" / f"{args.role}{tokens.SUFFIX}"
    key = tokens.adopt(path, args.number, args.label, pin(args))
    tell(args, {"key": key.keyid, "note": str(path)}, [f"{args.role:11} {fingerprint(key.keyid)}"])
    return 0


def open_for_change(args: argparse.Namespace) -> Repository:
    """The repository with all keys that are at hand."""
    from ota.publish.repository import ROLES, Repository

    return Repository.open(args.repository, hands(args, ROLES))


def hands(args: argparse.Namespace, roles: Sequence[str]) -> dict[str, list[Any]]:
    """The keys at hand, those on tokens included."""
    from ota.publish.keyring import find_keys, find_tokens

    found: dict[str, list[Any]] = dict(
        find_keys(args.keys, roles, passphrase(args.passphrase_file)))
    for role, held in find_tokens(args.keys, roles, pin(args)).items():
        found[role] = [*found.get(role, []), *held]
    return found


def finish(args: argparse.Namespace, repository: Repository, change: Change) -> int:
    """Sign with what is at hand; put in force, or leave it in a file for the next person."""
    from ota.files import write_durable
    from ota.publish import ceremony

    ceremony.sign(change, repository.keys)
    if args.export is not None:
        write_durable(args.export, ceremony.write(change))
        short = ceremony.lacking(repository, change)
        lines = ceremony.told(change, []) + [
            f"{each.role}: {each.have} / {each.need} 人已签 / have signed" for each in short]
        lines.append(f"下一步 / next: vitrine ota keys {'sign' if short else 'import'} "
                     f"{args.export}")
        tell(args, {"export": str(args.export), "lacking": [each.role for each in short]}, lines)
        return 0
    ceremony.put_in_force(repository, change)
    tell(args, {"in_force": sorted(change.documents)}, ["已生效 / In force: every box follows."])
    return 0


def threshold_of(repository: Repository, role: str) -> int:
    """How many must sign for a role now. Raises Refused: no such role."""
    from ota.publish.repository import ROLES
    from ota.publish.roles import delegator, keys_of

    if role not in ROLES:
        raise Refused(f"{role!r} is no role; they are {', '.join(ROLES)}.")
    return keys_of(repository.current(delegator(role)).signed, role)[1]


def _only(roles: Sequence[str]) -> str:
    if len(roles) != 1:
        raise Refused("One role at a time.")
    return roles[0]


def agreed() -> bool:
    """Ask the person at the keyboard; without one the answer is no."""
    if not sys.stdin.isatty():
        raise Refused("没有人可以回答 / Nobody is here to answer; check the change above and use "
                      "--yes.")
    print("签名吗? / Sign this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")


def pin(args: argparse.Namespace) -> Callable[[], str]:
    """The token's PIN: from a file, or asked for."""
    def ask() -> str:
        import getpass

        return passphrase(args.pin_file) or getpass.getpass("PIN: ")

    return ask


def passphrase(path: Path | None) -> str | None:
    """The text of a passphrase file, None without one. Raises VitrineError: unreadable, empty."""
    from ota.files import read_bounded

    if path is None:
        return None
    try:
        text = read_bounded(path, PASSPHRASE_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise VitrineError(f"The passphrase file {path} cannot be read.") from error
    if not text:
        raise VitrineError(f"The passphrase file {path} is empty; write the passphrase into it.")
    return text


def tell(args: argparse.Namespace, told: dict[str, Any], lines: Sequence[str]) -> None:
    """One JSON object for programs, or lines for people."""
    if args.json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n".join(lines), file=sys.stderr)
