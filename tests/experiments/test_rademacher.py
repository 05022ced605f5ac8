"""The claim of the Rademacher experiment, with fewer images and draws."""

import pytest

from experiments.rademacher import SEEDS, Config, main

SIZES = (32, 256)


def test_it_falls_as_the_root_below_its_bound(tmp_path):
    cfg = Config(sizes=SIZES, draws=300, net_draws=4, ascent=20, run=str(tmp_path))
    numbers = main(cfg)
    for name in ("norm 2", "norm 1"):
        slopes = [numbers[f"{name}/slope/{seed}"] for seed in SEEDS]
        print(name, slopes)
        assert sum(-0.55 < slope < -0.45 for slope in slopes) >= 4
        for n in SIZES:
            for seed in SEEDS:
                bound = numbers[f"{name}/{n}/bound/{seed}"]
                # The estimate itself may exceed it by its error, 1.5 % here.
                assert 0.4 * bound < numbers[f"{name}/{n}/{seed}"] < 1.03 * bound
    nets = [numbers[f"net/{n}"] for n in SIZES]
    assert nets[0] > nets[1] > 0
    assert abs(numbers["drawn"] - numbers["exact"]) < 3 * numbers["error"]
    assert (tmp_path / "report.html").read_text().count("<figure") == 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"sizes": (16,)}, "sizes must be two or more from 1 to 1437"),
        ({"sizes": (16, 2000)}, "sizes must be two or more from 1 to 1437"),
        ({"draws": 1}, "draws must be at least 2, got 1 and 20"),
        ({"radius": 0.0}, "radius, width and ascent must be positive, got 0.0, 8 and"),
    ],
)
def test_refuses(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        main(Config(run=str(tmp_path / "run"), **options))
    assert not (tmp_path / "run").exists()
