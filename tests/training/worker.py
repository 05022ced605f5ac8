"""A run in a process of its own, for the tests that kill it or join several.

    python -m tests.training.worker FOLDER STEPS PARALLEL DEVICES [COORDINATOR N I]

With a coordinator it joins the others; the first process prints the parameters' file.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np

from zoo.training import Machine


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
