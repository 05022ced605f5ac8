"""Files that PyTorch wrote, in both of its forms."""

import numpy as np
import pytest

import zoo
from tests.references import torch
from zoo.data.formats import DataError

KINDS = (
    *("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16"),
    *("int8", "uint8", "bool"),
)
FORMS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def saved(path, found, zipped):
    torch.save(found, path, _use_new_zipfile_serialization=zipped)
    return path


@FORMS
def test_tensors_of_every_type_and_their_views(zipped, tmp_path):
    base = torch.arange(12).reshape(3, 4)
    found = {kind: base.to(getattr(torch, kind)) for kind in KINDS}
    found |= {
        "turned": found["float32"].T,
        "part": found["float32"][1:, ::2],
        "scalar": torch.tensor(5.0),
        "empty": torch.zeros(0, 3),
        "learned": torch.nn.Parameter(torch.ones(2, 3)),
    }
    got = zoo.convert.read(saved(tmp_path / "file", found, zipped))
    assert list(got) == list(found)
    for name, tensor in found.items():
        tensor = tensor.detach()
        wide = tensor.float() if name == "bfloat16" else tensor
        assert got[name].dtype.name == str(tensor.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(got[name].astype(wide.numpy().dtype), wide)


@FORMS
def test_state_dicts_and_checkpoints(zipped, tmp_path):
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    state = net.state_dict()
    several = {f"module.{name}": tensor for name, tensor in state.items()}
    for found in (
        state,
        several,
        {"epoch": 3, "state_dict": several, "optimizer": optimizer.state_dict()},
        {"model": state},
    ):
        got = zoo.convert.read(saved(tmp_path / "file", found, zipped))
        assert list(got) == list(state)
        for name, tensor in state.items():
            np.testing.assert_array_equal(got[name], tensor.numpy())


@FORMS
def test_a_pickled_model_is_refused(zipped, tmp_path):
    path = saved(tmp_path / "file", torch.nn.Linear(2, 3), zipped)
    with pytest.raises(DataError, match=r"refused; .*torch.nn.modules.linear.Linear"):
        zoo.convert.read(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = saved(tmp_path / "file", {"w": torch.ones(100)}, False)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="truncated within storage"):
        zoo.convert.read(path)
