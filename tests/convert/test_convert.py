"""Reading, laying out, copying and saving weights, without PyTorch.

With PyTorch's own files: tests/parity/test_convert.py.
"""

import pickle
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from zoo.convert.torch_file import LEGACY
from zoo.data.formats import DataError

RULES = (
    (r"features\.(\d+)", r"conv_\1"),
    (r"norms\.(\d+)", lambda match: f"norm_{int(match[1]) + 1}"),
    (r"fc", "dense", (2, 3)),
    (r"aux\..*", None),
)


def shapes():
    """A convolution, a normalization, a dense layer after a map of 2x3x4."""
    of = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
    return {
        "params": {
            "conv_0": {"kernel": of(3, 2, 5, 4)},
            "norm_1": {"scale": of(4), "bias": of(4)},
            "dense": {"kernel": of(24, 6), "bias": of(6)},
        },
        "batch_stats": {"norm_1": {"mean": of(4), "var": of(4)}},
    }


def tensors():
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape)
    return {
        "features.0.weight": draw(4, 5, 3, 2),
        "norms.0.weight": draw(4),
        "norms.0.bias": draw(4),
        "norms.0.running_mean": draw(4),
        "norms.0.running_var": draw(4),
        "norms.0.num_batches_tracked": np.array(7),
        "fc.weight": draw(6, 24),
        "fc.bias": draw(6),
        "aux.0.weight": draw(3),
    }


def test_assign_lays_out():
    given = tensors()
    got = zoo.convert.assign(given, shapes(), RULES)
    assert jax.tree.map(jnp.shape, got) == jax.tree.map(lambda s: s.shape, shapes())
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6)
    conv = got["params"]["conv_0"]["kernel"]
    assert conv.dtype == jnp.float32
    close(conv[2, 1, 3, 0], given["features.0.weight"][0, 3, 2, 1])
    close(got["params"]["norm_1"]["scale"], given["norms.0.weight"])
    close(got["params"]["norm_1"]["bias"], given["norms.0.bias"])
    close(got["batch_stats"]["norm_1"]["mean"], given["norms.0.running_mean"])
    close(got["batch_stats"]["norm_1"]["var"], given["norms.0.running_var"])
    x = np.random.default_rng(1).normal(size=(4, 2, 3))  # C, h, w
    close(
        x.transpose(1, 2, 0).reshape(-1) @ got["params"]["dense"]["kernel"],
        given["fc.weight"] @ x.reshape(-1),
    )


def test_a_pattern_may_be_of_one_tensor():
    """By all of its name; None leaves it out."""
    rules = ((r"in_proj_(w)eight", r"a/kernel"), (r"mask", None), (r"token", "token"))
    of = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
    want = {"params": {"a": {"kernel": of(2, 6)}, "token": of(1, 2)}}
    given = {"in_proj_weight": np.arange(12).reshape(6, 2), "token": np.ones((1, 2))}
    got = zoo.convert.assign({**given, "mask": np.ones(3)}, want, rules)["params"]
    np.testing.assert_array_equal(got["a"]["kernel"], given["in_proj_weight"].T)
    np.testing.assert_array_equal(got["token"], given["token"])


def test_a_convolution_of_one_pixel_is_a_dense_layer():
    w = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    for theirs, ours in ((w[:, :, None, None], (5, 3)), (w, (1, 1, 5, 3))):
        want = {"params": {"a": {"kernel": jax.ShapeDtypeStruct(ours, jnp.float32)}}}
        got = zoo.convert.assign({"a.weight": theirs}, want, ((r"a", "a"),))
        np.testing.assert_array_equal(got["params"]["a"]["kernel"].reshape(5, 3), w.T)


def test_all_that_does_not_fit_is_named():
    given = tensors() | {"head.weight": np.ones(3), "fc.bias": np.ones(7)}
    given["features.0.weight"] = given["features.0.weight"][:, :2]
    for name in ("norms.0.bias", "norms.0.running_var"):
        del given[name]
    with pytest.raises(zoo.convert.WeightsError) as caught:
        zoo.convert.assign(given, shapes(), RULES, "weights.pth")
    error = caught.value
    assert error.missing == ("batch_stats/norm_1/var", "params/norm_1/bias")
    assert error.extra == ("head.weight",)
    assert error.misshapen == ("features.0.weight", "fc.bias")
    text = str(error)
    assert text.startswith("weights.pth: not the weights of this model, and nothing")
    assert "fc.bias (7,) for params/dense/bias (6,)" in text
    for name in (*error.missing, *error.extra, *error.misshapen):
        assert name in text


def test_two_tensors_for_one_place():
    given = tensors()
    twice = RULES + ((r"again", "norm_1"),)
    with pytest.raises(zoo.convert.WeightsError, match="no place for: again.bias"):
        zoo.convert.assign(given | {"again.bias": np.ones(4)}, shapes(), twice)


def test_several_tensors_make_one_leaf():
    """Side by side in the order of the rule, not of the file; optional ones may go."""
    draw = np.random.default_rng(0).normal
    given = {f"to.{kind}.weight": draw(size=(2, 3)) for kind in "kq"}
    given |= {"words.weight": draw(size=(5, 4)), "norm.gamma": draw(size=4)}
    given["pool.weight"] = draw(size=(4, 4))
    of = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)
    want = {"both": {"kernel": of(3, 4)}, "words": {"embedding": of(5, 4)}}
    want = {"params": want | {"norm": {"scale": of(4)}}}
    rules = (
        (r"to\.(q|k)", lambda match: f"both[{'qk'.index(match[1])}/2]"),
        (r"pool", "?pool"),
        (r"(.*)", r"\1"),
    )
    got = zoo.convert.assign(given, want, rules)["params"]
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6)
    both = [given["to.q.weight"].T, given["to.k.weight"].T]
    close(got["both"]["kernel"], np.concatenate(both, 1))
    close(got["words"]["embedding"], given["words.weight"])
    close(got["norm"]["scale"], given["norm.gamma"])
    with pytest.raises(zoo.convert.WeightsError, match="missing: params/both/kernel$"):
        half = {k: v for k, v in given.items() if k != "to.q.weight"}
        zoo.convert.assign(half, want, rules)
    given["to.q.weight"] = given["to.q.weight"][:1]
    with pytest.raises(
        zoo.convert.WeightsError, match="to.q.weight .*both/kernel"
    ) as e:
        zoo.convert.assign(given, want, rules)
    assert (e.value.missing, e.value.extra) == ((), ())
    pool = {"pool": {"kernel": of(4, 4), "bias": of(4)}}
    with pytest.raises(zoo.convert.WeightsError, match="params/pool/bias"):
        zoo.convert.assign(given, {"params": want["params"] | pool}, rules)


@pytest.mark.parametrize("form", ["safetensors", "npz"])
def test_saved_weights_come_back(form, tmp_path):
    model = zoo.create("lenet5")
    x = np.random.default_rng(0).uniform(size=(2, 28, 28, 1)).astype(np.float32)
    variables = jax.jit(model.init)(jax.random.key(1), x)
    path = tmp_path / "weights"  # the form is told by what is inside
    zoo.convert.save(path, variables)
    if form == "npz":
        arrays = zoo.convert.read(path)
        with path.open("wb") as file:
            np.savez(file, **arrays)
    again, read = zoo.create("lenet5", weights=path)
    assert again == model
    jax.tree.map(np.testing.assert_array_equal, read, variables)
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]
    with pytest.raises(zoo.convert.WeightsError, match="params/head/bias"):
        zoo.create("lenet5", weights=path, num_classes=3)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def archive(path, pickled, **members):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        for name, content in members.items():
            file.writestr(f"archive/{name}", content)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_code_is_refused_and_not_executed(form, tmp_path):
    bait, path = tmp_path / "bait", tmp_path / "weights.pth"
    pickled = pickle.dumps({"weight": Malicious(bait)}, 2)
    if form == "zip":
        archive(path, pickled)
    else:
        version = pickle.dumps(1001, 2), pickle.dumps({"little_endian": True}, 2)
        path.write_bytes(LEGACY + b"".join(version) + pickled)
    with pytest.raises(DataError, match=r"weights.pth: refused; .* use i?o\.open"):
        zoo.convert.read(path)
    assert not bait.exists()
    pickle.loads(pickled)["weight"].close()  # what would have happened
    assert bait.exists()


def test_a_whole_model_and_a_script_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    archive(path, b"\x80\x02ctorchvision.models.resnet\nResNet\n)R.")
    with pytest.raises(DataError, match="wants to use torchvision.models.resnet"):
        zoo.convert.read(path)
    archive(path, pickle.dumps({}, 2), **{"constants.pkl": b""})
    with pytest.raises(DataError, match="TorchScript archive carries code"):
        zoo.convert.read(path)


def tensor(size, strides, offset=0, kind=b"FloatStorage", count=6):
    """The opcodes of a dict with one tensor, `w`."""
    number = lambda n: b"J" + int(n).to_bytes(4, "little", signed=True)
    several = lambda items: b"(" + b"".join(map(number, items)) + b"t"
    text = lambda s: b"X" + len(s).to_bytes(4, "little") + s
    storage = b"(" + text(b"storage") + b"ctorch\n" + kind + b"\n" + text(b"0")
    storage += text(b"cpu") + number(count) + b"tQ"
    view = b"(" + storage + number(offset) + several(size) + several(strides)
    view += b"\x89ccollections\nOrderedDict\n)Rt"
    made = b"ctorch._utils\n_rebuild_tensor_v2\n" + view + b"R"
    return b"\x80\x02}" + text(b"w") + made + b"s."


NUMBERS = np.arange(6, dtype="<f4").tobytes()


def test_views_of_a_storage(tmp_path):
    path = tmp_path / "w.pth"
    archive(path, tensor((2, 2), (1, 3), 1), **{"data/0": NUMBERS})
    got = zoo.convert.read(path)["w"]
    np.testing.assert_array_equal(got, [[1, 4], [2, 5]])
    assert got.dtype == np.float32


@pytest.mark.parametrize(
    "pickled, data, message",
    [
        (tensor((2, 3), (3, 1), 1), NUMBERS, "in a storage of 6 numbers"),
        (tensor((2, 3), (4, 1)), NUMBERS, "in a storage of 6 numbers"),
        (tensor((9, 9), (0, 0)), NUMBERS, "in a storage of 6 numbers"),
        (tensor((2, 3), (3, -1), 3), NUMBERS, "shape .* and strides"),
        (tensor((2, 3), (3, 1)), NUMBERS[:-4], "6 numbers of float32 has 20 bytes"),
        (tensor((2,), (1,), kind=b"QInt8Storage"), NUMBERS, "refused.*QInt8Storage"),
        (tensor((2, 3), (3, 1))[:-9], NUMBERS, "damaged"),
        (pickle.dumps({"epoch": 3}, 2), NUMBERS, "no tensors by name"),
        (pickle.dumps([1, 2], 2), NUMBERS, "no tensors by name"),
        (b"abc", NUMBERS, "no pickle"),
    ],
)
def test_what_cannot_be_is_refused(pickled, data, message, tmp_path):
    path = tmp_path / "w.pth"
    archive(path, pickled, **{"data/0": data, "byteorder": b"little"})
    with pytest.raises(DataError, match=rf"^{path}: .*{message}"):
        zoo.convert.read(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "w"
    with pytest.raises(DataError, match="w: cannot be read"):
        zoo.convert.read(path)
    for content, message in (
        (b"", "begins with nothing"),
        (b"\x89PNG\r\n\x1a\n\0", "begins with 89 50"),
        (b"\x08\0\0\0\0\0\0\0{nothing", "damaged; safetensors says"),
        (LEGACY + b"K\x01.", "damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            zoo.convert.read(path)
    archive(path, tensor((2,), (1,)), **{"data/0": NUMBERS, "byteorder": b"big"})
    with pytest.raises(DataError, match="big-endian"):
        zoo.convert.read(path)
    with path.open("wb") as file:
        np.savez(file, w=np.array([object()]))
    with pytest.raises(DataError, match="npz archive of plain arrays"):
        zoo.convert.read(path)


def test_transfer_copies_what_matches():
    x = np.zeros((1, 28, 28, 1), np.float32)
    init = lambda seed, **fields: jax.jit(zoo.create("lenet5", **fields).init)(
        jax.random.key(seed), x
    )
    src, dst = init(0), init(1, num_classes=3, widths=(120, 84, 7))
    src["batch_stats"] = {"norm": {"mean": jnp.zeros(3)}}
    got, report = zoo.convert.transfer(src, dst, skip=["params/conv_1/*"])
    kept = ("params/conv_0/bias", "params/conv_0/kernel")
    dense = [f"params/dense_{i}/{leaf}" for i in (0, 1) for leaf in ("bias", "kernel")]
    assert sorted(report.copied) == sorted((*kept, *dense))
    assert sorted(report.misshapen) == ["params/head/bias", "params/head/kernel"]
    assert sorted(report.new) == ["params/dense_2/bias", "params/dense_2/kernel"]
    assert report.unused == ("batch_stats/norm/mean",)
    assert sorted(report.skipped) == ["params/conv_1/bias", "params/conv_1/kernel"]
    assert "6 copied\n2 of another shape: params/head" in str(report)
    take = lambda tree, *path: np.asarray(tree["params"][path[0]][path[1]])
    same = np.testing.assert_array_equal
    same(take(got, "dense_1", "kernel"), take(src, "dense_1", "kernel"))
    same(take(got, "conv_1", "kernel"), take(dst, "conv_1", "kernel"))
    same(take(got, "head", "kernel"), take(dst, "head", "kernel"))
    ours = {x.unsafe_buffer_pointer() for x in jax.tree.leaves(got)}
    theirs = {x.unsafe_buffer_pointer() for x in jax.tree.leaves((src, dst))}
    assert not ours & theirs  # so that either may be donated


def test_transfer_refuses():
    one, two = {"params": {"a": jnp.ones(2)}}, {"params": {"b": jnp.ones(2)}}
    with pytest.raises(ValueError, match="src must share leaves with dst, got none"):
        zoo.convert.transfer(one, two)
    with pytest.raises(ValueError, match=r"skip: no path matches 'a\*'.*params/b"):
        zoo.convert.transfer(one, two, skip=["a*"])
    with pytest.raises(ValueError, match="skip must be a sequence"):
        zoo.convert.transfer(one, two, skip="params/b")
