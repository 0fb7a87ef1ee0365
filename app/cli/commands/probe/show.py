"""The command that prints stored results of probes: probe show."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from memgate import console
from memgate.errors import MemgateError, reading
from memgate.log.reader import SampleLog
from memgate.runs.run import Run, command, is_run, open_run
from memgate.sweeps import grid

if TYPE_CHECKING:
    from probes.result import ProbeResult

ToTables = Callable[[Run, SampleLog, Sequence["ProbeResult"]], Iterable[str]]
"""From a run, its log and the results of a probe to the text of their tables."""


@dataclass(frozen=True)
class ProbeShow:
    """Print the stored results of a run's probes, or of a group of runs, without computing anything."""

    name: Positional[str]
    """The run's folder, or its name under runs/; of a group its name or its file NAME.sweep.json."""

    def run(self) -> None:
        """Print the table of each stored result, probe by probe; exit code 2 where a probe's file is damaged."""
        if is_group(self.name):
            _show_group(self.name)
            return
        run = open_run(self.name)
        log = run.sample_log()
        shown, damaged = [], False
        for probe, (to_tables, units) in _tables().items():
            try:
                shown.append(_show(run, log, probe, to_tables, units))
            except MemgateError as error:
                damaged = True
                console.warn(str(error))
        if damaged:
            raise SystemExit(2)
        if not any(shown):
            raise MemgateError(f"{run.name} has no probe results yet: {command('probe csr', run.path)}.")


def is_group(name: str) -> bool:
    """Whether a name is that of a sweep under runs/, or of its file, and of no run."""
    runs, path = Path("runs"), Path(name)
    is_file = path.name.endswith(".sweep.json") or grid.sweep_path(runs, name).is_file()
    return is_file and not is_run(path) and not is_run(runs / name)


def _show_group(name: str) -> None:
    """Print the stored estimates of memorisation of a group."""
    from probes.memorisation.stored import memorisation_result
    from probes.memorisation.table import to_terminal, units

    result = memorisation_result(name)
    console.line(f"{to_terminal(result)}\n\n{units(result)}")


def _tables() -> dict[str, tuple[ToTables, str]]:
    """Probe to the function that makes tables of its results, and the explanation of the tables."""
    from app.cli.commands.probe.embed import stored_maps
    from app.cli.commands.probe.gates import with_scores
    from probes.csr import config as csr_config
    from probes.csr import table as csr_table
    from probes.difficulty import config as difficulty_config
    from probes.difficulty import table as difficulty_table
    from probes.embedding import config as embedding_config
    from probes.embedding import stored as embedding_stored
    from probes.gates import config as gates_config
    from probes.gates import table as gates_table
    from probes.ood import config as ood_config
    from probes.ood import table as ood_table
    from probes.routing import control, routes
    from probes.routing import table as routing_table

    return {
        csr_config.PROBE: (_each(csr_table.to_terminal), csr_table.UNITS),
        routes.PROBE: (control.stored, routing_table.UNITS),
        gates_config.PROBE: (_each(with_scores), gates_table.UNITS),
        difficulty_config.PROBE: (_each(difficulty_table.to_terminal), difficulty_table.UNITS),
        ood_config.PROBE: (ood_table.to_terminal, ood_table.UNITS),
        embedding_config.PROBE: (_each(stored_maps), embedding_stored.UNITS),
    }


def _each(to_terminal: Callable[[Run, SampleLog, "ProbeResult"], str]) -> ToTables:
    """The tables of a probe with one table per result."""
    return lambda run, log, results: (to_terminal(run, log, result) for result in results)


def _show(run: Run, log: SampleLog, probe: str, to_tables: ToTables, units: str) -> bool:
    """Print the stored results of a probe; whether there are any."""
    from probes.result import load_results, probe_path

    results = load_results(run, probe)
    with reading(probe_path(run, probe), "holds results that cannot be shown ({}): probe again."):
        tables = list(to_tables(run, log, results))
    for table in tables:
        console.line(table + "\n")
    if results:
        console.line(units)
    return bool(results)
