"""The command line of an experiment: a frozen dataclass is the flags.

    if __name__ == "__main__":
        cli.run(main, Config)

Each field of the config is a flag. A `ValueError` is for the person who typed: one
line, exit status 2, no traceback. What every experiment offers, the devices and hosts
on which it runs, is `Machine`.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import jax

from zoo.training import memory


@dataclass(frozen=True)
class Machine:
    """Where to run.

    Attributes:
        parallel: single, pmap, shard_map or sharded; by default pmap on several
            devices.
        cpu_devices: run on the CPU, split into this many devices; its temporary memory
            is kept, see `zoo.training.memory`.
        distributed: join the other processes of a run over several hosts; what is
            not given below is found in the cluster's environment.
        coordinator: address and port of the first process.
        processes: how many processes.
        process_id: which of them this is, from 0.
    """

    parallel: str | None = None
    cpu_devices: int | None = None
    distributed: bool = False
    coordinator: str | None = None
    processes: int | None = None
    process_id: int | None = None

    def start(self) -> None:
        """Sets JAX up accordingly; before anything runs on a device.

        Raises:
            ValueError: a count that is not positive; flags of a run over several
                hosts without `distributed`; hosts that could not be joined.
        """
        for name in ("cpu_devices", "processes"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value}")
        if self.cpu_devices:
            try:
                jax.config.update("jax_num_cpu_devices", self.cpu_devices)
                jax.config.update("jax_platforms", "cpu")  # whatever else there is
                memory.keep()
            except RuntimeError as error:  # devices are in use already
                if len(jax.devices()) != self.cpu_devices:
                    raise ValueError(
                        f"cpu_devices={self.cpu_devices} comes too late: this process "
                        f"already uses {len(jax.devices())} device(s)"
                    ) from error
        hosts = (self.coordinator, self.processes, self.process_id)
        if not self.distributed:
            if any(value is not None for value in hosts):
                raise ValueError(
                    "coordinator, processes and process_id need --distributed"
                )
            return
        try:
            jax.distributed.initialize(*hosts)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"the other processes were not joined: {error}") from error


def run(main: Callable[[Any], dict], config: type) -> None:
    """Parses the command line, runs, and turns errors of the input into one line.

    Args:
        main: config -> numbers; the docstring of its module is the help text.
        config: the frozen dataclass of the flags.
    """
    import tyro  # late: only a command line needs it

    module = inspect.getmodule(main)
    flags = Annotated[config, tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff]
    given = tyro.cli(flags, prog=_program(module), description=module.__doc__)
    try:
        main(given)
    except (ValueError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ValueError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)


def _program(module) -> str:
    spec = module.__spec__
    return f"python -m {spec.name}" if spec else module.__name__
