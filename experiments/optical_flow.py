"""Coarse to fine, optical flow finds motions that one level of differences misses.

Run:    python -m experiments.optical_flow
        python -m experiments.optical_flow --levels 5 --warps 5
        python -m experiments.optical_flow --motorcycle FOLDER

Expect: of motions of about three pixels (up to four) Horn and Schunck's method on one
level misses 0.30 to 0.57 pixels, with a pyramid 0.02; Lucas and Kanade's 0.27 to 0.47,
with a pyramid 0.01 (translation) to 0.10 (zoom: its windows move as one). Of half a
pixel all miss 0.02 or less. The motorcycle, with motions of up to 60 pixels: 33.8 and
34.3 on one level, 3.7 and 4.6 with a pyramid. 50 seconds of a CPU core, with the
motorcycle two and a half minutes. A test holds a smaller run to it.

A photo is warped by motions that are known exactly: second(x + w(x)) = first(x), where
second is the photo and first is read from it between its pixels, by a wider kernel
(Lanczos, 8x8 pixels) than the one by which the methods warp. The eight rows of pixels
along each side are left out of the errors: there motion leads out of the image.
`--motorcycle` takes a folder or a wheel, as `zoo.data.motorcycle` says.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import zoo
import zoo.functional as F
from zoo.training import figures
from zoo.training.cli import run
from zoo.training.parallel import jit_once  # compiling is most of the time
from zoo.training.report import Report

GREY = (0.299, 0.587, 0.114)
MARGIN = 8  # pixels by which the photo is larger than the images


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags.

    Attributes:
        size: height and width of the images, cut from the middle of the photo, to 128.
        alpha: weight of smoothness of Horn and Schunck.
        window: side of Lucas and Kanade's window, odd.
        levels: of the pyramid.
        warps: on each level.
        motorcycle: where the motorcycle pair lies; without, it is left out.
        run: the run folder.
    """

    size: int = 128
    alpha: float = 0.05
    window: int = 15
    levels: int = 4
    warps: int = 3
    motorcycle: str | None = None
    run: str = "runs/optical_flow"


def main(cfg: Config) -> dict[str, float]:
    """Estimates every motion by every method, prints the errors, writes the report.

    Returns:
        `MOTION/METHOD/endpoint` in pixels and `MOTION/METHOD/angular` in degrees,
        means over the image.

    Raises:
        ValueError: a flag out of range.
    """
    if not 32 <= cfg.size <= 144 - 2 * MARGIN:
        raise ValueError(f"size must be from 32 to 128, got {cfg.size}")
    if cfg.window < 1 or cfg.window % 2 == 0:
        raise ValueError(f"window must be odd and positive, got {cfg.window}")
    if not cfg.alpha > 0 or min(cfg.levels, cfg.warps) < 1:
        raise ValueError(
            f"alpha, levels and warps must be positive, got {cfg.alpha}, {cfg.levels} "
            f"and {cfg.warps}"
        )
    methods = _methods(cfg, cfg.levels)
    report = Report("Optical flow", "a photo in motion", dataclasses.asdict(cfg))
    rows, numbers = [], {}
    for motion, field in _motions(cfg.size).items():
        first, second, truth = _pair(field, cfg.size)
        known = np.zeros(truth.shape[:2], bool)
        known[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
        _measure(motion, methods, (first, second, truth, known), report, rows, numbers)
    if cfg.motorcycle is not None:
        images = _motorcycle(cfg.motorcycle)
        methods = _methods(cfg, cfg.levels + 2)  # motions of up to 60 pixels
        _measure("motorcycle", methods, images, report, rows, numbers)
    headers = ("motion", "method", "endpoint, pixels", "angular, degrees")
    report.show(headers, rows, "Mean errors over the pixels whose motion is known")
    print(f"report: {report.write(Path(cfg.run, 'report.html'))}")
    return numbers


def _methods(cfg: Config, levels: int):
    fine = dict(levels=levels, warps=cfg.warps)
    smooth = lambda a, b, **more: F.horn_schunck(a, b, cfg.alpha, **more)
    local = lambda a, b, **more: F.lucas_kanade(a, b, cfg.window, **more).flow
    return {
        "Horn-Schunck": jit_once(smooth),
        "Horn-Schunck, pyramid": jit_once(lambda a, b: smooth(a, b, **fine)),
        "Lucas-Kanade": jit_once(local),
        "Lucas-Kanade, pyramid": jit_once(lambda a, b: local(a, b, **fine)),
    }


def _motions(size: int):
    """Name -> (u, v) of (x, y) from the centre; the largest is about 4 pixels."""
    angle = 6 / size  # 3 pixels at the middle of a side
    c, s = np.cos(angle) - 1, np.sin(angle)
    return {
        "half a pixel": lambda x, y: (0.4 + 0 * x, -0.3 + 0 * y),
        "translation": lambda x, y: (2.3 + 0 * x, -1.4 + 0 * y),
        "rotation": lambda x, y: (c * x - s * y, s * x + c * y),
        "zoom": lambda x, y: (angle * x, angle * y),
    }


def _pair(field, size: int):
    """Two grey images and the exact flow from the first to the second."""
    wide = size + 2 * MARGIN
    start = (144 - wide) // 2
    image = jnp.asarray(zoo.data.photo(), jnp.float32) / 255 @ jnp.array(GREY)
    second = _blurred(image)[start : start + wide, start : start + wide]
    x, y = np.meshgrid(np.arange(wide), np.arange(wide))
    u, v = field(x - (wide - 1) / 2, y - (wide - 1) / 2)
    first = _lanczos(np.asarray(second, float), x + u, y + v)
    cut = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN]
    arrays = (first, second, np.stack([u, v], axis=-1))
    return [jnp.asarray(a[cut], jnp.float32) for a in arrays]


def _lanczos(image, x, y, reach=4):
    """Values at (x, y), from 2 reach x 2 reach pixels each."""
    weights, places = [], []
    for at, size in ((y, image.shape[0]), (x, image.shape[1])):
        place = np.floor(at).astype(int)[..., None] + np.arange(1 - reach, 1 + reach)
        away = at[..., None] - place
        weight = np.sinc(away) * np.sinc(away / reach)
        weights.append(weight / weight.sum(-1, keepdims=True))
        places.append(np.clip(place, 0, size - 1))
    values = image[places[0][..., :, None], places[1][..., None, :]]
    return np.einsum("hwi,hwj,hwij->hw", *weights, values)


def _motorcycle(place: str):
    pair = zoo.data.motorcycle(place)
    grey = [_blurred(jnp.asarray(x) @ jnp.array(GREY)) for x in pair[:2]]
    return *grey, jnp.asarray(pair.flow), np.isfinite(pair.flow).all(-1)


def _blurred(image):
    """By a binomial of deviation 1: between sharp pixels no method can read."""
    weights = jnp.array([1, 4, 6, 4, 1], jnp.float32) / 16
    for axis in (0, 1):
        pad = [(2, 2) if axis == a else (0, 0) for a in (0, 1)]
        blur = lambda line: jnp.convolve(line, weights, mode="valid")
        image = jax.vmap(blur, 1 - axis, 1 - axis)(jnp.pad(image, pad, mode="edge"))
    return image


def _measure(motion, methods, images, report, rows, numbers) -> None:
    first, second, truth, known = images
    length = np.hypot(*np.moveaxis(np.asarray(truth), -1, 0))
    longest = float(length[np.isfinite(length)].max())
    full = 1.25 * longest  # an estimate just above the truth is no dark spot
    color = lambda flow: np.asarray(F.flow_to_color(flow, full))
    grey = lambda image: np.repeat(np.clip(np.asarray(image), 0, 1)[..., None], 3, -1)
    pictures = {"first": grey(first), "second": grey(second), "true flow": color(truth)}
    maps = {}
    for name, method in methods.items():
        flow = method(first, second)
        error = np.asarray(F.endpoint_error(flow, truth))
        angle = np.asarray(F.angular_error(flow, truth))
        of = {"endpoint": error[known].mean(), "angular": angle[known].mean()}
        numbers |= {f"{motion}/{name}/{k}": float(v) for k, v in of.items()}
        rows.append((motion, name, f"{of['endpoint']:.3f}", f"{of['angular']:.2f}"))
        pictures[name] = color(flow)
        bright = np.clip(np.where(known, error, 0) / longest, 0, 1)
        maps[f"error of {name}"] = grey(bright)
    pictures |= {"the wheel": _wheel(first.shape), **maps}
    figure = figures.gallery(list(pictures.values()), list(pictures))
    report.figure(
        figure,
        f"{motion}: flow by the colour wheel, full at {full:.1f} pixels; errors "
        "from black, none, to white, as large as the longest motion.",
        motion.replace(" ", "_"),
    )


def _wheel(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    flow = np.stack([x - shape[1] / 2, y - shape[0] / 2], axis=-1)
    longest = min(shape) / 2
    flow[np.hypot(*flow.transpose(2, 0, 1)) > longest] = 0  # white outside
    return np.asarray(F.flow_to_color(jnp.asarray(flow, jnp.float32), longest))


if __name__ == "__main__":
    run(main, Config)
