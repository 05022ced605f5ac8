"""What the experiment on batch sizes claims, with fewer of them."""

import numpy as np
import pytest

from experiments.batch_size import Config, main


def test_larger_batches_want_larger_rates(tmp_path, capsys):
    small = dict(model="linear_softmax", sizes=(8, 32, 128), epochs=3)
    rates = (1 / 1024, 1 / 256, 1 / 64, 1 / 16, 1 / 4)
    numbers = main(Config(**small, rates=rates, run=str(tmp_path)))
    of = lambda name: np.array([numbers[f"{name}/{seed}"] for seed in range(5)])
    assert sum(of("scaled") < of("unscaled") / 4) >= 4, (of("scaled"), of("unscaled"))
    assert sum(of("128/best") > of("8/best")) >= 4, (of("128/best"), of("8/best"))
    small, large = (
        np.min([of(f"{size}/{rate:g}") for rate in rates], 0) for size in (8, 128)
    )
    assert sum(small < large) >= 4, (small, large)
    assert "rate 0.25" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_flags(tmp_path):
    for fields in ({"rates": (0.1, 0.2)}, {"sizes": (8, 16)}, {"sizes": (8,)}):
        (name,) = fields
        with pytest.raises(ValueError, match=f"{name} must be two or more, each four"):
            main(Config(**fields, run=str(tmp_path)))
    with pytest.raises(ValueError, match="sizes must be at most 2000"):
        main(Config(sizes=(1024, 4096), run=str(tmp_path)))
    assert not list(tmp_path.iterdir())
