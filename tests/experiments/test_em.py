"""The experiment on Gaussian mixtures keeps what its docstring promises, reduced."""

import numpy as np
import pytest

from experiments.em import SEEDS, Config, main


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Its numbers, and the folder."""
    folder = tmp_path_factory.mktemp("em")
    cfg = Config(forms=("full",), most=3, run=str(folder))
    return main(cfg), folder


def test_three_components(ran):
    numbers, _ = ran
    for seed in SEEDS:
        print(seed, numbers[f"{seed}/log_likelihood"], numbers[f"{seed}/ari"])
    of = lambda name: [numbers[f"{seed}/{name}"] for seed in SEEDS]
    np.testing.assert_allclose(of("log_likelihood"), -180.1855, atol=5e-5)
    np.testing.assert_allclose(of("bic"), 580.839, atol=5e-4)
    np.testing.assert_allclose(of("ari"), 0.9039, atol=5e-5)
    assert 0 <= numbers["fall"] < 1e-9


def test_bic_calls_for_two(ran):
    numbers, _ = ran
    for seed in SEEDS:
        assert numbers[f"{seed}/best/components"] == 2
        assert numbers[f"{seed}/best/form"] == 0  # full
        np.testing.assert_allclose(numbers[f"{seed}/best/bic"], 574.018, atol=5e-4)
    assert numbers["full/1/bic"] > numbers["full/3/bic"] > numbers["full/2/bic"]


def test_report(ran):
    _, folder = ran
    page = (folder / "report.html").read_text()
    assert page.count("<figure") == 3 and page.count("<table") == 3
    assert "-180.1855" in page and "574.018" in page
    for figure in ("bic", "ellipses", "log_likelihood"):
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"forms": ("ful",)}, "unknown form 'ful'; did you mean 'full'"),
        ({"forms": ()}, "forms must be given, and components, most and starts be"),
        ({"starts": 0}, "most and starts be positive, got"),
        ({"data": "irs"}, "unknown table 'irs'; did you mean 'iris'"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
