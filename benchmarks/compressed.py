"""How much smaller LeNet gets without a loss, and with how few bits it still knows.

    python -m benchmarks.acceptance compressed              all; some forty minutes
    python -m benchmarks.acceptance compressed:mnist_5k.lenet_300_100

On the whole of Fashion-MNIST (`python -m zoo data fetch fashion_mnist`), and on 5,000
digits of MNIST of which every fifth is for testing (where they come from is told in
boltzmann.py), by `experiments.compress` and `experiments.quantize`. One run each, of
seed 0. Paper: 39 and 40 times on the whole of MNIST.
"""

import tempfile
from pathlib import Path

import zoo
from benchmarks.boltzmann import file
from benchmarks.results import Figure
from experiments import compress, quantize
from experiments._compress import MODELS

DATA = ("fashion_mnist", "mnist_5k")
PARTS = {
    **{f"{data}.{model}": (data, model) for data in DATA for model in MODELS},
    **{f"quantize.{model}": ("quantize", model) for model in MODELS},
}
LONG = {"epochs": 12, "retrain": 8, "share": 2}  # of the whole of Fashion-MNIST
PAPER = {"lenet_300_100": 40.0, "lenet_caffe": 39.0}
NAMES = tuple(
    f"compressed.{part}.{what}"
    for part, (kind, _) in PARTS.items()
    for what in (("inq", "int8", "xnor") if kind == "quantize" else ("ratio", "lost"))
)


def measure(*names: str) -> list[Figure]:
    """The figures of the parts that are named, or of all."""
    figures = []
    for name in names or PARTS:
        kind, model = PARTS[name]
        with tempfile.TemporaryDirectory() as folder:
            part = _quantized if kind == "quantize" else _compressed
            figures += part(f"compressed.{name}", kind, model, Path(folder))
    return figures


def _compressed(name, data, model, folder) -> list[Figure]:
    what = f"{model} on {data}, after Deep Compression"
    more = LONG
    place = None
    if data == "mnist_5k":
        more, path = {}, file(folder)
        place = path and str(path)
    numbers, said = {}, "not measured: the data was not found"
    if data == "mnist_5k" and place is None:
        found = None
    else:
        try:
            found = compress.main(
                compress.Config(
                    models=(model,),
                    data=data.removesuffix("_5k"),
                    data_dir=place,
                    beside=False,
                    run=str(folder),
                    **more,
                )
            )
        except zoo.data.DataError:
            found = None
    if found is not None:
        numbers = {key.removeprefix(f"{model}/"): v for key, v in found.items()}
        first, last = (numbers[f"accuracy/{s}/0"] for s in ("float32", "packed"))
        size = numbers["bytes/packed/0"]
        said = f"{what}: {size:,} bytes; accuracy {first:.4f}, then {last:.4f}"
        numbers["lost"] = 100 * (first - last)
    return [
        Figure(
            name=f"{name}.ratio",
            what=f"float32 bytes over those of the file; {said}",
            value=numbers.get("ratio/0"),
            reference="the paper, the whole of MNIST",
            reference_value=PAPER[model],
            claim="value >= 25",
            seed=0,
        ),
        Figure(
            name=f"{name}.lost",
            what=f"points of accuracy lost; {said}",
            value=numbers.get("lost"),
            unit="points",
            claim="value <= 0.5",
            seed=0,
        ),
    ]


def _quantized(name, kind, model, folder) -> list[Figure]:
    del kind
    cfg = quantize.Config(
        models=(model,),
        data="fashion_mnist",
        bits=(5,),
        epochs=LONG["epochs"],
        tune=1,
        run=str(folder),
    )
    try:
        found = quantize.main(cfg)
    except zoo.data.DataError:
        found = None
    parts = (
        ("inq", "powers of two/5", "weights powers of two of 5 bits", "value <= 0.5"),
        ("int8", "int8/entropy", "weights and inputs int8", "value <= 0.5"),
        ("xnor", "xnor", "one bit between first and last layer, XNOR", ""),
    )
    figures = []
    for what, key, text, claim in parts:
        lost, said = None, "not measured: Fashion-MNIST was not found"
        if found is not None:
            first, last = (found[f"{model}/{k}"] for k in ("float", key))
            lost, said = 100 * (first - last), f"accuracy {first:.4f}, then {last:.4f}"
        figures.append(
            Figure(
                name=f"{name}.{what}",
                what=f"points lost by {model} on Fashion-MNIST, {text}; {said}",
                value=lost,
                unit="points",
                claim=claim,
                seed=0,
            )
        )
    return figures
