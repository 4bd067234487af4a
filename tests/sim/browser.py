"""Real Chromium for tests: Debian's, the unpacked prefix's, or Playwright's own."""

from __future__ import annotations

import shutil
from typing import Any

from playwright.sync_api import Browser

from device.paths import prefix_dir

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]


def program() -> str | None:
    """Chromium's path, or None where Playwright's own build is to be used."""
    # Not its start script in usr/bin, which names folders of the system.
    unpacked = prefix_dir() / "usr" / "lib" / "chromium" / "chromium"
    return str(unpacked) if unpacked.exists() else shutil.which("chromium")


def launch(playwright: Any) -> Browser:
    """A headless browser that plays sound without a press and asks nobody on the network."""
    found = program()
    given = {"executable_path": found} if found else {}
    browser: Browser = playwright.chromium.launch(args=ARGUMENTS, **given)
    return browser
