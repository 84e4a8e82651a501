"""Runs the models of this folder and compares Verifpal's answers with expected.toml.

check.py VERIFPAL    the program; ends with status 1 where an answer is another
"""

import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parent
SECONDS_MAX = 600
SESSIONS = 2


def changed(run: dict) -> str:
    """The model with a run's changes and queries; a change that changes nothing is a mistake."""
    text = (FOLDER / f"{run['model']}.vp").read_text()
    for old, new in run.get("replace", []):
        assert text.count(old) == 1, f"{run['model']}.vp has {text.count(old)} times: {old!r}"
        text = text.replace(old, new)
    if "queries" in run:
        text = text[: text.index("queries[")] + "\n".join(["queries[", *run["queries"], "]", ""])
    return text


def answer(verifpal: str, model: str, sessions: int) -> str:
    """The result code: c, a, f or e for each query, and 0 or 1."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.vp"
        path.write_text(model)
        command = [verifpal, "verify", str(path), "--result-code", "--quiet", "--sessions", str(sessions)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return "no answer"
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip()


def main(verifpal: str) -> None:
    wrong = 0
    for run in tomllib.loads((FOLDER / "expected.toml").read_text())["run"]:
        began = time.monotonic()
        sessions = run.get("sessions", SESSIONS)
        found = answer(verifpal, changed(run), sessions)
        took = time.monotonic() - began
        same = found == run["code"]
        wrong += not same
        verdict = found if same else f"{found}, expected {run['code']}"
        print(f"{took:6.1f} s  {run['model']:<10} {sessions}  {verdict:<13} {run['says']}", flush=True)
    if wrong:
        sys.exit(f"{wrong} answers are other than expected: the model, the protocol or Verifpal changed.")


if __name__ == "__main__":
    main(sys.argv[1])
