"""The Neocognitron: stages of features, found by themselves, wherever they are.

    S-cell   u_S(n, k) = r f[ (1 + sum over i, v of a(v, i, k) u_C(n + v, i))
                              / (1 + r / (1 + r) b(k) v_C(n)) - 1 ]
             v_C(n)    = sqrt(sum over i, v of c(v) u_C(n + v, i)^2)
    C-cell   u_C(n, k) = p[ (1 + sum over v of d(v) u_S(n + v, k)) / (1 + v_S(n)) - 1 ]
             v_S(n)    = mean over k of sum over v of d(v) u_S(n + v, k)

    f[x] = max(x, 0),  p[x] = f[x] / (alpha + f[x])

A stage is planes of S-cells and as many of C-cells. All cells of a plane look for one
feature, each at its place n: they share a and b. u_C of the stage before is the input,
of the first the image. C-cells stand at every stride-th place, and their fields
overlap: that is what forgives a shift. c and d fall with the distance, and sum to 1.

Unsupervised: the cells whose fields are near one another, of all planes, are a column.
The strongest cell of each column is a candidate; of the candidates in a plane the
strongest is its seed, at place n^. All cells of its plane get

    a(v, i, k) += q c(v) u_C(n^ + v, i),      b(k) += q v_C(n^)

and planes without a seed nothing. They begin with a by chance, and small, and with
b = 0, and soon differ. Supervised: a teacher names plane and place of the seed; or the
planes of the last stage are divided among the classes, and those of the example's own
compete. Examples come one after another in their order, also where a batch is split
over devices: each device then does the work of all.

Limit, tested: with a large q a plane that has learned one pattern answers with
f[s - t] / (1 - t), where s is the cosine of pattern and input, each weighed by the root
of c, and t = r / (1 + r). So r tells how alike they must be.

Shapes: B examples, H height, W width, C channels, K planes, h the side of a field.
Differs from the papers: b here is half of that of 1980, which has 2 r / (1 + r) and
q / 2, so that it is the same; zeros around each plane, as in 1988.

References:
    Fukushima, "Neocognitron: a self-organizing neural network model for a mechanism of
    pattern recognition unaffected by shift in position", Biological Cybernetics, 1980,
    https://doi.org/10.1007/BF00344251
    Fukushima, "Neocognitron: a hierarchical neural network capable of visual pattern
    recognition", Neural Networks, 1988, https://doi.org/10.1016/0893-6080(88)90014-7
    (supervised)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from zoo.functional.distances import real
from zoo.learner import Learner


class Stage(NamedTuple):
    """Planes of S-cells, and of C-cells that read them.

    Attributes:
        planes: K.
        field: side of what an S-cell sees, odd.
        r: how selective S-cells are, > 0.
        q: how much a seed learns, > 0.
        pool: side of what a C-cell sees, odd.
        stride: places from a C-cell to the next.
        column: side of a column, odd.
        fall_c: c(v) is its power |v|, over the sum; in (0, 1].
        fall_d: likewise d(v).
    """

    planes: int = 24
    field: int = 5
    r: float = 4.0
    q: float = 1.0
    pool: int = 5
    stride: int = 2
    column: int = 5
    fall_c: float = 0.9
    fall_d: float = 0.8


class Net(NamedTuple):
    """Of which cells it consists.

    Attributes:
        image: H, W and C of the input.
        stages: from the input on.
        alpha: where a C-cell is at half of its most, > 0.
    """

    image: tuple[int, int, int]
    stages: tuple[Stage, ...]
    alpha: float = 0.5


class Weights(NamedTuple):
    """What a stage has learned."""

    a: jax.Array  # [h, h, C, K], of the stage's input
    b: jax.Array  # [K]


class NeocognitronState(NamedTuple):
    step: jax.Array  # int32 scalar: steps taken
    weights: tuple[Weights, ...]  # by stage


class Layer(NamedTuple):
    """The answers of a stage."""

    s: jax.Array  # u_S, [H, W, K]
    c: jax.Array  # u_C, [H', W', K]


TINY = Net((6, 5, 1), (Stage(3, 3, pool=3, column=3), Stage(4, 3, 1.5, 16.0, 3, 3)))


def learner(
    net: Net,
    trained: int | None = None,
    classes: int | None = None,
    taught: bool = False,
    start: tuple[Weights, ...] | None = None,
    axis_name: str | None = None,
) -> Learner:
    """A Neocognitron that learns from batches.

    Args:
        net: its cells.
        trained: the stage that learns, from 0; None for all at once.
        classes: among so many classes the planes of the last stage are divided, in
            order; None where they are free.
        taught: the batch has `plane`, int [B], and `place`, int [B, 2], row and column,
            of the seed in the stage `trained`.
        start: weights to go on from, of a state; None to begin.
        axis_name: the axis over which a batch is split, or None.

    Returns:
        A learner of batches with `x` [B, H, W, C], 0 or more; with `classes` also `y`.
        Metrics: `loss`, before the step: 1 - the largest answer of the last stage's
        S-cells, so how new an example is.

    Raises:
        ValueError: a number of a stage out of range; `trained`, `classes` or `taught`
            that the net cannot have; at init, images of another shape or below 0.
    """
    check(net)
    count, last = len(net.stages), net.stages[-1].planes
    if trained is not None and trained not in range(count):
        raise ValueError(f"trained must be from 0 to {count - 1}, got {trained!r}")
    if taught and (trained is None or classes is not None):
        raise ValueError(
            f"taught must come with a stage that is trained, without classes, got "
            f"trained {trained!r} and classes {classes!r}"
        )
    if classes is not None and (classes < 1 or last % classes):
        raise ValueError(f"classes must divide {last} planes, got {classes!r}")
    learning = range(count) if trained is None else (trained,)
    names = ("x", *(("y",) if classes else ()), *(("plane", "place") * taught))

    def init(key, batch):
        x = images(net, batch["x"])
        if start is None:
            weights = _begin(net, key, x.dtype)
        else:
            weights = jax.tree.map(lambda w: jnp.array(w, x.dtype), tuple(start))
        return NeocognitronState(step=jnp.zeros((), jnp.int32), weights=weights)

    def one(weights, example):
        layers = forward(net, weights, example["x"])
        inputs = (example["x"], *(layer.c for layer in layers))
        learned = list(weights)
        for i in learning:
            s, stage = layers[i].s, net.stages[i]
            if taught:
                at = example["place"] @ jnp.array([s.shape[1], 1])
                places = jnp.full(stage.planes, at)
                won = jnp.arange(stage.planes) == example["plane"]
            else:
                if classes is not None and i == count - 1:
                    owner = jnp.arange(last) // (last // classes)
                    s = jnp.where((owner == example["y"])[None, None], s, 0)
                places, won = seeds(s, stage.column)
            learned[i] = _reinforced(stage, weights[i], inputs[i], places, won)
        return tuple(learned), 1 - layers[-1].s.max()

    def step(state, batch):
        examples = {name: batch[name] for name in names}
        if axis_name:  # all, in their order
            examples = jax.lax.all_gather(examples, axis_name, tiled=True)
        weights, novelty = jax.lax.scan(one, state.weights, examples)
        new = NeocognitronState(step=state.step + 1, weights=weights)
        return new, {"loss": (novelty.sum(), jnp.ones_like(novelty).sum())}

    def evaluate(state, batch):
        novelty = 1 - respond(net, state.weights, batch["x"])[-1].s.max((1, 2, 3))
        pair = novelty.sum(), jnp.ones_like(novelty).sum()
        return {"loss": jax.lax.psum(pair, axis_name) if axis_name else pair}

    return Learner(init=init, step=step, evaluate=evaluate)


def respond(net: Net, weights: tuple[Weights, ...], x: jax.Array) -> tuple[Layer, ...]:
    """The answers of all stages to images.

    Args:
        net: its cells.
        weights: of a state.
        x: [B, H, W, C].

    Returns:
        For each stage u_S [B, H, W, K] and u_C [B, H', W', K].

    Raises:
        ValueError: images of another shape, or with values below 0.
    """
    return jax.vmap(lambda image: forward(net, weights, image))(images(net, x))


def forward(net: Net, weights, x, gains=None) -> tuple[Layer, ...]:
    """As `respond`, of one image; `gains` multiply the C-cells of each stage."""
    layers = []
    for i, (stage, (a, b)) in enumerate(zip(net.stages, weights, strict=True)):
        s = s_cells(stage, a, b, x)
        x = c_cells(stage, s, net.alpha)
        x = x if gains is None else gains[i] * x
        layers.append(Layer(s, x))
    return tuple(layers)


def s_cells(stage: Stage, a, b, x) -> jax.Array:  # [H, W, C] -> [H, W, K]
    """u_S of a stage, of its input u_C."""
    seen, ratio = windows(x, stage.field), stage.r / (1 + stage.r)
    excited = jnp.einsum("nvi,vik->nk", seen, _by_place(a), precision="highest")
    u = (1 + excited) / (1 + ratio * _v(stage, seen)[:, None] * b[None]) - 1
    return stage.r * jnp.maximum(u, 0).reshape(*x.shape[:2], -1)


def c_cells(stage: Stage, s, alpha: float) -> jax.Array:  # [H, W, K] -> [H', W', K]
    """u_C of a stage, of its S-cells."""
    pooled = pool(stage, s)
    u = (1 + pooled) / (1 + pooled.mean(-1, keepdims=True)) - 1
    return saturated(u, alpha)


def pool(stage: Stage, s) -> jax.Array:  # [H, W, K] -> [H', W', K]
    """The sum of d(v) u_S(n + v) for each C-cell; linear."""
    seen = windows(s, stage.pool, stage.stride)
    d = jnp.asarray(_fall(stage.pool, stage.fall_d), s.dtype)
    pooled = jnp.einsum("nvk,v->nk", seen, d, precision="highest")
    return pooled.reshape(*after(s.shape[:2], stage.stride), -1)


def saturated(u, alpha: float) -> jax.Array:
    """p[x], from 0 to 1."""
    u = jnp.maximum(u, 0)
    return u / (alpha + u)


def seeds(s: jax.Array, column: int) -> tuple[jax.Array, jax.Array]:
    """The seeds among the S-cells of a stage.

    Args:
        s: u_S, [H, W, K].
        column: side of a column; one stands at each place.

    Returns:
        For each plane the place of its seed, row by row, int [K], and whether it has
        one, bool [K]. Of equal cells the first is the stronger one.
    """
    height, width, planes = s.shape
    cells = s.reshape(-1)
    of = _window(height, width, column, 1)[..., None] * planes + np.arange(planes)
    of = of.reshape(height * width, -1)  # a column's cells; beyond the edge, none
    strongest = jnp.concatenate([cells, jnp.zeros(planes, s.dtype)])[of].argmax(1)
    cell = jnp.take_along_axis(jnp.asarray(of), strongest[:, None], 1)[:, 0]
    candidate = jnp.zeros(len(cells) + planes, bool).at[cell].set(True)[: len(cells)]
    answers = jnp.where(candidate, cells, 0).reshape(-1, planes)
    return answers.argmax(0), answers.max(0) > 0


def windows(x, side: int, stride: int = 1) -> jax.Array:  # [H, W, C] -> [n, side^2, C]
    """What cells see, at each place row by row; zeros beyond the edge."""
    flat = jnp.pad(x.reshape(-1, x.shape[-1]), ((0, 1), (0, 0)))
    return flat[_window(*x.shape[:2], side, stride)]


def after(sides: tuple[int, int], stride: int) -> tuple[int, int]:
    """H' and W' of a plane of C-cells."""
    return tuple(len(range((stride - 1) // 2, n, stride)) for n in sides)


def check(net: Net) -> None:
    """Refuses a net that cannot be.

    Raises:
        ValueError: naming the field, for sides that are even or below 1, counts below
            1, numbers out of range.
    """
    if not net.stages:
        raise ValueError(f"stages must not be empty, got {net.stages}")
    if len(net.image) != 3 or min(net.image) < 1:
        raise ValueError(f"image must be H, W, C of 1 or more, got {net.image}")
    if not net.alpha > 0:
        raise ValueError(f"alpha must be above 0, got {net.alpha}")
    for stage in net.stages:
        for name, value in stage._asdict().items():
            if name in ("field", "pool", "column"):
                fits, what = value >= 1 and value % 2 == 1, "an odd number"
            elif name in ("planes", "stride"):
                fits, what = value >= 1, "1 or more"
            elif name in ("fall_c", "fall_d"):
                fits, what = 0 < value <= 1, "above 0 and at most 1"
            else:
                fits, what = value > 0, "above 0"
            if not fits:
                raise ValueError(f"{name} of a stage must be {what}, got {value}")


def _reinforced(stage, weights, x, places, won) -> Weights:
    """The weights of a stage after its seeds have learned from its input."""
    seen = windows(x, stage.field)
    learned = jnp.where(won, stage.q, 0).astype(x.dtype)
    parts = seen[places].transpose(1, 2, 0).reshape(weights.a.shape)  # of each seed
    c = fall_c(stage, x.shape[-1], x.dtype)[..., None]
    a = weights.a + c * (parts * learned.reshape(1, 1, 1, -1))
    return Weights(a, weights.b + learned * _v(stage, seen)[places])


def _begin(net, key, dtype) -> tuple[Weights, ...]:
    """a from 0 to c(v) / 100, by chance; b = 0."""
    weights, channels = [], net.image[2]
    for i, stage in enumerate(net.stages):
        c = fall_c(stage, channels, dtype)[..., None] / 100
        shape = (*c.shape[:3], stage.planes)
        a = c * jax.random.uniform(jax.random.fold_in(key, i), shape, dtype)
        weights.append(Weights(a, jnp.zeros(stage.planes, dtype)))
        channels = stage.planes
    return tuple(weights)


def _v(stage, seen):  # [n, h^2, C] -> [n]
    """v_C: the root of the mean square, weighed by c."""
    c = fall_c(stage, seen.shape[-1], seen.dtype).reshape(seen.shape[1:])
    return jnp.sqrt(jnp.einsum("nvi,vi->n", seen**2, c, precision="highest"))


def fall_c(stage: Stage, channels: int, dtype) -> jax.Array:
    """c(v), the same for all planes of the input, [h, h, C]; the sum of all is 1."""
    c = _fall(stage.field, stage.fall_c).reshape(stage.field, -1, 1)
    return jnp.asarray(np.repeat(c, channels, 2) / channels, dtype)


def _by_place(a):  # [h, h, C, K] -> [h^2, C, K]
    return a.reshape(-1, *a.shape[2:])


def _fall(side: int, base: float) -> np.ndarray:
    """base^|v| over a window, row by row, with the sum 1."""
    v = np.arange(side) - side // 2
    fall = base ** np.hypot(v[:, None], v[None]).reshape(-1)
    return fall / fall.sum()


def _window(height: int, width: int, side: int, stride: int) -> np.ndarray:
    """Numbers of the places in each window, [n, side^2]; H W beyond the edge."""
    v = np.arange(side) - side // 2
    rows, columns = (np.arange((stride - 1) // 2, n, stride) for n in (height, width))
    row = rows[:, None, None, None] + v[:, None]
    column = columns[None, :, None, None] + v[None]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return np.where(inside, row * width + column, height * width).reshape(-1, side**2)


def images(net: Net, x) -> jax.Array:
    """Images that fit, as floats.

    Raises:
        ValueError: a net that cannot be; another shape; values below 0.
    """
    check(net)
    x = real(x)
    if x.ndim != 4 or x.shape[1:] != tuple(net.image):
        raise ValueError(f"x must be [B, {str(list(net.image))[1:]}, got {x.shape}")
    if not isinstance(x, jax.core.Tracer) and not (x >= 0).all():
        raise ValueError("x must be 0 or more, as what cells put out, got less or NaN")
    return x
