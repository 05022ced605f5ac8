"""What the experiments on compression claim, with one network and fewer steps."""

import pytest

from experiments import compress, quantize


def test_a_network_is_25_times_smaller_and_knows_nearly_as_much(tmp_path, capsys):
    cfg = compress.Config(epochs=6, retrain=6, share=2, beside=False, run=str(tmp_path))
    numbers = compress.main(cfg)
    of = lambda what: numbers[f"lenet_300_100/{what}/0"]
    assert of("ratio") >= 25
    first, last = of("accuracy/float32"), of("accuracy/packed")
    assert first > 0.8 and last > first - 0.03, (first, last)
    assert last == pytest.approx(of("accuracy/shared"))  # the file is exact
    size = (tmp_path / "lenet_300_100-0.zoo").stat().st_size
    assert of("bytes/packed") == size and f"{size:,}" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 1


def test_few_bits_lose_little_if_they_learn(tmp_path):
    cfg = quantize.Config(bits=(3,), epochs=6, tune=1, ones=False, run=str(tmp_path))
    found = quantize.main(cfg)
    of = lambda name: found[f"lenet_300_100/{name}"]
    assert all(of(f"int8/{m}") > of("float") - 0.02 for m in quantize.calibrate.METHODS)
    assert min(of("aware/3"), of("shared/3")) > of("float") - 0.04
    assert 0.5 < of("powers of two/3") < of("aware/3")
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1 and page.count("<table") == 2


@pytest.mark.parametrize(
    "module, flags, message",
    [
        (compress, {"sparsity": 1.0}, r"final must be a number in \[0, 1\), got 1.0"),
        (compress, {"models": ("lenet5",)}, "unknown model 'lenet5'"),
        (compress, {"data": "digits"}, "unknown data set 'digits'"),
        (compress, {"bits": 0}, "bits must be an integer from 1"),
        (quantize, {"bits": (1, 2)}, "bits must be from 2 to 8, in order"),
        (quantize, {"tune": 0}, "tune must be positive"),
    ],
)
def test_flags(module, flags, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        module.main(module.Config(**flags, run=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()
