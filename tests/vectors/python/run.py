"""Writes the vectors, or checks the committed ones.

python run.py write   computes every file of tests/vectors anew
python run.py check   validates the committed files against their schemas, runs each test through
                      the implementation, and compares with what `write` would write, byte by byte
"""

import json
import sys
from pathlib import Path

import jsonschema
from vectors import (
    certificate,
    content,
    derive,
    frame,
    franking,
    handshake,
    header,
    hint,
    ledger,
    link,
    message,
    padding,
    prekey,
    pricing,
    profile,
    prove,
    ratchet,
    report,
    state,
    statement,
    ticket,
    x25519,
)
from vectors.format import VectorFile, dump, outcome

FOLDER = Path(__file__).resolve().parent.parent
MODULES = [
    derive,
    x25519,
    handshake,
    hint,
    header,
    message,
    padding,
    franking,
    ratchet,
    state,
    prove,
    ticket,
    certificate,
    profile,
    prekey,
    frame,
    link,
    content,
    report,
    ledger,
    statement,
    pricing,
]


def contents(file: VectorFile) -> dict[Path, str]:
    """The two files that a module makes."""
    return {
        FOLDER / f"{file.name}.json": dump(file.document()),
        FOLDER / "schemas" / f"{file.name}_schema.json": dump(file.schema()),
    }


def check(file: VectorFile) -> list[str]:
    """What is wrong with the committed files of one module."""
    problems = []
    for path, text in contents(file).items():
        committed = path.read_text("ascii") if path.exists() else ""
        if committed != text:
            problems.append(f"{path.relative_to(FOLDER)} is not what the generator writes")
            continue
        if path.parent == FOLDER:
            problems += check_tests(file, json.loads(committed))
    return problems


def check_tests(file: VectorFile, document: dict) -> list[str]:
    schema = json.loads((FOLDER / "schemas" / document["schema"]).read_text("ascii"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    kinds = {kind.type: kind for kind in file.kinds}
    return [
        f"{file.name} {test['tcId']}: not {test['result']}"
        for group in document["testGroups"]
        for test in group["tests"]
        if outcome(kinds[group["type"]], group, test) != test["result"]
    ]


def main(command: str) -> int:
    files = [module.build() for module in MODULES]
    print(f"{len(files)} files, {sum(f.count for f in files)} tests")
    if command == "write":
        (FOLDER / "schemas").mkdir(exist_ok=True)
        for file in files:
            for path, text in contents(file).items():
                path.write_text(text, "ascii")
        return 0
    wanted = {path for file in files for path in contents(file)}
    present = set(FOLDER.glob("*.json")) | set(FOLDER.glob("schemas/*.json"))
    problems = [f"{p.relative_to(FOLDER)} belongs to no module" for p in sorted(present - wanted)]
    for file in files:
        problems += check(file)
    print("\n".join(problems) or "all as committed, all valid")
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("write", "check"):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
