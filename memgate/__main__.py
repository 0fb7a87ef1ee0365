"""The command ``memgate``, also as ``python -m memgate``: the only module below ``app`` that imports from it."""

import importlib.util
import sys
from pathlib import Path

from memgate import console
from memgate.errors import MemgateError


def check_siblings() -> None:
    """Make sure that noise, probes and app are the folders beside memgate, not somebody else's packages.

    Raises:
        MemgateError: another package of that name is found first (PyPI has a ``noise``).
    """
    here = Path(__file__).resolve().parents[1]
    for name in ("noise", "probes", "app"):
        found = importlib.util.find_spec(name)
        origin = Path(found.origin).resolve().parent if found and found.origin else None
        if origin != here / name:
            raise MemgateError(
                f"Another package called {name!r} ({origin or 'without files'}) hides memgate's own: "
                f"uninstall it, or use a fresh environment."
            )


def main() -> None:
    """Run the command that the process's arguments name.

    Raises:
        SystemExit: with code 2 where another package hides one of ours, and as :func:`app.cli.main.run` does.
    """
    try:
        check_siblings()
    except MemgateError as error:
        console.warn(str(error))
        raise SystemExit(2) from None
    from app.cli.main import run  # only now is it certain to be ours

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
