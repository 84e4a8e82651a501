#!/usr/bin/env python3
"""Shows that what tests/musts.md names as the check of a "must" fails when what implements it is broken.

For each change of tests/long/musts.toml: a copy of the tree passes the checks, is changed, and must fail every one
of them. Nothing is written but in target/musts, or where --folder and --target say. Needs Python 3.11 and cargo.

    tests/long/musts.py --check          compares the tables and the lines, builds nothing (.ci/musts)
    tests/long/musts.py                  makes every change
    tests/long/musts.py --only sealed    makes the changes in whose "must", file or checks the word is
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 900
"""A check that does not end by then does not pass; it is noted as such."""


Home = tuple[str, str]
"""A package, and the option of `cargo test` that builds no more of it than needed."""


class Wrong(Exception):
    """The tables and the code do not fit."""


@dataclass
class Change:
    must: list[str]
    file: str
    cut: str
    checks: list[str]
    put: str = ""

    def line(self, text: str) -> int:
        return text[: text.index(self.cut)].count("\n") + 1

    def says(self) -> str:
        """The change on one line of a table."""
        cut, put = (" ".join(text.split()).replace("|", "\\|") for text in (self.cut, self.put))
        short = lambda text: text if len(text) <= 90 else text[:87] + "…"
        return f"`{short(cut)}` → `{short(put)}`" if put else f"without `{short(cut)}`"


def rows() -> dict[str, list[str]]:
    """The tests that tests/musts.md names, by the words of the specification."""
    found = {}
    for line in (ROOT / "tests/musts.md").read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| § "):
            _, _, words, checks, _ = (cell.strip() for cell in line.split("|"))
            found[words] = re.findall(r"`(\w+)`", checks)
    return found


def changes() -> list[Change]:
    with open(ROOT / "tests/long/musts.toml", "rb") as file:
        return [Change(**change) for change in tomllib.load(file)["change"]]


def tracked() -> list[str]:
    """Every file that is or may be committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in names.split("\0") if name and (ROOT / name).is_file()]


def homes_of(names: set[str]) -> dict[str, set[Home]]:
    """Where there is a test of each name."""
    found: dict[str, set[Home]] = {name: set() for name in names}
    for path in tracked():
        if not path.endswith(".rs"):
            continue
        for name in re.findall(r"^\s*(?:async )?fn (\w+)\(", (ROOT / path).read_text(), re.M):
            if name in found:
                found[name].add(home_of(path))
    return found


def home_of(path: str) -> Home:
    folder = (ROOT / path).parent
    while not (folder / "Cargo.toml").exists():
        folder = folder.parent
    package = tomllib.loads((folder / "Cargo.toml").read_text())["package"]["name"]
    return package, "--lib" if (ROOT / path).is_relative_to(folder / "src") else "--tests"


def compare(musts: dict[str, list[str]], made: list[Change]) -> None:
    """Each row has, for each of its checks, a change; each change fits the code and its rows."""
    wrong = []
    covered = set()
    for change in made:
        count = (ROOT / change.file).read_text().count(change.cut)
        if count != 1:
            wrong.append(f"{change.file} has {count} times, not once:\n{change.cut}")
        for words in change.must:
            covered |= {(words, check) for check in change.checks}
            if words not in musts:
                wrong.append(f"tests/musts.md has no row “{words}”")
        named = {check for words in change.must for check in musts.get(words, [])}
        wrong += [f"no row of “{change.must[0]}” names {check}" for check in change.checks if check not in named]
    for words, checks in musts.items():
        lacking = [check for check in checks if (words, check) not in covered]
        wrong += [f"no change of tests/long/musts.toml has {check} fail for “{words}”" for check in lacking]
    homes = homes_of({check for change in made for check in change.checks})
    wrong += [f"there is no test {name}" for name, there in homes.items() if not there]
    if wrong:
        raise Wrong("\n".join(wrong))


class Tree:
    """A copy to break, and what its tests say."""

    def __init__(self, folder: Path, target: Path):
        self.folder, self.target = folder / "tree", target
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in tracked():
            to = self.folder / name
            to.parent.mkdir(parents=True, exist_ok=True)
            # With the time of now: cargo must not take what an earlier run broke for built.
            shutil.copyfile(ROOT / name, to)
            shutil.copymode(ROOT / name, to)

    def run(self, home: Home, checks: list[str]) -> dict[str, str]:
        """What became of each check: ok, FAILED, or why there is no word of it."""
        package, part = home
        command = ["cargo", "test", "--locked", part, "--no-fail-fast", "-p", package]
        # Building may take as long as it likes.
        built, said = self.call([*command, "--no-run"], None)
        if built != 0:
            sys.stderr.write(said)
            return dict.fromkeys(checks, "does not build")
        ended, said = self.call([*command, "--", *checks], SECONDS_MAX)
        if ended is None:
            return dict.fromkeys(checks, "no end")
        became = {}
        for name, result in re.findall(r"^test (\S+) \.\.\. (ok|FAILED)", said, re.M):
            became[name.rsplit("::", 1)[-1]] = result
        return {check: became.get(check, "not run") for check in checks}

    def call(self, command: list[str], seconds: int | None) -> tuple[int | None, str]:
        """The exit status, none if it did not end in time, and what it said."""
        environment = {**os.environ, "CARGO_TARGET_DIR": str(self.target), "CARGO_TERM_COLOR": "never"}
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            return None, said
        return process.returncode, said

    def break_by(self, change: Change) -> None:
        path = self.folder / change.file
        path.write_text(path.read_text().replace(change.cut, change.put))

    def mend(self, change: Change) -> None:
        (self.folder / change.file).write_text((ROOT / change.file).read_text())


def run_all(tree: Tree, checks: list[str], homes: dict[str, set[Home]]) -> dict[str, str]:
    by_home: dict[Home, list[str]] = {}
    for check in checks:
        for home in sorted(homes[check]):
            by_home.setdefault(home, []).append(check)
    became = {}
    for home, named in by_home.items():
        became |= tree.run(home, named)
    return became


def report(musts: dict[str, list[str]], lines: list[str], passed: int, seconds: float) -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    head = f"""# What fails without its line

By `tests/long/musts.py` on {time.strftime("%Y-%m-%d")}, commit {commit}, {os.cpu_count()} cores, {seconds / 60:.0f} minutes.
{len(musts)} sentences with "must"; {len(lines)} changes, each in a copy that passed the check before; in {passed} of them
every check that is named failed.

| changed | the specification says | checked by, after the change |
|---|---|---|
"""
    return head + "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare tables and lines, build nothing")
    parser.add_argument("--only", default="", metavar="WORD", help="changes with this word in must, file or checks")
    parser.add_argument("--package", default="", metavar="NAME", help="checks that are tests of this package alone")
    parser.add_argument("--folder", type=Path, default=ROOT / "target/musts", help="folder for the copy")
    parser.add_argument("--target", type=Path, help="cargo's target folder, if not one in the copy's folder")
    parser.add_argument("--report", type=Path, help="write the table to this file")
    options = parser.parse_args()
    musts, made = rows(), changes()
    try:
        compare(musts, made)
    except Wrong as wrong:
        print(f"{wrong}\nRemedy: correct tests/musts.md or tests/long/musts.toml, and run this program.", file=sys.stderr)
        return 1
    if options.check:
        print(f"{len(musts)} rows, {len(made)} changes")
        return 0
    homes = homes_of({check for change in made for check in change.checks})
    for change in made:
        here = lambda check: not options.package or options.package in {package for package, _ in homes[check]}
        change.checks = [check for check in change.checks if here(check)]
    made = [m for m in made if m.checks and options.only in "\n".join([*m.must, m.file, *m.checks])]
    homes = {check: homes[check] for change in made for check in change.checks}
    folder = options.folder.resolve()
    started, tree = time.monotonic(), Tree(folder, (options.target or folder / "build").resolve())
    before = run_all(tree, sorted(homes), homes)
    if any(result != "ok" for result in before.values()):
        print(f"before any change: { {k: v for k, v in before.items() if v != 'ok'} }", file=sys.stderr)
        return 1
    print(f"{len(before)} checks pass, {time.monotonic() - started:.0f} s", flush=True)
    lines, passed = [], 0
    order = sorted(made, key=lambda m: (sorted(homes[m.checks[0]]), m.file))
    for number, change in enumerate(order, 1):
        at = f"{change.file}:{change.line((ROOT / change.file).read_text())}"
        tree.break_by(change)
        after = run_all(tree, change.checks, homes)
        tree.mend(change)
        good = all(result in ("FAILED", "no end") for result in after.values())
        passed += good
        told = ", ".join(f"{check}: {result}" for check, result in after.items())
        print(f"[{number}/{len(order)}] {'good' if good else 'BAD '} {at}: {told}", flush=True)
        said = "; ".join(f"“{words}”" for words in change.must)
        names = "<br>".join(f"`{check}`: {result}" for check, result in after.items())
        lines.append(f"| {at}: {change.says()} | {said} | {names} |")
    seconds = time.monotonic() - started
    if options.report:
        options.report.write_text(report(musts, lines, passed, seconds))
    print(f"{passed} of {len(order)} changes fail their checks, {seconds / 60:.0f} minutes")
    return 0 if passed == len(order) else 1


if __name__ == "__main__":
    sys.exit(main())
