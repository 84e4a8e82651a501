"""Mutation testing of the protocol: mutate.py makes the mutants, the tests judge them.

tests/long/mutants [--again] [MODULE...]   without a module: all of them

All mutants are in one build, and one is switched on at a time: this takes half an hour on two busy cores. A
build for each, as cargo-mutants makes, took 20 seconds there, which is hours. Each is tried on the test
vectors, and where these do not notice it on the unit tests of its crate. What survives is compared with
excused.toml: the status is 1 where a survivor is not excused, and where an excuse is of none. Of all modules
the report is written to mutants.md. `--again` tries only what was not killed the last time. JOBS is how many
are tried at once (2). What this makes is in target/mutants.
"""

import datetime
import fnmatch
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections import Counter
from pathlib import Path

import checkout
from mutate import SWITCH, Mutant, Mutator

LONG = Path(__file__).resolve().parent
SCRATCH = checkout.ROOT / "target" / "mutants"
TREE = SCRATCH / "tree"
FATES = SCRATCH / "fates.jsonl"
SECONDS_MAX = 60
"""Of the processor, for one set of tests, which take some seconds: a mutant that takes more does not end."""
BYTES_MAX = 4 << 30
"""Memory a mutant may take."""

MODULES = {
    "codec": [
        *("src/wire.rs", "src/frame/*", "src/envelope.rs"),
        *("endpoint/src/content/*", "endpoint/src/layout.rs"),
    ],
    "tickets": ["src/ticket/*", "src/mac.rs", "src/time.rs"],
    "franking": ["src/commitment.rs", "src/stamp.rs", "src/report.rs"],
    "handshake": [
        *("endpoint/src/handshake.rs", "endpoint/src/hint.rs"),
        *("endpoint/src/prekeys.rs", "endpoint/src/primitives/*"),
    ],
    "ratchet": ["endpoint/src/ratchet/*", "endpoint/src/message.rs", "endpoint/src/session/*"],
    "pricing": ["src/pricing/*", "src/reputation.rs"],
}
"""The files of each module, under protocol/."""
FIRST = {
    "codec": ["frames::", "content::"],
    "tickets": ["tickets::"],
    "franking": ["report::", "a_commitment"],
    "handshake": ["handshakes_", "hints_", "keys::"],
    "ratchet": ["states_", "messages_", "headers_"],
    "pricing": ["pricing::"],
}
"""Which of the vectors are tried first: those that are likely to notice."""

TESTS = {
    "vectors": ["-p", "plico-vectors", "--test", "vectors"],
    "protocol": ["-p", "plico-protocol", "--lib"],
    "endpoint": ["-p", "plico-endpoint", "--lib"],
    "wycheproof": ["-p", "plico-endpoint", "--test", "wycheproof"],
}
"""What a mutant is tried on; of the last three, on those of its crate."""
CRATES = ["protocol", "protocol/endpoint"]


def module_of(file: str) -> str | None:
    inside = file.removeprefix("protocol/")
    if inside.endswith("tests.rs") or "/tests/" in inside:
        return None
    fits = (name for name, globs in MODULES.items() if any(fnmatch.fnmatch(inside, one) for one in globs))
    return next(fits, None)


def instrument(wanted: list[str], without: set[int]) -> list[Mutant]:
    """Puts the mutants of these modules into the copy of the checkout."""
    mutator = Mutator(without)
    for crate in CRATES:
        for path in sorted((checkout.ROOT / crate / "src").rglob("*.rs")):
            file = str(path.relative_to(checkout.ROOT))
            text = path.read_text()
            if module_of(file) in wanted:
                text = mutator.mutate(file, text)
            if file == f"{crate}/src/lib.rs":
                text += SWITCH
            checkout.write(TREE / file, text.encode())
    return mutator.mutants


def cargo(*arguments: str) -> list[dict]:
    """What Cargo says of a build in the copy, in JSON."""
    command = ["cargo", *arguments, "--locked", "--message-format=json"]
    here = {**os.environ, "CARGO_TARGET_DIR": str(SCRATCH / "build"), "CARGO_PROFILE_DEV_DEBUG": "false"}
    said = subprocess.run(command, cwd=TREE, env=here, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in said.splitlines()]


def blamed(message: dict) -> set[int]:
    """The mutant in whose text an error is: its number stands before."""
    numbers = set()
    for span in message["spans"]:
        text = (TREE / span["file_name"]).read_bytes()[: span["byte_end"]]
        _, found, after = text.rpartition(b"crate::mutant(")
        if span["is_primary"] and found:
            numbers.add(int(after.split(b")")[0]))
    return numbers


def build(wanted: list[str]) -> list[Mutant]:
    """Mutates until all of it compiles."""
    checkout.copy(TREE)
    without: set[int] = set()
    steps = [["check", "-p", "plico-endpoint", "--lib"], *(["test", "--no-run", *of] for of in TESTS.values())]
    while True:
        mutants = instrument(wanted, without)
        said = (cargo(*step) for step in steps)
        errors = next((found for found in map(errors_of, said) if found), [])
        found = set().union(*map(blamed, errors))
        print(f"{len(mutants)} mutants, {len(found)} of them do not compile", flush=True)
        if not errors:
            return mutants
        if not found:
            sys.exit(errors[0]["rendered"])
        without |= found


def errors_of(said: list[dict]) -> list[dict]:
    messages = [one["message"] for one in said if one["reason"] == "compiler-message"]
    return [message for message in messages if message["level"] == "error" and message["spans"]]


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (BYTES_MAX, BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_MAX, SECONDS_MAX + 1))


class Programs:
    """The tests, built with all mutants."""

    def __init__(self) -> None:
        self.paths = {}
        for name, arguments in TESTS.items():
            said = cargo("test", "--no-run", *arguments)
            built = [one for one in said if one.get("executable") and one["profile"]["test"]]
            if len(built) != 1:
                sys.exit(f"The tests of {name} do not build.")
            self.paths[name] = (built[0]["executable"], Path(built[0]["manifest_path"]).parent)

    def run(self, name: str, number: int, filters: list[str]) -> str:
        """How these tests end with a mutant switched on: pass, fail, endless."""
        program, folder = self.paths[name]
        environment = {**os.environ, "PLICO_MUTANT": str(number), "PROPTEST_CASES": "32"}
        command = [program, "--quiet", "--test-threads=1", *filters]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        done = subprocess.run(command, cwd=folder, env=environment, preexec_fn=limit, **quiet)
        return {0: "pass", -signal.SIGXCPU: "endless"}.get(done.returncode, "fail")

    def fate(self, mutant: Mutant) -> str:
        """Which tests kill it; else endless or survives."""
        first = FIRST[module_of(mutant.file)]
        own = ["endpoint", "wycheproof"] if mutant.file.startswith("protocol/endpoint/") else ["protocol"]
        for name, filters in [("vectors", first), ("vectors", []), *((name, []) for name in own)]:
            ended = self.run(name, mutant.number, filters)
            if ended != "pass":
                return name if ended == "fail" else ended
        return "survives"


def place(mutant: Mutant) -> str:
    return f"{mutant.file}:{mutant.at}: {mutant.change}"


def killed_before() -> dict[str, str]:
    """What was killed the last time, by its place."""
    lines = FATES.read_text().splitlines() if FATES.exists() else []
    return {at: fate for at, fate in map(json.loads, lines) if fate not in ("survives", "endless")}


def judge_all(mutants: list[Mutant], before: dict[str, str]) -> dict[Mutant, str]:
    """The fate of every mutant; each is written down at once."""
    fates = {mutant: before[place(mutant)] for mutant in mutants if place(mutant) in before}
    left = [mutant for mutant in mutants if mutant not in fates]
    left.sort(key=lambda mutant: list(MODULES).index(module_of(mutant.file)))
    programs = Programs()
    for name in TESTS:
        if programs.run(name, 0, []) != "pass":
            sys.exit(f"Without a mutant the tests of {name} fail.")
    waiting, lock, began = iter(left), threading.Lock(), time.monotonic()

    def work() -> None:
        while True:
            with lock:
                mutant = next(waiting, None)
            if mutant is None:
                return
            fate = programs.fate(mutant)
            with lock:
                fates[mutant] = fate
                with FATES.open("a") as file:
                    file.write(json.dumps([place(mutant), fate]) + "\n")
                took = time.monotonic() - began
                print(f"{len(fates)}/{len(mutants)}, {took:.0f} s: {fate}, {place(mutant)}", flush=True)

    threads = [threading.Thread(target=work) for _ in range(int(os.environ.get("JOBS", "2")))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return fates


def excuses() -> list[dict]:
    """Groups of mutants in one file with one reason."""
    return tomllib.loads((LONG / "excused.toml").read_text())["excused"]


def problems(fates: dict[Mutant, str]) -> list[str]:
    """Survivors without excuse, and excuses without survivor."""
    left = Counter(f"{m.file}: {m.change}, in `{m.line}`" for m, fate in fates.items() if fate == "survives")
    tried = {mutant.file for mutant in fates}
    excused = Counter(
        f"{group['file']}: {change}, in `{line}`"
        for group in excuses()
        for line, change in group["mutants"]
        if group["file"] in tried
    )
    found = [f"survives: {mutant}" for mutant in (left - excused).elements()]
    return found + [f"excused, but does not survive: {mutant}" for mutant in (excused - left).elements()]


def report(fates: dict[Mutant, str]) -> str:
    """A page for people."""
    rows = []
    for name in [*MODULES, "all"]:
        of = Counter(fate for mutant, fate in fates.items() if name in (module_of(mutant.file), "all"))
        units = of["protocol"] + of["endpoint"] + of["wycheproof"]
        killed = 100 * (of.total() - of["survives"]) / max(of.total(), 1)
        counts = [of.total(), of["vectors"], units, of["endless"], of["survives"]]
        rows.append(f"| {name} | {' | '.join(map(str, counts))} | {killed:.1f} % |")
    excused = []
    for group in excuses():
        excused.append(f"- {group['why']}")
        excused += [f"  - `{group['file']}`, ``{line}``: {change}" for line, change in group["mutants"]]
    return "\n".join(
        [
            "# Mutants of the protocol",
            "",
            f"{datetime.date.today()}, by `tests/long/mutants`. A mutant is one small change of the code: `mutate.py` says",
            "which there are, and what does not compile is not counted. It is killed where a test vector fails, or else a unit",
            "test of its crate, or where the tests do not end any more. What survives is excused below, or is an error.",
            "",
            "| module | mutants | killed by vectors | by unit tests | do not end | survive | killed |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "## What survives, and why it may",
            "",
            *excused,
            "",
        ]
    )


def main(arguments: list[str]) -> None:
    wanted = [name for name in arguments if name != "--again"] or list(MODULES)
    if unknown := set(wanted) - set(MODULES):
        sys.exit(f"{', '.join(unknown)}?\n{__doc__}")
    mutants = build(wanted)
    before = killed_before() if "--again" in arguments else {}
    if not before:
        FATES.unlink(missing_ok=True)
    fates = judge_all(mutants, before)
    if wanted == list(MODULES):
        (LONG / "mutants.md").write_text(report(fates))
    if found := problems(fates):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1:])
