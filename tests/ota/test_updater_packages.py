"""The updater stands in a place of its own: what is listed for it must be all that it imports."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from ota.box.updater import CODE, ENTRY, PACKAGES
from ota.publish.wheels import folders_of, normal, read_wheels
from tests.ota.wheelhouse import wheel

ROOT = Path(__file__).parents[2]
HOUSE = ("cli", "device", "ota")
# What runs on a box: there lazy imports count as well. Elsewhere, those that loading executes.
ON_BOX = ("ota/box/", "ota/system/", "ota/trust/", "cli/updater.py")


def statements(body: list[ast.stmt], deep: bool) -> Iterator[ast.stmt]:
    """Those that are executed; `deep`: in functions, too. Nothing for type checkers."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if deep or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for block in ("body", "orelse", "finalbody"):
                yield from statements(getattr(node, block, []), deep)
            for handler in getattr(node, "handlers", []):
                yield from statements(handler.body, deep)


def imported(name: str) -> set[str]:
    """Modules that a file of the house imports."""
    found: set[str] = set()
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    for node in statements(tree.body, name.startswith(ON_BOX)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def walked() -> tuple[set[str], set[str]]:
    """Files of the house, and foreign modules, that the updater comes to."""
    waiting = [path.relative_to(ROOT).as_posix() for folder in ("box", "system")
               for path in (ROOT / "ota" / folder).glob("*.py")] + [ENTRY]
    files: set[str] = set()
    foreign: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in files:
            continue
        files.add(name)
        for module in imported(name):
            top = module.partition(".")[0]
            if top not in HOUSE:
                foreign |= {top} - set(sys.stdlib_module_names)
                continue
            path = module.replace(".", "/")
            waiting += [each for each in (f"{path}.py", f"{path}/__init__.py")
                        if (ROOT / each).is_file()]
    return files, foreign


def with_needs(names: set[str]) -> set[str]:
    """Packages with all that they need, on any Python, without extras."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = normal(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another Python
        waiting += [match[0] for line in needs if "extra ==" not in line
                    and (match := re.match(r"[A-Za-z0-9][\w.-]*", line))]
    return found


def test_the_list_is_all_that_the_updater_imports_and_nothing_else() -> None:
    files, foreign = walked()
    assert {"ota/system/rauc.py", "ota/fetch.py", "device/paths.py", "ota/cli.py"} <= files
    outside = [name for name in files if not name.startswith(CODE)]
    assert not outside, "not brought into the updater's place"
    brought_by = metadata.packages_distributions()
    packages = {name for module in foreign for name in brought_by[module][:1]}
    assert with_needs(packages) == set(PACKAGES)


def test_it_starts_where_there_is_nothing_but_the_list(tmp_path: Path) -> None:
    """Its code and these packages, without the machine's: all of it can be imported."""
    place = tmp_path / "updater"
    (place / "site-packages").mkdir(parents=True)
    for name in ("cli/__init__.py", ENTRY, "device/__init__.py", "device/paths.py"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes((ROOT / name).read_bytes())
    (place / "ota").symlink_to(ROOT / "ota")
    for package in PACKAGES:
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError:
            continue  # for another Python
        for top in {Path(file.parts[0]) for file in files if file.parts[0] not in ("..", "/")}:
            link = place / "site-packages" / top
            if not link.exists() and not str(top).startswith("__"):
                link.symlink_to(Path(str(metadata.distribution(package).locate_file(top))))
    modules = [path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
               for folder in ("box", "system") for path in (ROOT / "ota" / folder).glob("*.py")]
    path = os.pathsep.join((str(place), str(place / "site-packages")))
    code = f"import importlib\nfor name in {modules!r}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=place, capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0, done.stderr


def test_a_releases_updater_gets_the_package_that_asks_rauc(tmp_path: Path) -> None:
    wheel(tmp_path, "dbus_fast", "5.2.0", {"dbus_fast/__init__.py": b""}, metadata="")
    wheel(tmp_path, "numpy", "2.4.6", {"numpy/__init__.py": b"", "numpy/x.so": b"x"},
          "cp310-cp310-manylinux_2_17_aarch64", metadata="")
    found = folders_of(read_wheels(tmp_path), PACKAGES)
    assert found == ["site-packages/dbus_fast-5.2.0.dist-info/", "site-packages/dbus_fast/"]
