"""A copy of the checkout, to be changed and built without touching it."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def copy(to: Path) -> None:
    """What git knows, as it is in the working tree; a file that is there already keeps its time."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = {path for path in listed.decode().split("\0") if path and (ROOT / path).is_file()}
    to.mkdir(parents=True, exist_ok=True)
    for old in [path for path in to.rglob("*") if path.is_file()]:
        if str(old.relative_to(to)) not in paths:
            old.unlink()
    for path in paths:
        write(to / path, (ROOT / path).read_bytes())


def write(file: Path, content: bytes) -> None:
    """Leaves a file alone that says this already, so that Cargo builds nothing again."""
    if not file.exists() or file.read_bytes() != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
