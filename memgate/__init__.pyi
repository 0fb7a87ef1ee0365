from .config.run import DataConfig as DataConfig
from .config.run import GateConfig as GateConfig
from .config.run import LogConfig as LogConfig
from .config.run import ModelConfig as ModelConfig
from .config.run import RunConfig as RunConfig
from .config.run import SparsityConfig as SparsityConfig
from .config.run import TrainConfig as TrainConfig
from .config.subset import SubsetConfig as SubsetConfig
from .errors import MemgateError as MemgateError
from .groups.own_training import subsets as subsets
from .models import MODELS as MODELS
from .models import build_model as build_model
from .recipes import recipe as recipe
from .recorder.recorder import Recorder as Recorder
from .runs.run import Run as Run
from .runs.run import list_runs as list_runs
from .runs.run import open_run as open_run
from .shaping.loss import batch_shaping_loss as batch_shaping_loss
from .shaping.priors import Beta as Beta
from .shaping.priors import Normal as Normal
from .shaping.priors import Prior as Prior
from .shaping.priors import Uniform as Uniform
from .training.ending import Stopped as Stopped
from .training.evaluate import load_model as load_model
from .training.loop import resume as resume
from .training.loop import train as train

__version__: str
