"""Who keeps a signal and its gradient, at a reduced size."""

import numpy as np
import pytest

from experiments.initialization import PAIRS, Config, main

DEPTH, SEEDS = 20, 3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    cfg = Config(depth=DEPTH, width=128, examples=32, seeds=SEEDS, run=str(folder))
    return folder, main(cfg)


@pytest.fixture
def ratio(run):
    def of(name, key):
        return np.array([run[1][f"{name}/{i}/{key}"] for i in range(SEEDS)])

    return of


def assert_within(values, low, high):
    assert ((low < values) & (values < high)).all(), values


@pytest.mark.parametrize("name", ["he_normal/relu", "he_uniform/relu"])
def test_he_keeps_both_with_relu(ratio, name):
    """Within a factor of five: the log varies by 5 / 128 a layer, by theory."""
    assert_within(ratio(name, "forward"), 1 / 5, 5)
    assert_within(ratio(name, "backward"), 1 / 5, 5)


def test_xavier_loses_half_a_layer_with_relu(ratio):
    assert_within(ratio("xavier_normal/relu", "forward") * 2 ** (DEPTH - 1), 1 / 5, 5)
    assert_within(ratio("xavier_normal/relu", "backward") * 2 ** (DEPTH - 1), 1 / 5, 5)


def test_xavier_keeps_both_in_a_linear_net_and_with_tanh_near_0(ratio):
    for key in ("forward", "backward"):
        assert_within(ratio("xavier_normal/linear", key), 1 / 4, 4)
        assert_within(ratio("xavier_normal/tanh", key), 1 / 4, 2)
    # Orthogonal weights have no chance in it: q / (1 + 2 l q) at q = 0.01.
    forward = ratio("orthogonal/tanh", "forward")
    np.testing.assert_allclose(forward, 1 / (1 + 0.02 * (DEPTH - 1)), rtol=0.1)


def test_orthogonal_is_exact_in_a_linear_net(ratio):
    for key in ("forward", "backward", "spread"):
        np.testing.assert_allclose(ratio("orthogonal/linear", key), 1, rtol=1e-5)


def test_gaussian_vanishes(ratio):
    """128 times 1e-4 a layer, and half of that with ReLU."""
    for name, factor in (("tanh", 0.0128), ("relu", 0.0064)):
        forward = ratio(f"gaussian/{name}", "forward")
        assert_within(forward ** (1 / (DEPTH - 1)), 0.7 * factor, 1.2 * factor)
        assert_within(ratio(f"gaussian/{name}", "backward"), 0, 1e-30)


def test_selu_comes_to_its_fixed_point(ratio):
    """The examples' second moments come together; the gradient grows, 1.07 a layer."""
    assert_within(ratio("lecun_normal/selu", "spread"), 0, 0.7)
    growth = ratio("lecun_normal/selu", "backward") ** (1 / (DEPTH - 1))
    assert_within(growth, 1.02, 1.13)


def test_sigmoid_forgets_the_examples(ratio):
    assert_within(ratio("lecun_normal/sigmoid", "spread"), 0, 1e-2)
    assert_within(ratio("lecun_normal/sigmoid", "backward"), 0, 16.0 ** -(DEPTH - 2))


def test_report(run):
    folder, numbers = run
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 2 and page.count("<tr>") == len(PAIRS) + 1
    assert len(numbers) == 3 * SEEDS * len(PAIRS) and all(
        map(np.isfinite, numbers.values())
    )


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"depth": 1}, "depth must be 2 or more, got 1"),
        ({"width": 0}, "width must be 1 or more, got 0"),
        ({"examples": 1}, "examples must be 2 or more, got 1"),
        ({"seeds": 0}, "seeds must be 1 or more, got 0"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
