"""`vitrine ota prune`: what an old repository may forget, for the person who keeps it."""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ota.errors import Refused
from ota.formats.versions import version_key
from ota.publish import keys_cli

if TYPE_CHECKING:
    from ota.publish.pruning import Pruned
    from ota.publish.repository import Repository

WORDS = "remove what the signed lists no longer need; without --yes only say what would go"
EXAMPLE = """examples:
  vitrine ota prune --repository /srv/vitrine/tuf
  vitrine ota prune --repository /srv/vitrine/tuf --yes
  vitrine ota prune --repository tuf --keys keys --passphrase-file secret.txt --yes

with the releases key old releases and systems leave the signed list first; without it only bytes
go that no list needs. Bytes go when no list has needed them for --grace-days.
"""
KEEP, KEEP_SYSTEMS, GRACE_DAYS = 6, 2, 30
NAMES_SHOWN = 12


def register(parser: argparse.ArgumentParser) -> None:
    """Fill in `vitrine ota prune`."""
    parser.add_argument("--repository", type=Path, required=True, help="the TUF folder")
    parser.add_argument("--yes", action="store_true", help="do it")
    parser.add_argument("--keep-releases", type=int, default=KEEP, metavar="N",
                        help=f"so many releases for each kind of box (default {KEEP}: patches from "
                        "five back)")
    parser.add_argument("--keep-systems", type=int, default=KEEP_SYSTEMS, metavar="N",
                        help=f"so many systems for each board (default {KEEP_SYSTEMS}; a bundle is "
                        "some GB)")
    parser.add_argument("--keep", action="append", default=[], metavar="VERSION",
                        help="keep this release or system as well; may repeat")
    parser.add_argument("--grace-days", type=float, default=GRACE_DAYS, metavar="D",
                        help=f"how long boxes on an older list can still fetch (default "
                        f"{GRACE_DAYS}; 0: at once, and such a box begins again)")
    keys_cli.change_options(parser)


def run(args: argparse.Namespace) -> int:
    """Look, and with --yes prune."""
    from ota.clock import utc_now
    from ota.publish.pruning import prune, would_go
    from ota.publish.repository import ROLES, Repository
    from ota.publish.retire import obsolete_now

    grace, now = _checked(args), utc_now()
    keys = keys_cli.hands(args, ROLES)
    repository = Repository.open(args.repository, keys)
    versions, hashes = _in_use(args)
    names = obsolete_now(repository, args.keep_releases, {*versions, *args.keep},
                         args.keep_systems)
    told: dict[str, Any] = {"yes": args.yes, "old_releases": names, "withdrawn": False,
                            "old_releases_bytes": _bytes_of(repository, names)}
    has_key = bool(keys.get("releases"))
    if args.yes and names and has_key:
        if not _withdraw(args, repository, names):
            return 0
        told["withdrawn"] = True
    work = prune if args.yes else would_go
    pruned = work(repository, hashes, grace, now)
    keys_cli.tell(args, {**told, **pruned.told()},
                  [*_about_names(args, told, has_key), *_about_bytes(args, pruned)])
    return 0


def _checked(args: argparse.Namespace) -> timedelta:
    if min(args.keep_releases, args.keep_systems) < 1 or not 0 <= args.grace_days <= 3650:
        raise Refused("At least one release is kept, one system, and 0 to 3650 days.")
    wrong = next((each for each in args.keep if version_key(each) is None), None)
    if wrong is not None:
        raise Refused(f"{wrong!r} is not a version; write dotted numbers like 1.4.0.")
    return timedelta(days=args.grace_days)


def _in_use(args: argparse.Namespace) -> tuple[set[str], set[str]]:
    """What boxes and the console need: known above this folder, so the dispatcher hands it in."""
    ask = getattr(args, "in_use", None)
    return ask(args.repository) if ask is not None else (set(), set())


def _bytes_of(repository: Repository, names: list[str]) -> int:
    """What only these names need."""
    from ota.publish.inventory import Known, look, needed

    if not names:
        return 0
    known: Known = {}
    left, _ = needed(repository, known, without=names)
    try:
        whole, _ = needed(repository, known)
    except Refused:
        return 0  # an old release has lost its file, which is no reason to keep its name
    files = look(repository.directory / "targets").files
    return sum(file.size_bytes for file in files if file.name in whole - left)


def _withdraw(args: argparse.Namespace, repository: Repository, names: list[str]) -> bool:
    """Take the names out of the list; False: they are in a file now, for others to sign."""
    from ota.publish import ceremony
    from ota.publish.retire import withdrawal

    change = withdrawal(repository, names)
    if args.export is not None:
        keys_cli.finish(args, repository, change)
        return False
    ceremony.sign(change, repository.keys)
    ceremony.put_in_force(repository, change)
    return True


def _about_names(args: argparse.Namespace, told: dict[str, Any], has_key: bool) -> list[str]:
    names = [name for name in told["old_releases"] if not name.endswith(".ways.json")]
    if not names:
        return []
    size, versions = _size(told["old_releases_bytes"]), ", ".join(
        name.removeprefix("releases/").removesuffix(".json") for name in names[:NAMES_SHOWN])
    more = f" (+{len(names) - NAMES_SHOWN})" if len(names) > NAMES_SHOWN else ""
    lines = [f"{len(names)} 个旧版本 / old releases and systems, {size}: {versions}{more}"]
    days = f"{args.grace_days:g}"
    if told["withdrawn"]:
        lines.append(f"已从签名列表中移除,{days} 天后删除其文件 / Taken out of the signed list; "
                     f"their bytes go {days} days later.")
    elif not has_key:
        lines.append("它们仍在签名列表中:需要离线的 releases 密钥(--keys)才能移除,"
                     "现在只删除无人引用的文件 / They are still signed: "
                     "only the offline releases key can take them out of the list (--keys). "
                     "Without it only unreferenced bytes go.")
    else:
        lines.append("加 --yes 即从签名列表中移除 / --yes takes them out of the signed list.")
    return lines


def _about_bytes(args: argparse.Namespace, pruned: Pruned) -> list[str]:
    size, files = _size(pruned.freed_bytes), len(pruned.goes)
    lines = [f"已删除 / Removed: {files} 个文件 / files, {size}." if args.yes else
             f"将删除 / Would go now: {files} 个文件 / files, {size}."]
    if pruned.waiting_files:
        lines.append(
            f"等待期内 / In their grace time: {pruned.waiting_files} 个文件 / files, "
            f"{_size(pruned.waiting_bytes)}; 最早 / the first on {pruned.next_at[:10]}.")
    lines.append(f"仓库 / Repository: {_size(pruned.repository_bytes)}.")
    if pruned.foreign_files:
        lines.append(f"{pruned.foreign_files} 个不认识的文件,保持原样 / files or folders that are "
                     "not ours were left alone.")
    if pruned.stuck:
        lines.append(f"{len(pruned.stuck)} 个文件无法删除 / files cannot be removed: "
                     f"{pruned.stuck[0]}")
    if pruned.lost:
        lines.append(f"注意:缺少 {len(pruned.lost)} 个已签名内容需要的文件 / Careful: "
                     f"{len(pruned.lost)} files that signed lists need are missing, for example "
                     f"{pruned.lost[0]}; bring them back from the backup or publish again.")
    if not args.yes and (pruned.goes or pruned.waiting_files):
        lines.append("没有任何改动;执行请加 --yes / Nothing was changed; --yes does it. "
                     "(Without it no grace time begins, unless the chain's server prunes.)")
    return lines


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"
