"""What a check found: good, bad or "look yourself", with the next step. Pure."""

from __future__ import annotations

from typing import Any

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One checked part. `ok` None: nothing is broken, but a person should look.

    Sentences come in Chinese and English; `next_*` is empty when there is nothing to do.
    """

    id: str
    ok: bool | None
    zh: str
    en: str
    next_zh: str = ""
    next_en: str = ""
    facts: dict[str, Any] = {}
    took_ms: float = 0.0


def passed(findings: list[Finding]) -> bool:
    """True when nothing is broken."""
    return all(finding.ok is not False for finding in findings)


def as_report(findings: list[Finding]) -> dict[str, Any]:
    """The JSON of `vitrine device check --json`."""
    return {
        "ok": passed(findings),
        "checks": [msgspec.to_builtins(finding) for finding in findings],
        "took_ms": round(sum(finding.took_ms for finding in findings), 1),
    }


def as_lines(findings: list[Finding], language: str) -> list[str]:
    """For a person: a mark, a sentence, and the next step below it."""
    lines = []
    for finding in findings:
        mark = {True: "✓", False: "✗", None: "!"}[finding.ok]
        chinese = language.startswith("zh")
        lines.append(f"{mark} {finding.zh if chinese else finding.en}")
        step = finding.next_zh if chinese else finding.next_en
        if step:
            lines.append(f"    → {step}")
    return lines
