"""The command that estimates memorisation from a group of models: probe memorisation."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional

from memgate import console
from memgate.config.run import Device
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
    control: str | None = None
    """An ungated group on the same subsets, by name or file: then the routes of every model of both groups are probed
    too, as by 'memgate probe routing', and compared: does B3 hold what is memorised? Stopped, it goes on."""
    device: Device = "auto"
    """With --control: device to compute on."""
    memorisation: Annotated[MemorisationConfig, OmitArgPrefixes] = field(default_factory=MemorisationConfig)
    """What is estimated."""

    def run(self) -> None:
        """Estimate, store the result, and print its tables."""
        from probes.memorisation.run import probe_group
        from probes.memorisation.table import to_terminal, units
        from probes.report.verdict_sources import open_pair, probe_pair, verdict

        out = self.out.expanduser()
        pair = None if self.control is None else open_pair(self.name, self.control, out, self.fraction)
        result, path = probe_group(self.name, out, self.memorisation, self.fraction)
        shown = command("probe show", path.with_name(f"{result.group}.sweep.json"))
        console.line(f"{to_terminal(result)}\n\n{units(result)}\nStored in {path}; print again: {shown}")
        if pair is not None:
            try:
                probe_pair(pair, self.device)
            except KeyboardInterrupt:
                console.warn("Stopped: the routes of the models before are kept; the same command goes on.")
                raise SystemExit(130) from None
            console.line(f"\n{verdict(pair).text()}")
            gated, ungated = (
                str(source.runs[0].path.parent / source.name) for source in (pair.gated, pair.ungated)
            )
            again = (
                f"memgate report {shlex.quote(gated)} --against memorisation --control {shlex.quote(ungated)}"
            )
            console.line(f"\nRoutes are stored in the models' folders; print again: {again}")
