"""The table of optimizers: name -> constructor.

A new optimizer is one file, one row here, one line in `__init__`.
"""

import fnmatch
import inspect
from typing import Any

import optax

from optim.adabelief import adabelief
from optim.adadelta import adadelta
from optim.adafactor import adafactor
from optim.adagrad import adagrad
from optim.adam import adam
from optim.adamax import adamax
from optim.adamw import adamw
from optim.amsgrad import amsgrad
from optim.errors import unknown
from optim.lamb import lamb
from optim.lars import lars
from optim.lion import lion
from optim.lookahead import lookahead
from optim.momentum import momentum
from optim.muon import muon
from optim.nadam import nadam
from optim.nesterov import nesterov
from optim.prodigy import prodigy
from optim.radam import radam
from optim.rmsprop import rmsprop
from optim.sam import sam
from optim.schedule_free_adamw import schedule_free_adamw
from optim.schedule_free_sgd import schedule_free_sgd
from optim.sgd import sgd
from optim.soap import soap
from optim.sophia import sophia
from optim.steepest_descent import steepest_descent
from optim.yogi import yogi

OPTIMIZERS = {
    "adabelief": adabelief,
    "adadelta": adadelta,
    "adafactor": adafactor,
    "adagrad": adagrad,
    "adam": adam,
    "adamax": adamax,
    "adamw": adamw,
    "amsgrad": amsgrad,
    "lamb": lamb,
    "lars": lars,
    "lion": lion,
    "lookahead": lookahead,
    "momentum": momentum,
    "muon": muon,
    "nadam": nadam,
    "nesterov": nesterov,
    "prodigy": prodigy,
    "radam": radam,
    "rmsprop": rmsprop,
    "sam": sam,
    "schedule_free_adamw": schedule_free_adamw,
    "schedule_free_sgd": schedule_free_sgd,
    "sgd": sgd,
    "soap": soap,
    "sophia": sophia,
    "steepest_descent": steepest_descent,
    "yogi": yogi,
}


def names(pattern: str = "*") -> list[str]:
    """The optimizers' names, sorted, that match a shell pattern.

    >>> names("mom*")
    ['momentum']
    """
    return sorted(fnmatch.filter(OPTIMIZERS, pattern))


def get(name: str, **kwargs: Any) -> optax.GradientTransformationExtraArgs:
    """The optimizer of that name.

    Args:
        name: one of `names()`.
        **kwargs: the constructor's arguments, learning_rate among them.

    Raises:
        UnknownName: the name is in no row, or a keyword is not an argument of that
            optimizer; the message lists what is allowed.
        ValueError: a value that the optimizer refuses.
    """
    if name not in OPTIMIZERS:
        raise unknown("optimizer", name, OPTIMIZERS)
    allowed = inspect.signature(OPTIMIZERS[name]).parameters
    for keyword in kwargs:
        if keyword not in allowed:
            raise unknown(f"argument of {name}", keyword, allowed)
    return OPTIMIZERS[name](**kwargs)
