"""memgate: train gated networks on corrupted images and see which samples go through the memorisation block."""

__version__ = "0.1.0"
