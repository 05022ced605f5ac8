"""The references that others wrote: import them from here, not by name.

    from tests.references import torch, torchvision, timm, pytorchcv

torchvision's compiled operators do not load beside a CPU-only torch, and its import
then fails for want of the schemas of two of them. Only in that case they are
declared here, which is enough for every model class; `torchvision.ops.nms` itself
stays without code. torchvision's plain `roi_align` asks for torch's compiler, which
takes 30 s to start; here it runs as written. The references run on one thread: the
tests already share the cores among processes.
"""

import importlib
import os
import sys

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # read when torch is imported

import torch  # noqa: E402

torch.set_num_threads(1)

_library = None  # a declaration lasts as long as its Library object


def _import_torchvision():
    global _library
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # what the failed import has left behind
        _library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            _library.define(
                f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        import torchvision
    return torchvision


torchvision = _import_torchvision()

import timm  # noqa: E402  (it imports torchvision, so only now)


def pytorchcv(module, **options):
    """A network of pytorchcv, by its `get_MODULE`; without its file of all of them."""
    found = importlib.import_module(f"pytorchcv.models.{module}")
    return getattr(found, f"get_{module}")(**options)


def randomize(net):
    """Every parameter and buffer, so that activations keep their size."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if not tensor.is_floating_point():
                continue
            if tensor.ndim > 1:
                fan = tensor[0].numel()
                tensor.normal_(0, (2 / fan) ** 0.5, generator=generator)
            elif name.endswith(("running_var", "weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            else:
                tensor.normal_(0, 0.1, generator=generator)


__all__ = ["pytorchcv", "randomize", "timm", "torch", "torchvision"]
