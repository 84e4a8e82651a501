#!/usr/bin/env python3
"""Makes each change of constants.toml in a copy of the checkout, and sees a test vector fail.

constants.py                 all of them
constants.py --report FILE   the same, and writes what was found

Ends with status 1 where the vectors do not notice a change. Needs Python 3.11 and Cargo; the copy and what
is built of it lie in target/constants.
"""

import datetime
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import checkout

LONG = Path(__file__).resolve().parent
SCRATCH = checkout.ROOT / "target" / "constants"
COPY = SCRATCH / "tree"
SECONDS_MAX = 600


def run(*more: str) -> subprocess.CompletedProcess:
    """The vectors' tests in the copy."""
    command = ["cargo", "test", "--locked", "-p", "plico-vectors", *more]
    here = {**os.environ, "CARGO_TARGET_DIR": str(SCRATCH / "build")}
    return subprocess.run(
        command, cwd=COPY, env=here, capture_output=True, text=True, timeout=SECONDS_MAX
    )


def failed_vectors() -> list[str] | str:
    """The names of the tests that fail; where there is nothing to run, why."""
    built = run("--no-run")
    if built.returncode:
        return built.stderr
    try:
        lines = [line.split() for line in run().stdout.splitlines()]
    except subprocess.TimeoutExpired:
        return f"no end after {SECONDS_MAX} seconds"
    return [words[1].split("::")[-1] for words in lines if words[:1] == ["test"] and words[-1] == "FAILED"]


def judge(change: dict) -> str:
    """What is wrong with a change; nothing where the vectors notice it."""
    path, old, new = change["file"], change["from"], change["to"]
    text = (checkout.ROOT / path).read_text()
    if text.count(old) != 1:
        return f"{old!r} stands {text.count(old)} times in {path}"
    checkout.write(COPY / path, text.replace(old, new).encode())
    try:
        failed = failed_vectors()
    finally:
        checkout.write(COPY / path, text.encode())
    if isinstance(failed, str):
        return failed
    silent = [name for name in change["fails"] if name not in failed]
    return f"did not fail: {', '.join(silent)}" if silent else ""


def report(changes: list[dict], noticed: int) -> str:
    """A page for people."""
    rows = []
    for change in changes:
        fails = ", ".join(f"`{name}`" for name in change["fails"])
        rows.append(f"| {change['part']} | {change['says']} | `{change['file']}` | {fails} |")
    return "\n".join(
        [
            "# Constants and steps that the vectors hold",
            "",
            f"{datetime.date.today()}: of {len(changes)} changes of one constant or step each, the test vectors",
            f"notice {noticed}. `tests/long/constants.py --report tests/long/constants.md` makes each in a copy of",
            "the checkout and runs `cargo test -p plico-vectors`; `constants.toml` has the exact lines.",
            "",
            "| part | the change | in | these fail |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main(arguments: list[str]) -> None:
    changes = tomllib.loads((LONG / "constants.toml").read_text())["change"]
    checkout.copy(COPY)
    if before := failed_vectors():
        sys.exit(f"The vectors do not pass as it is: {before}")
    wrong = 0
    for change in changes:
        problem = judge(change)
        wrong += bool(problem)
        print(f"{change['part']:<10} {change['says']}: {problem or 'noticed'}", flush=True)
    if arguments:
        Path(arguments[1]).write_text(report(changes, len(changes) - wrong))
    if wrong:
        sys.exit(f"{wrong} changes are not noticed as constants.toml says.")


if __name__ == "__main__":
    if sys.argv[1:] and (len(sys.argv) != 3 or sys.argv[1] != "--report"):
        sys.exit(__doc__)
    main(sys.argv[1:])
