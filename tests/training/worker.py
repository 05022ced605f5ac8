"""A run in a process of its own, for the tests that kill it or join several.

    python -m tests.training.worker FOLDER STEPS PARALLEL DEVICES [COORDINATOR N I]

With a coordinator it joins the others; the first process writes the parameters into
the folder. `start`, `finish` and `result` are the other side, and `killed` and `joined`
what is done with it; benchmarks use them too.
"""

import json
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

from zoo.training import Machine, checkpoint

ROOT = Path(__file__).parents[2]


def start(*words):
    """A worker, started with these arguments."""
    command = [sys.executable, "-m", "tests.training.worker", *map(str, words)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process, seconds=240):
    """Waits for a worker to end well; what it printed."""
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, output
    return output


def result(folder):
    """Parameters and statistics at the end, by name."""
    with np.load(Path(folder, "result.npz")) as file:
        return dict(file)


def killed(folder, steps, times):
    """Starts a run and kills it, so many times, each after it has got on.

    Returns:
        The newest checkpoint's step after each kill.
    """
    rng, reached = random.Random(0), []
    for _ in range(times):
        process = start(folder, steps, "single", 1)
        began = newest = checkpoint.steps(folder / "checkpoints")[-1:]
        while newest == began and process.poll() is None:  # it is past its start
            time.sleep(0.01)
            newest = checkpoint.steps(folder / "checkpoints")[-1:]
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        reached += checkpoint.steps(folder / "checkpoints")[-1:]
    return reached


def joined(folder, steps, form):
    """Two processes of two devices each, joined over loopback, until they end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    pair = [start(folder, steps, form, 2, address, 2, i) for i in (0, 1)]
    try:
        for process in pair:
            finish(process)
    finally:
        for process in pair:
            process.kill()


def main(folder, steps, parallel, devices, coordinator=None, processes=1, process=0):
    Machine(
        cpu_devices=int(devices),
        distributed=coordinator is not None,
        coordinator=coordinator,
        processes=int(processes) if coordinator else None,
        process_id=int(process) if coordinator else None,
    ).start()
    import optim
    import zoo
    from tests.models import ConvNet, cross_entropy, images

    data = images(64)
    data["weight"] = (np.arange(64) % 3 + 1).astype(np.float32)
    stream = zoo.data.batches(data, 16, seed=5)

    def build(axis_name=None):
        return zoo.supervised(
            ConvNet(axis_name=axis_name, rate=0.3),
            cross_entropy,
            optim.sgd(0.05),
            axis_name=axis_name,
        )

    result = zoo.training.fit(
        build,
        stream,
        int(steps),
        evaluation=zoo.data.once(data, 32),
        eval_every=10,
        checkpoint_every=5,
        log_every=5,
        parallel=parallel,
        run=folder,
        progress=False,
    )
    if jax.process_index() == 0:
        leaves = jax.tree_util.tree_flatten_with_path(
            (result.state.params, result.state.model_state)
        )[0]
        np.savez(
            Path(folder, "result.npz"),
            **{jax.tree_util.keystr(path): x for path, x in leaves},
        )
        Path(folder, "result.json").write_text(json.dumps(result.metrics))
    else:
        assert not Path(folder).exists() or int(processes) > 1


if __name__ == "__main__":
    main(*sys.argv[1:])
