"""QR codes as inline SVG. The only importer of segno in the fleet."""

from __future__ import annotations

import io

import segno

QUIET_MODULES = 3


def qr_svg(text: str) -> str:
    """An SVG element of the code, scalable, dark on white."""
    out = io.BytesIO()
    code = segno.make(text, error="l", micro=False)
    code.save(
        out,
        kind="svg",
        xmldecl=False,
        svgns=True,
        border=QUIET_MODULES,
        omitsize=True,
        light="#ffffff",
        dark="#14201d",
    )
    return out.getvalue().decode()
