"""The errors of optical flow that its experiment claims, on a smaller image."""

import pytest

from experiments.optical_flow import Config, main


def test_a_pyramid_finds_what_one_level_misses(tmp_path, capsys):
    numbers = main(Config(size=64, levels=3, run=str(tmp_path)))
    of = lambda motion, method: numbers[f"{motion}/{method}/endpoint"]
    for motion in ("translation", "rotation", "zoom"):
        for method, most, times in (
            ("Horn-Schunck", 0.05, 4),
            ("Lucas-Kanade", 0.15, 1.4),
        ):
            assert of(motion, f"{method}, pyramid") < most
            assert of(motion, method) > times * of(motion, f"{method}, pyramid")
    for method in ("Horn-Schunck", "Lucas-Kanade"):
        assert of("half a pixel", method) < 0.05
        assert numbers[f"half a pixel/{method}/angular"] < 2
    assert f"{of('zoom', 'Lucas-Kanade, pyramid'):.3f}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 4 and page.count("<table") == 1


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"size": 31}, "size must be from 32 to 128, got 31"),
        ({"size": 129}, "size must be from 32 to 128, got 129"),
        ({"window": 4}, "window must be odd"),
        ({"alpha": 0.0}, "alpha, levels and warps must be positive, got 0.0, 4 and 3"),
        ({"levels": 0}, "alpha, levels and warps must be positive, got 0.05, 0 and 3"),
    ],
)
def test_flags(flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        main(Config(**flags, run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
