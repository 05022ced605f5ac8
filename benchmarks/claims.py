"""What experiments claim that take minutes: on how many of the seeds 0 to 4 it holds.

Each runs as it does from the command line, with its defaults or the flags named here.
Tests run the same experiments shorter, or are marked slow.
"""

import importlib
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.results import Figure

SEEDS = range(5)


class Claim(NamedTuple):
    """Of an experiment.

    Attributes:
        what: for a reader, after "seeds of five on which".
        of: the numbers that it is about, by `main`'s names, without the seed.
        holds: whether, from these numbers of one seed, in that order.
        flags: of the experiment, where they are not its defaults.
        alone: a run has one seed, and its numbers are without it.
    """

    what: str
    of: tuple[str, ...]
    holds: Callable[..., bool]
    flags: dict[str, Any] = {}
    alone: bool = False


CLAIMS = {
    "batch_normalization": Claim(
        "a normalized net learns at rates at which else it does not",
        ("with/through", "without/through", "with/0.3", "without/0.3"),
        lambda many, few, some, none: many > few and some > none + 0.5,
    ),
    "crf": Claim(
        "a dense CRF raises boundary IoU by 0.1, and mean IoU",
        (
            *("before/boundary_iou", "after/boundary_iou"),
            *("before/mean_iou", "after/mean_iou"),
        ),
        lambda before, after, whole, more: after > before + 0.1 and more > whole,
        alone=True,
    ),
    "dbn": Claim(
        "momentum learns a deep autoencoder from machines and not from random weights",
        ("machines/momentum", "random/momentum", "machines/adam", "random/adam"),
        lambda machines, random, *_: machines < 0.5 and random > 0.95,
    ),
    "deformable_shapes": Claim(
        "deformable convolution tells twins of any size and angle better by 0.05",
        ("deformable", "plain", "wider", "follows"),
        lambda found, plain, wider, _: found > max(plain, wider) + 0.05,
    ),
    "degradation": Claim(
        "56 layers train worse than 20 by 0.5, with shortcuts by 0.25 at most",
        ("plain/3", "plain/9", "residual/3", "residual/9"),
        lambda plain, deep, short, cut: deep > plain + 0.5 and cut < short + 0.25,
    ),
    "dirac": Claim(
        "a DiracNet of 54 layers trains better than a plain net by 0.2",
        ("dirac", "plain"),
        lambda dirac, plain: dirac < plain - 0.2,
    ),
    "gan_losses": Claim(
        "minimax loses modes of eight, and with a gradient penalty all are found",
        ("modes/minimax", "modes/penalised", "rank/penalised"),
        lambda lost, found, rank: lost < 8 and found == 8 and rank > 0.8,
    ),
    "image_editing": Claim(
        "descent from an encoder's guess projects better than either alone, and an "
        "edit halves what its strokes miss and lies where real pictures do more often "
        "than what is pasted and than samples",
        (
            *("error/encoder", "error/descent", "error/mean", "error/hybrid"),
            *("strokes/before", "strokes/pull 0.05"),
            *("real/pasted", "real/samples", "real/pull 0.05"),
        ),
        lambda guess, descent, mean, both, far, near, pasted, drawn, real: (
            both < min(guess, descent, mean)
            and near < 0.5 * far
            and real > max(pasted, drawn)
        ),
        {"seeds": tuple(SEEDS)},
    ),
    "image_to_image": Claim(
        "a discriminator makes sharper by 0.1 what is learned from pairs, at a cost of "
        "0.02 in absolute difference",
        ("l1/alone", "l1/pix2pix", "sharp/alone", "sharp/pix2pix"),
        lambda apart, judged, flat, sharp: (
            judged < apart + 0.02 and flat + 0.1 < sharp < 1.1
        ),
        {"seeds": tuple(SEEDS)},
    ),
    "inside_a_cnn": Claim(
        "hiding what is salient costs more than hiding as much by chance or another's, "
        "and ten made-up images excite their class above all photos",
        ("hidden, its own", "hidden, another's", "hidden, by chance", "above"),
        lambda own, another, chance, above: (
            own < min(another, chance) - 0.01 and above == 10
        ),
    ),
    "maml": Claim(
        "MAML has less than half the error of joint training after five steps, and of "
        "digits' classes that it has met it knows more by 0.02 than a start at random",
        ("maml", "joint", "digits/known/maml", "digits/known/scratch", "digits/maml"),
        lambda found, joint, met, scratch, _: (
            found < joint / 2 and met > scratch + 0.02
        ),
        {"data": ("digits",), "kinds": ("maml", "joint", "scratch")},
    ),
    "model_averaging": Claim(
        "the mean of a path of weights is better than its end",
        ("path", "last", "path/loss", "last/loss"),
        lambda path, last, loss, end: path > last and loss < end,
    ),
    "nas": Claim(
        "every method finds a better cell than random search with p below 0.001, the "
        "controller's mean reward rises by 0.02, the predictor's rank correlation is "
        "above 0.6, and the further w is below 0, the faster and the worse",
        (
            *("p/evolution", "p/REINFORCE", "p/proximal policy", "p/progressive"),
            *("first/REINFORCE", "last/REINFORCE", "ranks/0"),
            *("time/0", "time/-0.07", "time/-0.2"),
            *("accuracy/0", "accuracy/-0.07", "accuracy/-0.2"),
        ),
        lambda a, b, c, d, first, last, ranks, t, u, v, x, y, z: (
            max(a, b, c, d) < 1e-3
            and last > first + 0.02
            and ranks > 0.6
            and t > u > v
            and x > y > z
        ),
        {"repeats": 60, "children": 0},
        alone=True,
    ),
    "neocognitron": Claim(
        "digits moved by 3 are known better by 0.4 than without blur and by pixels, "
        "and 0.6 of what is attended lies on the digit recognized of two",
        ("neocognitron/3", "without blur/3", "pixels/3", "inside"),
        lambda found, sharp, pixels, inside: (
            found > max(sharp, pixels) + 0.4 and inside > 0.6
        ),
    ),
    "overfitting": Claim(
        "dropout and augmentation together lower loss and gap on the test set",
        ("nothing/loss", "both/loss", "nothing/gap", "both/gap"),
        lambda loss, less, gap, small: less < loss and small < gap - 0.03,
    ),
    "pooling": Claim(
        "averages read faint textures of 32x32 and maxima strokes better, by 0.05",
        (
            *("texture/32/average", "texture/32/maximum"),
            *("strokes/32/average", "strokes/32/maximum"),
        ),
        lambda mean, most, other, best: mean > most + 0.05 and best > other + 0.05,
    ),
    "restoration": Claim(
        "networks restore fewer pixels and a hole better than interpolation by 0.5 dB, "
        "and with a discriminator sharper by 0.03",
        tuple(
            f"{what}/{task}/{kind}"
            for task, plain in (
                ("super_resolution", "bicubic"),
                ("inpainting", "biharmonic"),
            )
            for what, kind in (
                *(("psnr", plain), ("psnr", "alone"), ("psnr", "judged")),
                *(("sharp", "alone"), ("sharp", "judged")),
            )
        ),
        lambda *found: all(
            min(alone, judged) > plain + 0.5 and sharp > flat + 0.03
            for plain, alone, judged, flat, sharp in (found[:5], found[5:])
        ),
        {"seeds": tuple(SEEDS)},
    ),
    "spatial_transformer": Claim(
        "digits turned and moved are read better by 0.05 with a Spatial Transformer",
        ("with transformer", "without", "without, wider"),
        lambda found, *others: found > max(others) + 0.05,
    ),
    "text_to_image": Claim(
        "what is made of captions is read as they say, shape, colour and place in 0.7",
        ("shape/made", "colour/made", "place/made", "all/shuffled"),
        lambda shape, colour, place, chance: (
            min(shape, colour, place) > 0.7 > 10 * chance
        ),
        {"seeds": tuple(SEEDS)},
    ),
    "transfer": Claim(
        "with 5 images of each class all layers learn better after other digits than "
        "from scratch, and after scrambled ones not; the first task is forgotten by "
        "0.05 or more, and not at all where it is frozen",
        (
            *("digits/all/5", "scratch/5", "scrambled/all/5"),
            *("digits/all/5/forgotten", "digits/head/5/forgotten"),
        ),
        lambda near, scratch, far, lost, kept: (
            near > max(scratch, far) and lost > 0.05 and kept == 0
        ),
    ),
}
NAMES = tuple(f"claims.{name}" for name in CLAIMS)


def measure(*names: str) -> list[Figure]:
    """A figure for each experiment, or for each that is named."""
    return [_figure(name, CLAIMS[name]) for name in names or CLAIMS]


def _figure(name, claim):
    module = importlib.import_module(f"experiments.{name}")
    with tempfile.TemporaryDirectory() as folder:
        run = lambda folder, **seed: module.main(
            module.Config(**claim.flags, **seed, run=str(folder))
        )
        if claim.alone:
            found = {
                f"{key}/{seed}": value
                for seed in SEEDS
                for key, value in run(f"{folder}/{seed}", seed=seed).items()
            }
        else:
            found = run(folder)
    each = [[found[f"{key}/{seed}"] for key in claim.of] for seed in SEEDS]
    told = "; ".join(" ".join(f"{value:.3g}" for value in row) for row in each)
    return Figure(
        name=f"claims.{name}",
        what=f"seeds of five on which {claim.what} ({', '.join(claim.of)}: {told})",
        value=sum(bool(claim.holds(*row)) for row in each),
        unit="seeds",
        claim="value >= 4",
    )
