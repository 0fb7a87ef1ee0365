"""The flags that say where the runs of a sweep are trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from memgate.config.run import RunConfig
from memgate.errors import require


@dataclass(frozen=True)
class Engine:
    """Where the runs of a sweep are trained: in this process, or on Ray."""

    engine: Literal["local", "ray"] = "local"
    """local: one run after another in this process; ray: as tasks of Ray (needs: pip install -e '.[ray]')."""
    ray_address: str | None = None
    """Ray cluster to run on: auto, or HOST:PORT. None: a new one on this machine."""
    gpus_per_run: float | None = None
    """With Ray: GPUs per run, such as 1 or 0.25. None: 1 if there are any."""
    cpus_per_run: int | None = None
    """With Ray: CPU cores per run. None: 1."""

    def check(self) -> None:
        """Raise MemgateError where a flag about Ray is given without it."""
        for flag, value in (
            ("ray-address", self.ray_address),
            ("gpus-per-run", self.gpus_per_run),
            ("cpus-per-run", self.cpus_per_run),
        ):
            require(
                value is None or self.engine == "ray", f"--{flag} {value} is about Ray: add --engine ray."
            )

    def carried_out(self, configs: Sequence[RunConfig]) -> Mapping[str, str]:
        """Name of each failed run to the reason, after all were trained as far as possible."""
        if self.engine == "ray":
            from memgate.sweeps.on_ray import Workers, run_on_ray

            return run_on_ray(configs, Workers(self.ray_address, self.gpus_per_run, self.cpus_per_run or 1))
        from memgate.sweeps.local import run_here

        return run_here(configs)
