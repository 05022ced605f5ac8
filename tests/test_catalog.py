"""The tables: every row keeps its promises, and nothing public is missing."""

import importlib
import pkgutil
from functools import partial

import flax.linen as nn
import jax
import numpy as np
import pytest

import optim
import zoo
from tests.models import families, flat_cross_entropy, forms, inputs, tiny
from zoo import catalog
from zoo.card import count
from zoo.learner import supervised
from zoo.training.keys import raw

COUNTS = {  # of the first rows; those of zoo/vision_table/ stand there alone
    "linear_softmax": 7_850,
    "mlp": 784 * 128 + 128 + 128 * 10 + 10,
    "mlp_500": 784 * 500 + 500 + 500 * 10 + 10,
    "lenet5_1998": 60_000,
    "lenet5": 61_706,
    "lenet_300_100": 266_610,
    "lenet_caffe": 431_080,
    "rnn": 256 * (100 + 256) + 256,
    "lstm": 365_568,
    "lstm_two_biases": 366_592,
    "gru": 274_176,
    "gru_two_biases": 274_944,
    "jordan": 100 * 64 + 10 * 64 + 64 + 64 * 10 + 10,
    "char_lstm": 82 * 64 + 4 * 256 * (64 + 256 + 1) + 257 * 82,
    "char_gru": 82 * 64 + 3 * 256 * (64 + 256 + 1) + 257 * 82,
    "char_gpt": 836_608,
    "gpt2": 124_439_808,
    # Embeddings, both directions, decoder, bridge, attention, and two dense layers.
    "seq2seq": 2 * 64 * 64
    + 3 * 3 * 128 * (64 + 128 + 1)
    + (256 + 1) * 128
    + (128 + 256 + 1) * 128
    + (384 + 1) * 128
    + (128 + 1) * 64,
    # Embeddings and their norm, layers, head: two norms, a dense layer, biases.
    "bert_base": (30_522 + 512 + 2 + 2) * 768
    + 12 * (4 * 768 * 769 + 2 * 768 * 3072 + 3072 + 768 + 4 * 768)
    + 768 * 769
    + 2 * 768
    + 30_522,
    "bert_tiny": 4_385_920,
    "minilm": 22_713_216 - 384 * 385,
    "g2p": (29 + 74) * 256 + 2 * 3 * 256 * (256 + 256 + 2) + 74 * 257,
    "transformer_base": 63_082_496,
    "transformer_big": 214_245_376,
}
FAMILIES = (
    *("classical", "compress", "detection", "generative", "search"),
    *("segmentation", "sequence", "vision"),
)
OTHERS = {  # hold no models
    *("convert", "data", "functional", "meta", "metrics", "training"),
    *("generative_table", "learner_table", "vision_table"),
}

FORMS, SOME = forms(), families()


DEEP = 60  # blocks: of so many it takes seconds only to trace a network


def by_depth(name):
    row = catalog.MODELS[name]
    blocks = [n for n in row.fields.get("blocks", ()) if isinstance(n, int)]
    each = 5 if hasattr(row.module, "reduction") else 1  # pairs of a cell
    deep = each * sum(blocks) > DEEP
    return pytest.param(name, marks=[pytest.mark.slow] if deep else [])


@pytest.mark.parametrize("name", [by_depth(name) for name in catalog.MODELS])
def test_parameters_are_as_published(name):
    row = catalog.MODELS[name]
    model = catalog.create(name, **row.published)
    variables = jax.eval_shape(model.init, jax.random.key(0), row.inputs(1))
    assert count(variables["params"]) == row.parameters
    assert row.parameters == COUNTS.get(name, row.parameters)


def assert_all_learned(before, after):
    """Each parameter had a finite gradient, none of them zero."""

    def moved(before, after):
        difference = np.asarray(before - after)
        assert np.isfinite(difference).all() and difference.any()

    jax.tree.map(moved, before, after)


@pytest.mark.parametrize("name", [n for n in FORMS if n not in SOME])
def test_every_parameter_learns(name):
    """At tiny size, in training; of the others, see test_one_device_equals_eight."""
    model, x = tiny(name), inputs(name, 8)
    batch = {"x": x, "y": np.arange(8, dtype=np.int32), "index": np.arange(8)}
    learner = supervised(model, flat_cross_entropy, optim.sgd(1.0))
    state = jax.jit(learner.init)(jax.random.key(0), batch)
    new, _ = jax.jit(learner.step)(state, batch)
    assert_all_learned(state.params, new.params)


@pytest.mark.parametrize("name", [n for n in SOME if catalog.MODELS[n].published])
def test_the_published_form_is_the_same_function(name):
    x = inputs(name)
    ours, published = tiny(name), tiny(name, **catalog.MODELS[name].published)
    variables = jax.jit(ours.init)(jax.random.key(0), x)
    a, b = (jax.jit(m.apply)(variables, x) for m in (ours, published))
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * abs(b).max())


@pytest.mark.parametrize("name", SOME)
def test_examples_do_not_see_each_other(name):
    model, x = tiny(name), inputs(name, 3)
    variables = jax.jit(model.init)(jax.random.key(0), x)
    apply = jax.jit(model.apply)
    second = lambda tree: jax.tree.map(lambda a: a[1:2], tree)
    same = jax.tree.map(lambda a: np.repeat(a[1:2], 3, 0), x)
    close = partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    outputs = apply(variables, x), apply(variables, same)
    jax.tree.map(close, *map(second, outputs))


@pytest.mark.parametrize(
    "name", [n for n in SOME if catalog.MODELS[n].task == "classification"]
)
def test_num_classes_is_a_field(name):
    model, x = tiny(name, num_classes=3), inputs(name)
    output, _ = jax.eval_shape(model.init_with_output, jax.random.key(0), x)
    assert output.shape == (2, 3)


def steps(build, form, devices, at):
    """What is learned before and after two steps, and the metrics of the second."""
    run = zoo.training.engine(build, form, devices)
    state = run.put_state(run.init(jax.random.key(0), at(0)))

    def learned():  # all of it, if it is no network; keys as bits
        host = run.get_state(state)
        return jax.tree.map(lambda a: np.array(raw(a)), getattr(host, "params", host))

    types, first = jax.tree.map(jax.typeof, state), learned()
    for step in range(2):
        state, metrics = run.step(state, run.put_batch(at(step)))
        assert jax.tree.map(jax.typeof, state) == types
    return first, learned(), jax.device_get(metrics)


# Its pooled branch normalizes one number an image, and these are nearly the same:
# divided by little, rounding grows. In float64 the difference is 1e-7.
TOLERANCES = {"deeplabv3_resnet50": 5e-4}


def assert_close(several, single, tolerance=1e-5):
    close = partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    jax.tree.map(close, several, single)


@pytest.mark.parametrize("name", SOME)
def test_one_device_equals_eight(name, devices):
    """And every parameter learns."""

    def build(axis_name=None):
        model = tiny(name, axis_name=axis_name)
        return supervised(
            model, flat_cross_entropy, optim.sgd(0.1), axis_name=axis_name
        )

    def at(step):
        y = np.random.default_rng(step).integers(0, 10, 16).astype(np.int32)
        index = np.arange(16, dtype=np.int32)
        return {"x": inputs(name, 16, step), "y": y, "index": index}

    single = steps(build, "single", None, at)
    several = steps(build, "pmap", devices, at)
    assert_close(several, single, TOLERANCES.get(name, 1e-5))
    assert_all_learned(*single[:2])


@pytest.mark.parametrize("name", catalog.LEARNERS)
def test_learners_keep_their_promises(name, devices):
    """Traced once, types kept, and the same on one device and on eight."""
    row, traces = catalog.LEARNERS[name], []

    def build(axis_name=None):
        learner = row.build(axis_name) if axis_name else row.build()

        def step(state, batch):
            traces.append(1)
            return learner.step(state, batch)

        return learner._replace(step=step)

    single = steps(build, "single", None, row.at)
    assert len(traces) == 1
    assert all(np.isfinite(pair).all() for pair in single[-1].values())
    if "one equals eight" not in row.exempt:
        assert_close(steps(row.build, "pmap", devices, row.at), single)
    assert all(row.exempt.values()), "an exemption states its reason"


def public_modules():
    """Full names of the public linen classes of the families."""
    packages = {p.name for p in pkgutil.iter_modules(zoo.__path__) if p.ispkg}
    unknown = packages - set(FAMILIES) - OTHERS
    assert not unknown, f"neither a family nor listed as without models: {unknown}"
    for package in sorted(packages & set(FAMILIES)):
        folder = importlib.import_module(f"zoo.{package}")
        for found in pkgutil.iter_modules(folder.__path__, folder.__name__ + "."):
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                own = getattr(value, "__module__", "") == found.name
                if isinstance(value, type) and issubclass(value, nn.Module) and own:
                    if not name.startswith("_"):
                        yield f"{found.name}.{name}"


def test_every_public_module_is_in_the_table():
    listed = {
        f"{row.module.__module__}.{row.module.__name__}"
        for row in catalog.MODELS.values()
    }
    found = set(public_modules())
    assert found - listed == set(catalog.PARTS)
    assert listed <= found
    assert all(catalog.PARTS.values()), "a part names the model it belongs to"


def test_rows_are_complete():
    for name, row in catalog.MODELS.items():
        assert row.task and row.paper and row.convention, name
        fields = {**row.fields, **row.tiny, **row.published}
        catalog.create(name, **fields)  # each is a field of the class


def test_list_models():
    assert catalog.list_models() == sorted(catalog.MODELS)
    assert catalog.list_models("lenet5*") == ["lenet5", "lenet5_1998"]
    assert catalog.list_models("m?p", task="classification") == ["mlp"]
    assert catalog.list_models("nothing*") == []
    assert catalog.list_learners("super*") == ["supervised"]
    with pytest.raises(ValueError, match="unknown task 'clasification'.*'classif"):
        catalog.list_models(task="clasification")


def test_axis_name_is_for_those_that_have_it():
    assert catalog.create("mlp", axis_name="batch") == catalog.create("mlp")


@pytest.mark.parametrize(
    "name, fields, message",
    [
        ("lenet6", {}, "unknown model 'lenet6'; did you mean 'lenet5'"),
        ("mlp", {"width": (3,)}, "unknown field of mlp 'width'; did you mean 'widths'"),
        ("mlp", {"parent": None}, "unknown field of mlp 'parent'"),
        ("mlp", {"num_classes": 0}, "num_classes must be an integer >= 1, got 0"),
        ("lenet5", {"num_classes": "ten"}, "num_classes must be .*got 'ten'"),
        ("vgg16", {"blocks": (1, "2")}, "blocks must be like"),
        ("mobilenet_v2", {"stages": (1, 2)}, "stages must be like"),
        ("lenet5_1998", {"dense": 1}, "dense must be like True, got 1"),
    ],
)
def test_refuses(name, fields, message):
    for function in (catalog.create, catalog.card):
        with pytest.raises(ValueError, match=message):
            function(name, **fields)


def test_takes_what_is_alike():
    fields = dict(num_classes=np.int64(3), widths=[4, np.int32(5)], dropout=0)
    model = catalog.create("mlp", **fields)
    assert (model.num_classes, model.dropout) == (3, 0)
    assert tuple(model.widths) == (4, 5)
    assert catalog.create("lenet5", fast=True, num_classes=10).fast
    blocks = ((3, 16, 8, True, False, 2),)
    assert catalog.create("mobilenet_v3_small", blocks=blocks).blocks == blocks
    assert catalog.create("lenet_caffe", activate_maps=True, widths=()).widths == ()
