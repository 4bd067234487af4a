"""docs/schemas is what the code says: others build against those files."""

from __future__ import annotations

from pathlib import Path

from fleet.schemas import schema_files

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def test_the_published_schemas_are_the_codes() -> None:
    stale = [
        name
        for name, content in schema_files().items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_bytes() != content
    ]
    assert stale == [], "run `python -m fleet.schemas docs/schemas`"
