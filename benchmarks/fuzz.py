"""Fuzzing by hand: mutated projects, generated ones, deep nesting, giant literals, real files; every command.

usage: python benchmarks/fuzz.py [--inputs N] [--seed N] [--real FOLDER]... [--kind KIND]... [--keep FOLDER]

Each input is a small project, half of them with a mutated report, configuration and baseline beside it. All checks run
on it as JSON, and one further command with one of its options in turn, in this process's children, which note crashes,
what took over ten seconds of processor time, and what wrote, ran or read anything besides the project.
`--real` takes folders with Python files, such as the tests of CPython or an environment's site-packages: their files,
as they are and mutated, a few at a time. `--keep` copies the inputs that fail.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "scripts"), str(Path(__file__).resolve().parents[1])]

from tests.fuzz import harness, inputs, nesting  # noqa: E402
from tests.fuzz.stage import GIVEN  # noqa: E402

import commands  # noqa: E402  (found through the lines above)

KINDS = ("mutated", "configuration", "deep", "giant", "modules", "real", "mutated-real")
BATCH = 100
SLOW_SECONDS = 10.0
_KILLED_AFTER = 60  # seconds of processor time, and of any time
_WAITED_FOR = 900
_LARGEST_FILE = 150_000
_WITH_HISTORY = 0.2  # of the runs of --since; the others refuse, and take a tenth of the time
Job = tuple[str, str, int]  # kind, name or path, seed


class Fuzzer:
    """What the inputs are made from, and what came of them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.samples = inputs.sample_projects()
        self.given = {name: text.encode() for name, text in GIVEN.items()}
        self.sources = [content for files in self.samples for content in files.values() if content]
        self.real = [f for folder in options.real for f in sorted(Path(folder).rglob("*.py")) if _is_readable(f)]
        self.fixed = {
            "deep": [(name, files) for size in (30, 90, 300, 1000, 3000) for name, files in nesting.deep(size)],
            "giant": list(nesting.giants()),
            "modules": [pair for size in (5, 60, 400) for pair in nesting.chained_modules(size)],
        }
        self.done: Counter[str] = Counter()
        self.commands = 0
        self.slowest: tuple[float, str] = (0.0, "")
        self.faults: dict[str, list[str]] = {}

    def jobs(self) -> Iterator[Job]:
        kinds = self.options.kind or KINDS
        for kind in ("deep", "giant", "modules"):
            if kind in kinds:
                yield from ((kind, str(number), 0) for number in range(len(self.fixed[kind])))
        if "real" in kinds:
            yield from (("real", str(at), 0) for at in range(len(self.real)))
        random_kinds = [k for k in ("mutated", "mutated", "mutated", "configuration", "mutated-real") if k in kinds]
        if not self.real:
            random_kinds = [kind for kind in random_kinds if kind != "mutated-real"]
        for number in itertools.count() if random_kinds else ():
            yield random_kinds[number % len(random_kinds)], "", self.options.seed * 10_000_000 + number

    def files(self, job: Job) -> inputs.Files:
        kind, name, seed = job
        if kind in self.fixed:
            return self.fixed[kind][int(name)][1]
        if kind == "real":
            return self._real(self.real[int(name)])
        chance = random.Random(seed)
        if kind == "configuration":
            return inputs.mutated_configuration(chance)
        if kind == "mutated-real":
            return inputs.mutated(chance, self._real(chance.choice(self.real)), self.sources)
        sample = self.samples[0] if chance.random() < 0.02 else chance.choice(self.samples[2:])
        return inputs.mutated(chance, sample, self.sources)

    def _real(self, path: Path) -> inputs.Files:
        return {path.name: path.read_bytes(), "zz_main.py": b"from fastapi import FastAPI\napp = FastAPI()\n"}

    def run(self) -> None:
        started = time.monotonic()
        jobs = itertools.islice(self.jobs(), self.options.inputs)
        while batch := list(itertools.islice(jobs, BATCH)):
            self._run_batch(batch)
            total = sum(self.done.values())
            if total % 2_000 < BATCH:
                rate = total / (time.monotonic() - started)
                print(f"{total:,} inputs, {rate:.0f} a second, {len(self.faults)} kinds of fault", file=sys.stderr)

    def _run_batch(self, batch: list[Job]) -> None:
        """In a child, so that memory is given back and a crash of the interpreter costs one input."""
        while batch:
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reader)
                _work(self, batch, writer)
            os.close(writer)
            with os.fdopen(reader, encoding="utf-8") as pipe:
                rows = [json.loads(line) for line in pipe if line.endswith("\n")]
            _, status = os.waitpid(child, 0)
            for row in rows:
                self._count(row)
            finished = len(rows)
            if status and finished < len(batch):
                self._fault(
                    batch[finished], f"died with {status}: crash of the interpreter, or over {_KILLED_AFTER} s of work"
                )
                finished += 1
            batch = batch[finished:]

    def _count(self, row: dict[str, object]) -> None:
        kind, name, seed = row["job"]  # type: ignore[misc]
        self.done[kind] += 1
        self.commands += int(str(row["commands"]))
        self.slowest = max(self.slowest, (float(str(row["seconds"])), f"{kind} {name} {seed} {row['slowest']}"))
        for fault in row["faults"]:  # type: ignore[attr-defined]
            self._fault((kind, name, seed), fault)

    def _fault(self, job: Job, what: str) -> None:
        known = self.faults.setdefault(_cause(what), [])
        known.append(f"{job}: {what}")
        if len(known) > 1:
            return
        print(f"FAULT {job}: {what}", file=sys.stderr)
        if self.options.keep:
            harness.write_tree(Path(self.options.keep) / f"{job[0]}-{job[1]}-{job[2]}", self.files(job))

    def report(self) -> int:
        print("inputs |", " | ".join(f"{kind} {number:,}" for kind, number in sorted(self.done.items())))
        print(f"total | {sum(self.done.values()):,} inputs, {self.commands:,} commands")
        print(f"slowest | {self.slowest[0]:.1f} s: {self.slowest[1]}")
        print(f"kinds of fault | {len(self.faults)}")
        for cause, found in self.faults.items():
            print(f"{len(found):,} × {cause}\n    first: {found[0]}")
        return int(bool(self.faults))


def _work(fuzzer: Fuzzer, batch: list[Job], writer: int) -> None:
    """The child: run each job, write one JSON line for each."""
    commands._parsers = cache(commands._parsers)  # making them takes as long as a small project
    faulthandler.register(signal.SIGPROF, chain=True)
    watch = harness.Watch()
    folder = Path(tempfile.mkdtemp(prefix="fuzz", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    status = 1
    try:
        with os.fdopen(writer, "w", encoding="utf-8") as pipe:
            for job in batch:
                signal.setitimer(signal.ITIMER_PROF, _KILLED_AFTER)
                faulthandler.dump_traceback_later(_WAITED_FOR, exit=True)
                pipe.write(json.dumps(_row(fuzzer, job, folder, watch)) + "\n")
                pipe.flush()
                faulthandler.cancel_dump_traceback_later()
        status = 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(status)


def _row(fuzzer: Fuzzer, job: Job, folder: Path, watch: harness.Watch) -> dict[str, object]:
    stage = harness.Stage.at(folder)
    files = fuzzer.files(job)
    number = job[2] or int(job[1] or 0)
    stage.put(files)
    lines = list(stage.lines())
    further = lines[number % len(lines)]
    chance = random.Random(number)
    if "--since" in further and chance.random() < _WITH_HISTORY:
        stage.commit()
        harness.write_tree(stage.root, inputs.mutated(chance, files, fuzzer.sources))
    if chance.random() < 0.5:
        harness.write_tree(stage.given, inputs.mutated(chance, fuzzer.given, fuzzer.sources))
    before = harness.snapshot(stage.root)
    stage.allow(watch)
    faults: list[str] = []
    slowest, command = 0.0, ""
    for arguments in (["signals", str(stage.root), "--format", "json"], further):
        done = harness.run(arguments, watch)
        faults += [f"{' '.join(arguments[:1] + arguments[2:])}: {fault}" for fault in done.faults()]
        if done.seconds > slowest:
            slowest, command = done.seconds, " ".join(a for a in arguments if a != str(stage.root))
        if done.seconds > SLOW_SECONDS:
            faults.append(f"{arguments[0]}: over {SLOW_SECONDS:.0f} s")
    if any("a check failed" in fault for fault in faults):
        faults = [fault for fault in faults if "a check failed" not in fault] + harness.failures(stage.root)
    if harness.snapshot(stage.root) != before:
        faults.append("the project was changed")
    return {"job": job, "seconds": slowest, "slowest": command, "commands": 2, "faults": faults}


def _cause(fault: str) -> str:
    """What two faults of one cause share: the last lines of the traceback."""
    lines = [line for line in fault.strip().splitlines() if "^" not in line]
    return " / ".join(line.strip() for line in lines[-3:])[:300]


def _is_readable(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size <= _LARGEST_FILE
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", action="append", default=[], metavar="FOLDER")
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--keep", metavar="FOLDER")
    fuzzer = Fuzzer(parser.parse_args())
    fuzzer.run()
    sys.exit(fuzzer.report())


if __name__ == "__main__":
    main()
