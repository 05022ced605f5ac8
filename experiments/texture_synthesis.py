"""From noise, an image of the same texture as a patch, by how features go together.

Run:    python -m experiments.texture_synthesis
        python -m experiments.texture_synthesis --steps 600 --size 96

Expect: the means of seeds 0 to 4, `distance` and then `tails`,

              sample   made    phase   shuffled   other
    petals    0.320    0.330   0.325   0.754      0.562
    nuclei    0.192    0.260   0.254   1.104      0.537
    petals    0.058    0.140   0.183   0.180      0.161
    nuclei    0.078    0.101   0.103   0.090      0.161

With every seed what is made is nearer to unseen patches than its own pixels in another
order are, and than the other texture. By sizes alone noise with the same spectrum is as
near, which has no edges: that is in the tails, which are the nearest of the four for
petals, and in the picture. Fifteen seconds of a CPU core.

Two textures that ship, grey, each a square of 96 pixels in four patches: the petals of
the embedded photo, and nuclei under a microscope, at half of their size, by the
logarithm of their light. One patch is the sample, the other three are held out. Noise
descends until random filters' Gram matrices, at three scales, are the sample's.

It is measured by what it was not made for: the mean size and the root mean square of
Haar wavelets, of three directions at three scales, as logarithms. `distance` is the
root of the mean squared difference to that of held-out patches, the mean over these,
and `tails` the same of the ratios of both, 0.80 for a normal law and less for edges:

    sample       of the patch that was learned from: as near as patches are
    made         of what was made from it
    phase        of noise with the sample's spectrum, which is another way to make one
    shuffled     of the sample's own pixels in any order
    other        of the sample of the other texture

A test holds a smaller run to it.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import optim
import zoo
from experiments._classifiers import positive
from zoo.generative import texture
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.report import Report

WHOLE, PATCH = 96, 48  # pixels
KINDS = ("sample", "made", "phase", "shuffled", "other")
SCALES = 3


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        size: pixels of the side of what is made, a multiple of 8, 32 at least.
        filters: random ones.
        side: of a filter, to 12 pixels.
        steps: of descent.
        learning_rate: of Adam, on pixels of deviation 1.
        seeds: of noise; from 0 to 3 each has another patch.
        run: the run folder.
    """

    size: int = 48
    filters: int = 64
    side: int = 7
    steps: int = 400
    learning_rate: float = 0.05
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    run: str = "runs/texture_synthesis"


def main(cfg: Config) -> dict[str, float]:
    """Makes textures with each seed, prints the table and writes the report.

    Returns:
        `TEXTURE/KIND/SEED` and `TEXTURE/KIND/tails/SEED`, distances;
        `TEXTURE/loss/SEED`, of the Gram matrices.

    Raises:
        ValueError: a flag out of range.
    """
    positive(cfg, "size", "filters", "side", "steps", "learning_rate")
    if cfg.size % 2**SCALES or cfg.size < 32 or cfg.side > 12 or not cfg.seeds:
        raise ValueError(
            f"size must be a multiple of {2**SCALES} and 32 at least, side at most 12 "
            f"and seeds one or more, got {cfg.size}, {cfg.side} and {cfg.seeds}"
        )
    found = textures()
    report = Report("Textures", f"{cfg.steps} steps, {cfg.filters} random filters")
    cases = [(name, seed) for name in found for seed in cfg.seeds]
    samples = np.stack([found[name][seed % 4] for name, seed in cases])
    shape = (cfg.size, cfg.size, 1)
    noise = [np.random.default_rng([4, seed]).normal(size=shape) for _, seed in cases]
    filters = texture.random_filters(jax.random.key(0), cfg.filters, cfg.side)
    made, path = texture.synthesize(
        jnp.asarray(samples), jnp.asarray(np.float32(noise)),
        optim.adam(cfg.learning_rate), cfg.steps,
        lambda x: texture.grams(x, filters, SCALES),
    )  # fmt: skip
    numbers, shown = {}, {}
    for i, (name, seed) in enumerate(cases):
        rng = np.random.default_rng([5, seed])
        (other,) = (patches for key, patches in found.items() if key != name)
        kinds = {
            "sample": samples[i],
            "made": np.asarray(made[i]),
            "phase": phases(rng, samples[i]),
            "shuffled": rng.permuted(samples[i].ravel()).reshape(samples[i].shape),
            "other": other[seed % 4],
        }
        held = np.delete(found[name], seed % 4, 0)
        for kind, x in kinds.items():
            whole, tails = distance(x, held)
            numbers[f"{name}/{kind}/{seed}"] = whole
            numbers[f"{name}/{kind}/tails/{seed}"] = tails
            shown.setdefault(f"{name}: {kind}", x)
        numbers[f"{name}/loss/{seed}"] = float(path[-1, i])
        told = (f"{k} {numbers[f'{name}/{k}/{seed}']:.3f}" for k in KINDS)
        print(name, seed, *told)
    _report(report, cfg, numbers, shown, found)
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def textures() -> dict[str, np.ndarray]:
    """Four patches of each, mean 0 and deviation 1 over all four, [4, 48, 48, 1]."""
    photo = zoo.data.photo().astype(np.float32).mean(-1)
    nuclei = np.log1p(zoo.data.nuclei().x.astype(np.float32))
    nuclei = nuclei.reshape(128, 2, 128, 2).mean((1, 3))

    def cut(x):
        first = (len(x) - WHOLE) // 2
        x = x[first : first + WHOLE, first : first + WHOLE]
        x = (x - x.mean()) / x.std()
        x = x.reshape(2, PATCH, 2, PATCH).swapaxes(1, 2)
        return x.reshape(4, PATCH, PATCH, 1)

    return {"petals": cut(photo), "nuclei": cut(nuclei)}


def wavelets(x: np.ndarray) -> np.ndarray:
    """Logarithms of the mean size and of the root mean square of Haar coefficients.

    Args:
        x: an image, [H, W, 1], whose sides 8 divides.

    Returns:
        [18]: for each of three scales, for three directions, both.
    """
    x, found = x[..., 0].astype(np.float64), []
    for _ in range(SCALES):
        a, b = x[::2, ::2], x[::2, 1::2]
        c, d = x[1::2, ::2], x[1::2, 1::2]
        for part in (a - b + c - d, a + b - c - d, a - b - c + d):
            part = part / 2
            found += [np.abs(part).mean(), np.sqrt(np.square(part).mean())]
        x = (a + b + c + d) / 2
    return np.log(found)


def distance(x: np.ndarray, held: np.ndarray) -> tuple[float, float]:
    """Of an image's wavelets to those of patches, the mean over these: of all numbers,
    and of the differences of both of a band, which tell of tails alone."""
    apart = [(wavelets(x) - wavelets(patch)).reshape(-1, 2) for patch in held]
    length = lambda a: np.sqrt(np.square(a).mean())
    return (
        float(np.mean([length(a) for a in apart])),
        float(np.mean([length(a[:, 0] - a[:, 1]) for a in apart])),
    )


def phases(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Noise with the spectrum of an image [H, W, 1]."""
    noise = np.fft.fft2(rng.normal(size=x.shape[:2]))
    whole = np.fft.fft2(x[..., 0])
    made = np.fft.ifft2(np.abs(whole) * noise / np.abs(noise)).real
    return np.float32(made)[..., None]


def _report(report, cfg, numbers, shown, found) -> None:
    mean = lambda name: float(np.mean([numbers[f"{name}/{s}"] for s in cfg.seeds]))
    rows = [(name, *(mean(f"{name}/{kind}") for kind in KINDS)) for name in found]
    title = "Distance to held-out patches, the mean of the seeds"
    report.show(("texture", *KINDS), rows, title)
    tails = [(n, *(mean(f"{n}/{kind}/tails") for kind in KINDS)) for n in found]
    report.show(("texture", *KINDS), tails, "The same of tails alone")
    edge = ((0, PATCH), (0, PATCH), (0, 0))  # what is made may be smaller
    crop = lambda x: np.pad(x, edge, "edge")[:PATCH, :PATCH]
    tiles = np.clip((np.stack([crop(x) for x in shown.values()]) + 2) / 5, 0, 1)
    figure = figures.gallery(tiles, list(shown), len(KINDS))
    report.figure(figure, "Of the first seed; up to 48 pixels.", "textures")


if __name__ == "__main__":
    run(main, Config)
