from .apply import corrupt as corrupt
from .errors import NoiseError as NoiseError
from .kinds import KINDS as KINDS
from .manifest.manifest import Manifest as Manifest
from .restoration import restore as restore
from .spec import CorruptionSpec as CorruptionSpec
from .spec import parse_spec as parse_spec
