"""What is built has all that the program needs when it runs, the pages' templates, too."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_file_of_the_package_is_in_the_wheel(tmp_path: Path) -> None:
    """As pip and the Debian build make it; in a copy, because it leaves things beside the source."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "caucase", source / "caucase", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], check=True, capture_output=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    there = set(zipfile.ZipFile(wheel).namelist())
    needed = {
        path.relative_to(source).as_posix() for path in (source / "caucase").rglob("*") if path.is_file()
    }
    assert needed - there == set()
