"""The experiment on the scale of scores keeps its promise, at a reduced size."""

import jax
import numpy as np
import pytest

from experiments.attention_scale import SEEDS, Config, _values, main


def test_scaled_scores_keep_the_gradient(tmp_path, capsys):
    """For each seed: variances d and 1; the gradient falls with d, or stays."""
    cfg = Config(widths=(4, 64, 256), queries=128, keys=16, run=str(tmp_path))
    numbers = main(cfg)
    kept = 0
    for s in SEEDS:
        of = lambda form, what, s=s: np.array(
            [numbers[f"{s}/{form}/{d}/{what}"] for d in cfg.widths]
        )
        plain, scaled = of("plain", "gradient"), of("scaled", "gradient")
        print(s, plain, scaled)
        # Of 2,048 scores that share 128 queries: within a fifth.
        variances = of("plain", "variance") / cfg.widths, of("scaled", "variance")
        right = all(np.allclose(v, 1, atol=0.2) for v in variances)
        falls = plain[0] > 2 * plain[1] and plain[1] > 1.3 * plain[2]
        kept += right and falls and np.ptp(scaled) < 0.05 and scaled[2] > 4 * plain[2]
    assert kept >= 4
    assert "The variance of the scores" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<table") == 2


def test_the_trace_is_that_of_the_jacobian():
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(3, 1, 1, 4)), rng.normal(size=(3, 5, 1, 4))
    q, k = q.astype(np.float32), k.astype(np.float32)
    scores = 0.7 * np.einsum("qod,qsd->qs", q[:, 0], k[:, :, 0])
    jacobian = np.stack([jax.jacobian(jax.nn.softmax)(row) for row in scores])
    trace = np.trace(jacobian, axis1=1, axis2=2).mean()
    np.testing.assert_allclose(_values(q, k, 0.7), [scores.var(), trace], rtol=1e-5)


@pytest.mark.parametrize("flags", [{"widths": (0,)}, {"queries": 0}, {"keys": 1}])
def test_flags(flags):
    with pytest.raises(ValueError, match="widths and queries must be positive"):
        main(Config(**flags))
