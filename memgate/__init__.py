"""memgate: train gated networks on corrupted images and see which samples go through the memorisation block.

The public names are listed in ``__init__.pyi``, for this module and for type checkers. Each is imported when it is
first used, so that ``import memgate`` and ``memgate --help`` load neither torch nor pandas.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
