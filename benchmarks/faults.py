"""What every command makes of damaged and hostile files, kills and full disks: one table a kind of fault.

    python benchmarks/faults.py [--cases 300] [--seed 0] [--files log.h5 ...] [--commands report ...]
        [--faults bytes log hostile stop] [--tasks 'train channels' ...] [--verdicts FILE] [--short]
    python benchmarks/faults.py --faults bytes --files log.h5 --commands report --case 17 --keep FOLDER

Four small runs are trained, two of them with gates of channels. For every case a fresh copy is damaged, and a command
is run over it in a forked child process with limits of time and memory; what it prints, writes and trains is compared
with the same without damage. A case is determined by its numbers and the seed. The second form repeats one case and
keeps the damaged run in a folder.

A cell of the tables holds the cases that ended right or were named, as ``right + named``, and what must not be: other
numbers without a word (silent), tracebacks, hangs. Ends with exit code 1 where there is any of these.
"""

import argparse
import importlib
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: a forked process must not inherit threads

from injection import log_changes
from injection.damage import damage, generator, kind_of
from injection.hostile import hostile_files
from injection.judge import BAD, Verdict, judge
from injection.lab import COMMANDS, FILES, Lab, Seen, make_lab
from injection.stops import STOPS, TASKS, stop_cases
from sklearn.datasets import load_digits

FAULTS = ("bytes", "log", "hostile", "stop")
"""Kinds of fault: mutated bytes, targeted changes of the log, hostile files, kills and full disks."""

PRELOADED = (
    "app.cli.main", "probes.csr.run", "probes.export.export", "probes.report.report", "probes.report.score_sheet",
    "probes.routing.run", "probes.scores.table", "pyarrow.pandas_compat", "torch._dynamo",
)  # fmt: skip
"""Modules that are imported before processes are forked; torch's optimisers import the last one."""

SHORT = {
    "cases": (2, 6),  # swapped, a bit flipped
    "faults": ("bytes",),
    "commands": ("report", "resume"),
    "files": ("log.h5", "manifest.npz", "config.json", "metrics.csv", "checkpoints/last.pt"),
}
"""Options of ``--short``; without results of probes and runs with gates of channels, which take seconds to make."""


@dataclass(frozen=True)
class Case:
    """One fault, one command, and what came of it."""

    fault: str
    file: str
    """Name of the file, or of what stopped the command."""
    command: str
    number: int
    words: str
    """What was done."""
    verdict: Verdict


def references(lab: Lab, commands: Iterable[str]) -> dict[str, Seen]:
    """Command to what it does without damage.

    Raises:
        RuntimeError: it fails, or does not do the same twice.
    """
    seen = {}
    for command in commands:
        lab.lay(command)
        seen[command] = lab.see(command)
        lab.lay(command)
        verdict = judge(lab.see(command), seen[command])
        if seen[command].ended.code != 0 or verdict.outcome != "right":
            raise RuntimeError(f"{command} without damage: {seen[command].ended}, again: {verdict}")
    return seen


def byte_cases(lab: Lab, options: argparse.Namespace, whole: dict[str, Seen]) -> Iterator[Case]:
    """Every file with mutated bytes."""
    for file in options.files:
        for number in cases_of(options, options.cases):
            kind = kind_of(Path(file), number)
            for command in whole:
                lab.lay(command)
                path = lab.one / file
                if not path.exists():  # not every run has results of probes or vectors of gates
                    continue
                words = damage(
                    path, lab.whole(command, "other") / file, kind, generator(options.seed, file, number)
                )
                yield Case("bytes", file, command, number, words, judge(lab.see(command), whole[command]))


def log_cases(lab: Lab, options: argparse.Namespace, whole: dict[str, Seen]) -> Iterator[Case]:
    """Every targeted change of the log and of the results of probes."""
    for file in options.files:
        if not file.endswith(".h5"):
            continue
        for command in whole:
            if not (lab.whole(command) / file).exists():
                continue
            known = log_changes.changes(lab.whole(command) / file)
            for number in cases_of(options, len(known)):
                lab.lay(command)
                words, change = list(known.items())[number]
                log_changes.apply(lab.one / file, change)
                yield Case("log", file, command, number, words, judge(lab.see(command), whole[command]))


def hostile_cases(lab: Lab, options: argparse.Namespace, whole: dict[str, Seen]) -> Iterator[Case]:
    """Every hostile file in the place of every file."""
    marker = lab.folder / "executed"
    for file in options.files:
        known = hostile_files(file)
        for number in cases_of(options, len(known)):
            words, replace = list(known.items())[number]
            for command in whole:
                lab.lay(command)
                if not (lab.one / file).exists():
                    continue
                replace(lab.one / file, marker)
                verdict = judge(lab.see(command), whole[command], executed=marker.exists())
                marker.unlink(missing_ok=True)
                yield Case("hostile", file, command, number, words, verdict)


def stopped_cases(lab: Lab, options: argparse.Namespace, _whole: dict[str, Seen]) -> Iterator[Case]:
    """Commands that are stopped at a call, and then run again."""
    for stop in STOPS:
        numbers = cases_of(options, options.cases)
        for command, number, words, verdict in stop_cases(lab, stop, options.tasks, numbers, options.seed):
            yield Case("stop", stop, command, number, words, verdict)


CASES = {"bytes": byte_cases, "log": log_cases, "hostile": hostile_cases, "stop": stopped_cases}


def cases_of(options: argparse.Namespace, count: int | Sequence[int]) -> Sequence[int]:
    """Numbers of the cases to make: all, or the one that was asked for."""
    if options.case is not None:
        return [options.case]
    return range(count) if isinstance(count, int) else count


def table(cases: Sequence[Case]) -> str:
    """Markdown: a row a file, a column a command, in a cell the counts of the outcomes."""
    commands = list(dict.fromkeys(case.command for case in cases))
    lines = ["| | " + " | ".join(commands) + " |", "|---" * (len(commands) + 1) + "|"]
    for file in dict.fromkeys(case.file for case in cases):
        cells = [cell([c for c in cases if (c.file, c.command) == (file, command)]) for command in commands]
        lines.append(f"| {file} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(cases: Sequence[Case]) -> str:
    """Counts of the outcomes: ``right + named``, and what must not be with its name."""
    if not cases:
        return ""
    count = Counter(case.verdict.outcome for case in cases)
    bad = [f"**{count[outcome]} {outcome}**" for outcome in BAD if count[outcome]]
    return ", ".join([f"{count['right']} + {count['named']}", *bad])


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=300, help="mutations of a file, stops of a command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", nargs="+", default=FILES, choices=FILES)
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--faults", nargs="+", default=FAULTS, choices=FAULTS)
    parser.add_argument(
        "--tasks", nargs="+", default=list(TASKS), choices=list(TASKS), help="that are stopped"
    )
    parser.add_argument("--seconds", type=float, default=20, help="limit of a command's processor time")
    parser.add_argument("--verdicts", type=Path, help="write a line for every case to this file")
    parser.add_argument("--case", type=int, help="only the case of this number")
    parser.add_argument("--keep", type=Path, help="keep the lab in this folder")
    parser.add_argument("--short", action="store_true", help="what a test can afford")
    return parser.parse_args()


def main() -> None:
    """Make the cases and print the tables."""
    options = arguments()
    work = options.keep or Path(tempfile.mkdtemp(prefix="faults."))
    work.mkdir(parents=True, exist_ok=True)
    try:
        if options.short:
            vars(options).update(SHORT)
        preload()
        lab = make_lab(work.resolve(), options.seconds, short=options.short)
        whole = references(lab, options.commands) if set(options.faults) - {"stop"} else {}
        bad, made = list[Case](), 0
        for fault in options.faults:
            cases = []
            for case in CASES[fault](lab, options, whole):
                cases.append(case)
                report(case, options.verdicts)
            if cases:
                print(f"\n{fault}, {len(cases)} cases, seed {options.seed}\n\n{table(cases)}", flush=True)
            bad += [case for case in cases if case.verdict.outcome in BAD]
            made += len(cases)
        for case in bad:
            print(line_of(case))
        count = Counter(case.verdict.outcome for case in bad)
        print(
            f"\n{made} cases: {count['silent']} silent, {count['traceback']} tracebacks, {count['hang']} hangs"
        )
    finally:
        if not options.keep:
            shutil.rmtree(work)
    sys.exit(1 if bad else 0)


def preload() -> None:
    """Import what the commands import, so that children need not.

    Raises:
        RuntimeError: a thread runs, which a forked process would lack.
    """
    for name in PRELOADED:
        importlib.import_module(name)
    load_digits()
    tasks = Path("/proc/self/task")
    names = {path.joinpath("comm").read_text().strip() for path in tasks.iterdir()} - {"jemalloc_bg_thd"}
    if len(names) > 1:  # jemalloc's own thread, pyarrow's, is prepared for forks
        raise RuntimeError(f"threads run: {names}")


def line_of(case: Case) -> str:
    """A case in one line, with the options that repeat it."""
    where = f"--faults {case.fault} --files {case.file} --commands '{case.command}' --case {case.number}"
    if case.fault == "stop":
        where = f"--faults stop --tasks '{case.command}' --case {case.number} ({case.file})"
    reason = " ".join(case.verdict.reason.split())
    return f"{case.verdict.outcome}: {where}: {case.words}: {reason}"


def report(case: Case, path: Path | None) -> None:
    """Add a case to the file of all cases."""
    if path is not None:
        with path.open("a") as stream:
            stream.write(line_of(case) + "\n")


if __name__ == "__main__":
    main()
