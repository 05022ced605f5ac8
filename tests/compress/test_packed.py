"""Codes and files: exact round trips, the best code, and altered files refused."""

import heapq

import jax
import numpy as np
import pytest

import optim
import zoo
from tests.models import ConvNet, images
from zoo.compress import deep, huffman, packed, pruning, sharing
from zoo.compress.distill import distillation
from zoo.compress.reparameterise import CODES, reparameterised, variables_of
from zoo.compress.sparse import from_sparse, to_sparse

COUNTS = {
    "one": [0, 9, 0],
    "two": [1, 1000],
    "even": [5] * 8,
    "fibonacci": [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144],
    "with gaps": [0, 7, 0, 0, 3, 3, 900, 1, 0],
}


def cost(counts):
    """What the best code costs: each merge of the two rarest is a bit for all below."""
    heap, total = [n for n in counts if n], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


@pytest.mark.parametrize("name", COUNTS)
def test_huffman_is_the_best_code_and_its_round_trip_exact(name):
    counts = np.array(COUNTS[name])
    lengths = huffman.code_lengths(counts)
    used = lengths[counts > 0].astype(int)
    assert (lengths[counts == 0] == 0).all() and (used > 0).all()
    if len(used) > 1:
        assert (0.5**used).sum() == 1  # Kraft
        assert (counts * lengths).sum() == cost(counts)
        mean, least = huffman.mean_length(counts), huffman.entropy(counts)
        assert least <= mean < least + 1
    rng = np.random.default_rng(0)
    symbols = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    message = huffman.encode(symbols, lengths)
    assert len(message) == -(-(counts * lengths).sum() // 8)
    np.testing.assert_array_equal(
        huffman.decode(message, lengths, len(symbols)), symbols
    )
    assert huffman.decode(b"", lengths, 0).size == 0


def test_the_canonical_words_are_those_of_the_standard():
    """RFC 1951, section 3.2.2: lengths 3 3 3 3 3 2 4 4 of A to H, and their words."""
    lengths = np.array([3, 3, 3, 3, 3, 2, 4, 4])
    words = "010 011 100 101 110 00 1110 1111".split()
    for symbol, word in enumerate(words):
        message = huffman.encode([symbol], lengths)
        assert f"{message[0]:08b}"[: len(word)] == word


def test_words_of_word2vec_cost_the_same():
    from zoo.sequence.huffman import huffman as tree

    counts = np.random.default_rng(0).zipf(1.3, 500).clip(max=10**6)
    depths = (tree(counts).turns >= 0).sum(1)
    assert (counts * depths).sum() == (counts * huffman.code_lengths(counts)).sum()


@pytest.mark.parametrize("bits", [1, 3, 5, 8])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_relative_indices_are_exact(bits, share):
    rng = np.random.default_rng(3)
    codes = np.where(rng.uniform(size=997) < share, rng.integers(1, 9, 997), 0)
    sparse = to_sparse(codes.astype(np.uint8), bits)
    assert sparse.gaps.max(initial=0) < 2**bits
    np.testing.assert_array_equal(from_sparse(sparse, 997), codes)
    fillers, before = 0, -1  # told one by one
    for at in np.flatnonzero(codes):
        fillers += (at - before - 1) // 2**bits
        before = at
    assert len(sparse.gaps) == (codes > 0).sum() + fillers


def tensors():
    rng = np.random.default_rng(4)
    some = rng.uniform(size=(30, 41)) < 0.05
    return {
        "sparse": (some * rng.integers(-7, 8, some.shape)).astype(np.int8),
        "dense": rng.geometric(0.3, (5, 6, 7)).astype(np.uint16) * 700,
        "mask": some,
        "wide": rng.integers(-(2**60), 2**60, 3000),
        "one": np.int32(3),
        "floats": rng.normal(size=(4, 5)).astype(np.float32),
        "double": np.array([np.nan, -0.0, 1e-300]),
    }


def test_a_file_gives_back_exactly_what_was_packed(tmp_path):
    given = tensors()
    size = packed.save(tmp_path / "net.zoo", given)
    assert size == (tmp_path / "net.zoo").stat().st_size
    back = packed.load(tmp_path / "net.zoo")
    assert [*back] == [*given]
    for name, tensor in given.items():
        assert back[name].dtype == tensor.dtype and back[name].shape == tensor.shape
        assert back[name].tobytes() == tensor.tobytes(), name
    assert len(packed.dumps({"sparse": given["sparse"]})) < given["sparse"].size / 4
    with pytest.raises(ValueError, match="text must be numbers"):
        packed.dumps({"text": np.array(["a"])})


def test_a_truncated_or_altered_file_is_refused(tmp_path):
    data = packed.dumps(tensors())
    for end in (0, 7, 20, len(data) // 2, len(data) - 1):
        with pytest.raises(packed.PackedError):
            packed.loads(data[:end])
    for at in range(0, len(data), 371):
        bad = bytearray(data)
        bad[at] ^= 1 << at % 8
        with pytest.raises(packed.PackedError):
            packed.loads(bytes(bad))
    (tmp_path / "net.zoo").write_bytes(data + b"\0")
    with pytest.raises(packed.PackedError, match="net.zoo: .*truncated or altered"):
        packed.load(tmp_path / "net.zoo")


def test_stages_of_deep_compression_compose_with_a_normalized_network(tmp_path):
    """Train, prune, share by `fit_stages`; the file holds the network, to the bit."""
    data, model = images(), ConvNet()
    stream = zoo.data.batches(data, 16)
    tests = zoo.data.once(data, 64)
    net = reparameterised(model, sharing.shared(3))

    def build(model, tx):
        loss, metrics = zoo.functional.cross_entropy, {"accuracy": zoo.metrics.accuracy}
        return lambda axis_name=None: zoo.supervised(
            model, loss, tx, metrics=metrics, axis_name=axis_name
        )

    Stage = zoo.training.Stage
    result = zoo.training.fit_stages(
        [
            Stage(build(model, pruning.pruned(optim.adam(0.01), 0.6, 2, 20, 3)),
                  *(stream, 30)),
            Stage(build(net, optim.adam(0.003)), stream, 10, deep.carried(net), tests),
        ],
        parallel="single", progress=False,
    )  # fmt: skip
    assert result.metrics["accuracy"] > 0.8
    variables = zoo.eval_variables(result.state)
    plain = variables_of(net, variables)
    assert pruning.sparsity_of(plain["params"]) == pytest.approx(0.6, abs=0.01)
    assert len(np.unique(plain["params"]["head"]["kernel"])) <= 8
    packed.save(tmp_path / "net.zoo", deep.tensors(variables))
    back = deep.variables(packed.load(tmp_path / "net.zoo"))
    jax.tree.map(np.testing.assert_array_equal, back, variables)
    x = data["x"][:5]
    np.testing.assert_array_equal(net.apply(back, x), model.apply(plain, x))
    assert back[CODES]["head/kernel"].dtype == np.uint8
    sizes = deep.stages(variables, 3)
    assert sizes["float32"] > sizes["pruned"] > sizes["shared"]
    assert sizes["packed"] == (tmp_path / "net.zoo").stat().st_size


@pytest.mark.reference
def test_distillation_is_pytorchs():
    import torch

    F = torch.nn.functional
    rng = np.random.default_rng(0)
    z, t = (3 * rng.normal(size=(5, 4)).astype(np.float32) for _ in range(2))
    y, weight = np.array([0, 3, 1, 2, 2], np.int32), np.float32([1, 0, 2, 1, 1])
    total, count = distillation(
        z, {"y": y, "teacher": t, "weight": weight}, temperature=3.0, share=0.7
    )
    a, b = torch.tensor(z), torch.tensor(t)
    soft = F.kl_div(F.log_softmax(a / 3, 1), F.softmax(b / 3, 1), reduction="none")
    hard = F.cross_entropy(a, torch.tensor(y).long(), reduction="none")
    expected = 0.3 * hard + 0.7 * 9 * soft.sum(1)
    assert float(total) == pytest.approx(float(expected @ torch.tensor(weight)), 1e-5)
    assert count == 5
    with pytest.raises(ValueError, match="temperature must be above 0"):
        distillation(z, {"y": y, "teacher": t}, temperature=0)
    with pytest.raises(ValueError, match="teacher must be logits"):
        distillation(z, {"y": y, "teacher": t[:, :2]})


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: huffman.code_lengths([0, 0]), "counts must be"),
        (lambda: huffman.encode([3], [1, 1]), "symbols must be from 0 to 1"),
        (lambda: huffman.encode([1], [1, 0]), "symbols must have words"),
        (lambda: huffman.encode([1], [1, 1, 1]), "lengths must be of a prefix code"),
        (lambda: huffman.decode(b"\0", [1, 1], 9), "message must be 9 words, got 8"),
        (lambda: to_sparse([1], 0), "bits must be"),
        (lambda: from_sparse(to_sparse([0, 0, 4]), 2), "size must be above 2"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
