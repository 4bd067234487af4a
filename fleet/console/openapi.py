"""The API described in OpenAPI 3.1, generated from the route table and the request types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from fleet.console.ask import Route

REF = "#/components/schemas/{name}"


def describe(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The document of `/api/v1/openapi.json`."""
    bodies = [route.body for route in routes if route.body is not None]
    _, components = msgspec.json.schema_components(bodies, ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vitrine fleet", "version": version},
        "components": {
            "schemas": {**components, "Error": _error()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "paths": paths,
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": (route.handler.__doc__ or "").strip(),
        "operationId": route.handler.__name__,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ],
        "responses": {
            "2XX": {"description": "done", "content": {"application/json": {}}},
            "4XX": {
                "description": "refused, with the reason",
                "content": {"application/json": {"schema": {"$ref": REF.format(name="Error")}}},
            },
        },
        "security": [] if route.open_to_boxes else [{"token": []}],
    }
    if route.body is not None:
        schema = {"$ref": REF.format(name=route.body.__name__)}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _error() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"type": "string", "description": "one sentence with the way out"},
            "faults": {"type": "array", "description": "the draft's faults, when it has any"},
        },
    }
