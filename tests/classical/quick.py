"""Trees compiled in a quarter of the time: the fixture of tests on little data.

Growing compiles into a hundred small kernels. Without LLVM's optimisation, and by the
older emitters, that takes 0.8 s of a core in place of 3; the program is as slow as it
may be, which tests on some hundred examples do not feel.

    from tests.classical.quick import OPTIONS, quick  # noqa: F401

    pytestmark = pytest.mark.usefixtures("quick")
"""

import jax
import pytest

from zoo.classical import boosting, tree

OPTIONS = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


def _quickly(function, static):
    """A jitted function with these options; inside another jit, which has its own, it
    is the plain function."""
    plain = function.__wrapped__
    fast = jax.jit(plain, static_argnames=static, compiler_options=OPTIONS)

    def call(*args):
        traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(args))
        return (plain if traced else fast)(*args)

    call.clear_cache = fast.clear_cache
    return call


PLANT = _quickly(tree.plant, ("rules",))
FIT = _quickly(boosting._fit, ("loss", "num_classes", "options"))


@pytest.fixture(scope="module")
def quick():
    """Trees, forests and boosting compile quickly in this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "plant", PLANT)
        patch.setattr(boosting, "_fit", FIT)
        yield
