"""Entry point of the command ``memgate`` and of ``python -m memgate``; the only module that imports from ``app``."""

import importlib.util
import sys
from pathlib import Path

from memgate import console
from memgate.errors import MemgateError


def check_siblings() -> None:
    """Check that noise, probes and app are the packages beside memgate, not others of the same name.

    Raises:
        MemgateError: another package of that name comes first (PyPI has a ``noise``).
    """
    here = Path(__file__).resolve().parents[1]
    for name in ("noise", "probes", "app"):
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if origin != here / name:
            raise MemgateError(
                f"Another package called {name!r} ({spec.origin if spec and origin else 'without files'}) hides "
                "memgate's own: rename or uninstall it, work in another folder, or use a fresh environment."
            )


def main() -> None:
    """Run the command in the process's arguments.

    Raises:
        SystemExit: with code 2 where another package hides one of memgate's, else as :func:`app.cli.main.run` does.
    """
    try:
        check_siblings()
    except MemgateError as error:
        console.warn(str(error))
        raise SystemExit(2) from None
    from app.cli.main import run  # only after the check

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
