"""Damaged files of every kind: no crash, no hang, one clear line, within the folder and the memory.

The cases run in a process of their own (``fuzz_readers.py``): the file libraries are written in C,
and what ends them would end the tests as well. A case that is found is made again by its kind and
number: ``PYTHONPATH=tests python -W error tests/fuzz_readers.py FOLDER NUMBER 1 KIND``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz_readers import KINDS

CHILD = Path(__file__).with_name("fuzz_readers.py")


def fuzz(folder: Path, first: int, count: int, *kinds: str) -> list[dict]:
    """Run cases, and go on behind one that ends the process; return what each line says."""
    told: list[dict] = []
    while count > 0:
        folder.mkdir()
        command = [sys.executable, "-W", "error", str(CHILD), str(folder), str(first), str(count)]
        result = subprocess.run([*command, *kinds], check=False, capture_output=True, text=True)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        told += [line for line in lines if "begin" not in line]
        if result.returncode == 0:
            break
        begun = [line["begin"] for line in lines if "begin" in line]
        how = f"ends the process by {result.returncode}: {result.stderr[-2000:]}"
        kind, case = begun[-1] if begun else ("before the first", first)
        told.append({"kind": kind, "case": case, "found": how})
        if len(kinds) != 1 or not begun:
            break
        count -= case + 1 - first
        first, folder = case + 1, folder.with_name(f"{folder.name}-{case}")
    return told


def found_in(told: list[dict]) -> list[str]:
    return [
        f"{line['kind']}, case {line['case']}: {line['found']}" for line in told if "found" in line
    ]


def test_damaged_files(tmp_path) -> None:
    each = -(-200 // len(KINDS))
    told = fuzz(tmp_path / "cases", 0, each)
    assert found_in(told) == []
    assert [(line["kind"], line["cases"]) for line in told] == [(kind, each) for kind in KINDS]
    assert sum(line["opened"] for line in told) > 20


@pytest.mark.long
def test_many_damaged_files(tmp_path) -> None:
    """``FUZZ_CASES`` of them, from the number ``FUZZ_FIRST`` on."""
    n_cases = int(os.environ.get("FUZZ_CASES", "10000"))
    first = int(os.environ.get("FUZZ_FIRST", "1000"))
    each, told = -(-n_cases // len(KINDS)), []
    for number, kind in enumerate(KINDS):
        told += fuzz(tmp_path / str(number), first, each, kind)
    sys.stdout.write("".join(f"{json.dumps(line)}\n" for line in told))
    assert found_in(told) == []
