"""Analyses of a run and of any network: scores, critical samples, routing, difficulty, out-of-distribution detection.

The public names are those of ``__init__.pyi``; each is imported when it is first used, so that ``import probes``
loads neither torch nor pandas.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
