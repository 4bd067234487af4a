"""Taking a box out of service: identity first, then everything that it learnt or was given."""

from __future__ import annotations

import shutil

from device.paths import Places
from device.sync import anew
from ota.errors import Retry
from provisioning import identity_store as store


def wipe(places: Places) -> list[str]:
    """Remove identity, content, desired state, outbox and trust; returns what was removed.

    The application slots stay: the box can be enrolled again at once. Raises Retry when a folder
    cannot be removed.
    """
    removed = []
    if store.is_enrolled(places) or (places.etc / anew.FOLDER).exists():
        store.forget(places)
        removed.append("identity")
    for folder, name in ((places.var, "content and state"), (places.run, "sockets")):
        if folder.exists():
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise Retry(
                    f"{folder} could not be removed ({error.strerror}); stop the box "
                    "(vitrine device) and try again."
                ) from error
            removed.append(name)
    return removed
