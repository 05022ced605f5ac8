"""Every form of a convolution is the convolution, and each is chosen by its rule."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from zoo.functional import convolution_forms as forms
from zoo.functional.convolution import PARTS, convolve, form, merged, parts

LAYOUT = ("NHWC", "HWIO", "NHWC")
# name -> kernel [h, w, C / G, O], C, and what else is given; the form that it gets.
CASES = {
    "dense": ((3, 2, 9, 6), 9, {}, "parts"),
    "dense_same": ((3, 4, 9, 6), 9, dict(padding="SAME"), "parts"),
    "few": ((5, 5, 3, 4), 3, dict(padding="SAME"), "blocks"),
    "few_even": ((2, 4, 8, 4), 8, dict(padding=((1, 2), (0, 3))), "blocks"),
    "few_odd": ((1, 3, 2, 4), 2, {}, "blocks"),
    "dilated": ((3, 2, 4, 6), 4, dict(dilation=(2, 3), padding="VALID"), "parts"),
    "strided": ((3, 3, 4, 6), 4, dict(strides=(2, 3), padding="SAME"), "parts"),
    "pointwise": ((1, 1, 4, 6), 4, {}, "matmul"),
    "pointwise_strided": ((1, 1, 4, 6), 4, dict(strides=(2, 3)), "matmul"),
    "pointwise_padded": ((1, 1, 4, 6), 4, dict(padding=((1, 2), (0, 1))), "matmul"),
    "depthwise": ((3, 2, 1, 4), 4, dict(padding="SAME"), "shifts"),
    "depthwise_wide": ((2, 3, 1, 12), 4, dict(strides=(2, 1)), "shifts"),
    "depthwise_strided": ((3, 3, 1, 4), 4, dict(strides=(2, 3)), "shifts"),
    "depthwise_dilated": (
        (3, 2, 1, 4), 4, dict(dilation=(2, 1), strides=(3, 2), padding="SAME"), "shifts"
    ),
    "grouped": ((3, 2, 2, 12), 8, dict(padding="SAME"), "diagonal"),
    "grouped_strided": ((3, 3, 4, 8), 16, dict(strides=(2, 2)), "diagonal"),
    "grouped_pointwise": ((1, 1, 2, 4), 4, {}, "diagonal"),
    "transposed": ((4, 4, 3, 5), 3, dict(spread=(2, 2), padding=((2, 2), (1, 2))),
                   "phases"),
    "transposed_gaps": ((2, 1, 3, 5), 3, dict(spread=(3, 2)), "phases"),
    "transposed_odd": ((5, 3, 3, 5), 3, dict(spread=(2, 3), padding=((4, 3), (2, 0))),
                       "phases"),
    "transposed_cropped": ((3, 3, 3, 5), 3, dict(spread=(2, 2), padding=((-1, 0),
                           (0, -2))), "phases"),
    "transposed_strided": ((3, 3, 3, 5), 3, dict(spread=(2, 2), strides=(3, 1)), "xla"),
    "cropped": ((3, 3, 3, 5), 3, dict(padding=((-1, 2), (0, -1))), "blocks"),
}  # fmt: skip
case = pytest.mark.parametrize("name", CASES)


def settings(name):
    kernel, channels, given, _ = CASES[name]
    about = dict(strides=(1, 1), spread=(1, 1), dilation=(1, 1)) | given
    return kernel, channels, about, about.pop("padding", ((0, 0), (0, 0)))


def passes(convolve, name, x, k):
    """Output and both gradients."""
    kernel, channels, about, padding = settings(name)

    def f(x, k):
        return convolve(
            x,
            k,
            about["strides"],
            padding,
            about["spread"],
            about["dilation"],
            LAYOUT,
            channels // kernel[2],
        )

    y, back = jax.vjp(f, x, k)
    return y, *back(jnp.cos(y))


@case
def test_equals_xla(name):
    kernel, channels, *_ = settings(name)
    rng = np.random.default_rng(0)
    x, k = rng.normal(size=(2, 8, 9, channels)), rng.normal(size=kernel)
    for dtype, rtol in ((jnp.float64, 1e-12), (jnp.float32, 2e-4)):
        with jax.enable_x64(dtype == jnp.float64):
            args = jnp.asarray(x, dtype), jnp.asarray(k, dtype)
            theirs = jax.jit(partial(passes, jax.lax.conv_general_dilated, name))(*args)
            ours = jax.jit(partial(passes, convolve, name))(*args)
            for a, b in zip(ours, theirs, strict=True):
                assert a.dtype == dtype
                scale = np.abs(b).max()
                np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


@case
def test_the_rule(name):
    kernel, channels, about, _ = settings(name)
    assert form(kernel, channels, **about) == CASES[name][3]


@case
def test_the_form_is_taken(name):
    """What the compiled program would do: XLA's own convolutions, or none of them."""
    kernel, channels, *_ = settings(name)
    chosen = "xla" if name == "cropped" else CASES[name][3]  # pads below 0 are XLA's
    x, k = jnp.ones((1, 8, 9, channels)), jnp.ones(kernel)
    text = str(jax.make_jaxpr(partial(passes, convolve, name))(x, k))
    if chosen in ("matmul", "shifts"):
        assert "conv_general_dilated" not in text
    elif chosen == "blocks":
        forward, *_ = text.split("cos")
        assert "conv_general_dilated" not in forward and "dot_general" in forward
    else:
        assert "conv_general_dilated" in text
    if chosen != "xla":
        assert "feature_group_count=2" not in text
    if chosen == "phases":
        forward, *_ = text.split("cos")
        assert "lhs_dilation=(1, 1)" in forward


def test_a_batch_goes_into_parts_that_devices_can_share(devices):
    assert PARTS == 8 and len(devices) == 8
    assert [parts(n) for n in (512, 64, 48, 8, 40, 63)] == [8, 8, 6, 1, 5, 1]


@pytest.mark.parametrize("form", ["parts", "blocks"])
def test_parts_of_a_batch_add_up(form):
    """In value and both gradients; and forward mode agrees with reverse mode."""
    rng = np.random.default_rng(0)
    x, k = rng.normal(size=(6, 5, 7, 3)), rng.normal(size=(3, 2, 3, 4))
    run = {
        "parts": lambda x, k, n: forms.by_parts(x, k, (1, 1), (1, 1), n),
        "blocks": forms.by_blocks,
    }[form]
    with jax.enable_x64(True):
        f = lambda x, k: jnp.cos(forms.dense(x, k, (1, 1), (1, 1)))
        want = jax.jit(jax.jacrev(f, (0, 1)))(x, k)
        for n in (1, 2, 3, 6):
            g = lambda x, k, n=n: jnp.cos(run(x, k, n))
            for jacobian in (jax.jacrev, jax.jacfwd):
                got = jax.jit(jacobian(g, (0, 1)))(x, k)
                jax.tree.map(partial(np.testing.assert_allclose, atol=1e-12), got, want)


@pytest.mark.parametrize(
    "groups, inputs, merge", [(32, 4, 4), (8, 8, 2), (8, 64, 1), (4, 2, 4), (3, 7, 3)]
)
def test_groups_are_merged_to_a_width(groups, inputs, merge):
    assert merged(groups, inputs) == merge


def test_merging_less_than_all_groups_is_the_same():
    rng = np.random.default_rng(0)
    x, k = jnp.float32(rng.normal(size=(2, 6, 5, 12))), rng.normal(size=(3, 2, 2, 18))
    want = forms.dense(x, jnp.float32(k), (1, 1), (1, 1), 6)
    for merge in (1, 2, 3, 6):
        got = forms.by_diagonal(x, jnp.float32(k), (1, 1), (1, 1), 6, merge, 2)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"precision": jax.lax.Precision.HIGHEST},
        {"preferred_element_type": jnp.float32},
        {"batch_group_count": 2},
    ],
    ids=str,
)
def test_what_is_asked_of_xla_is_left_to_xla(options):
    x, k = jnp.ones((2, 8, 9, 4)), jnp.ones((1, 1, 4, 6))
    run = partial(convolve, dimension_numbers=LAYOUT, **options)
    text = str(jax.make_jaxpr(lambda x, k: run(x, k, (1, 1), "SAME"))(x, k))
    assert "conv_general_dilated" in text


@pytest.mark.parametrize("layout", [None, ("NHWC", "OIHW", "NCHW")], ids=str)
def test_other_layouts_are_left_to_xla(layout):
    x, k = jnp.ones((1, 4, 8, 9)), jnp.ones((6, 4, 1, 1))
    x = x if layout is None else x.transpose(0, 2, 3, 1)
    got = convolve(x, k, (1, 1), "SAME", dimension_numbers=layout)
    assert got.shape == (1, 6, 8, 9)


@pytest.mark.parametrize("groups, strides", [(1, 1), (6, 2), (3, 1)])
def test_a_layer_of_flax_takes_it(groups, strides):
    x = np.random.default_rng(0).normal(size=(2, 9, 12, 6)).astype(np.float32)
    about = dict(feature_group_count=groups, strides=strides)
    ours = nn.Conv(6, (3, 3), conv_general_dilated=convolve, **about)
    variables = ours.init(jax.random.key(0), x)
    want = nn.Conv(6, (3, 3), **about).apply(variables, x)
    np.testing.assert_allclose(ours.apply(variables, x), want, rtol=2e-4, atol=1e-6)


def test_words_for_the_padding_of_a_spread_image_are_refused_as_by_xla():
    x, k = jnp.ones((1, 8, 9, 4)), jnp.ones((3, 3, 4, 6))
    with pytest.raises(ValueError, match="String padding is not implemented"):
        convolve(x, k, (1, 1), "SAME", (2, 2), dimension_numbers=LAYOUT)
