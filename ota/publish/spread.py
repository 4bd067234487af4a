"""The publisher's side of a roll-out: the plan, signed beside the release it names."""

from __future__ import annotations

import secrets
from argparse import Namespace
from datetime import datetime

from ota.errors import Refused
from ota.formats.rollout import PLAN, Plan, encoded, parse_plan, read_waves
from ota.publish.repository import Repository

SALT_BYTES = 16


def plan_of(args: Namespace, now: datetime) -> Plan | None:
    """The plan that `vitrine ota publish --waves` asks for; None without. Raises Refused."""
    if not args.waves:
        if args.held:
            raise Refused("--held belongs to --waves; add for example --waves 1%,10%@24h,100%@3d.")
        return None
    if args.not_newest:
        raise Refused("--waves sends boxes to the release and --not-newest does not; take one.")
    return new_plan(args.version, args.waves, now, held=args.held)


def new_plan(version: str, waves: str, now: datetime, held: bool = False) -> Plan:
    """A plan with a fresh salt: nobody can foresee who is first, no box always is."""
    return Plan(
        schema=1,
        release=version,
        salt=secrets.token_hex(SALT_BYTES),
        at=now.isoformat(timespec="seconds"),
        pace=read_waves(waves),
        held=held,
    )


def sign_plan(repository: Repository, plan: Plan | None) -> None:
    """Publish the plan, or withdraw the one before. The release must be signed already.

    Raises Refused: its release is not, or the plan is not one that a box would take.
    """
    listed = repository.listed("releases")
    if plan is None:
        if PLAN in listed:
            repository.remove("releases", PLAN)
            repository.publish()
        return
    if f"releases/{plan.release}.json" not in listed:
        raise Refused(f"Release {plan.release} is not signed; publish it first.")
    data = encoded(plan)
    parse_plan(data)
    repository.add("releases", PLAN, data)
    repository.publish()
