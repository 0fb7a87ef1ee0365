"""The command that estimates memorisation from a group of models: probe memorisation."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional

from memgate import console
from memgate.runs.run import command
from probes.memorisation.config import MemorisationConfig


@dataclass(frozen=True)
class ProbeMemorisation:
    """Estimate from models of random subsets which samples are memorised, and which attacks find out the members.

    Needs a group of runs that 'memgate subsets' has trained. Per sample and epoch: how much more often the given label
    is predicted by models that were trained on the sample; LiRA, RMIA and vulnerability; influence on other samples.
    The result is stored in NAME.memorisation.h5 beside NAME.sweep.json.
    """

    name: Positional[str]
    """The group's name, or its file NAME.sweep.json."""
    out: Path = Path("runs")
    """Folder that holds its runs."""
    fraction: float | None = None
    """Which fraction of a group of several; the others count for the C-score only. None: 0.5, or the nearest."""
    memorisation: Annotated[MemorisationConfig, OmitArgPrefixes] = field(default_factory=MemorisationConfig)
    """What is estimated."""

    def run(self) -> None:
        """Estimate, store the result, and print its tables."""
        from probes.memorisation.run import probe_group
        from probes.memorisation.table import to_terminal, units

        result, path = probe_group(self.name, self.out.expanduser(), self.memorisation, self.fraction)
        again = command("probe show", path.with_name(f"{result.group}.sweep.json"))
        console.line(f"{to_terminal(result)}\n\n{units(result)}\nStored in {path}; print again: {again}")
