"""The JSON Schemas of what boxes and console say to each other, as the files of docs/schemas."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from device.messages import wire_schemas
from ota.files import write_durable

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema_files() -> dict[str, bytes]:
    """File name -> content, one for each document of contract B6 and of enrolment."""
    return {
        f"{name}.json": msgspec.json.format(
            msgspec.json.encode({"$schema": DRAFT, **schema}, order="sorted"), indent=2
        )
        + b"\n"
        for name, schema in wire_schemas().items()
    }


if __name__ == "__main__":  # python -m fleet.schemas docs/schemas
    for file_name, content in schema_files().items():
        write_durable(Path(sys.argv[1]) / file_name, content)
