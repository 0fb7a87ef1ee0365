"""Label and image noise for data sets, and the manifest that records and reproduces it.

The public names are listed in the stub ``__init__.pyi``; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
