"""The loop, its parallel forms, run folders, checkpoints, sweeps and reports."""

from zoo.training.checkpoint import CheckpointError as CheckpointError
from zoo.training.cli import Machine as Machine
from zoo.training.guard import NonFinite as NonFinite
from zoo.training.guard import inspect as inspect
from zoo.training.loop import EarlyStop as EarlyStop
from zoo.training.loop import Options as Options
from zoo.training.loop import Result as Result
from zoo.training.loop import Stage as Stage
from zoo.training.loop import fit as fit
from zoo.training.loop import fit_stages as fit_stages
from zoo.training.parallel import Engine as Engine
from zoo.training.parallel import engine as engine
from zoo.training.run import Run as Run
from zoo.training.run import RunError as RunError
from zoo.training.sweep import SweepResult as SweepResult
from zoo.training.sweep import sweep as sweep
from zoo.training.sweep import sweeper as sweeper
from zoo.training.tuned import Judge as Judge
from zoo.training.tuned import Tuned as Tuned
from zoo.training.tuned import judge as judge
from zoo.training.tuned import tuned as tuned
