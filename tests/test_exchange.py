"A network in the words of other libraries: the same outputs there, and what can't be said is refused."

import json
import os

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as read_file
from safetensors.numpy import save_file as write_file
from safetensors.torch import load_file, save_file
from torch import nn

from dlnbook.activation import Activation
from dlnbook.data import Scaling
from dlnbook.exchange import as_arrays, from_arrays, from_torch, load_tensors, save_tensors, to_torch
from dlnbook.network import Network
from dlnbook.nonlinearities import elu, gelu, leaky_relu, lecun_tanh, silu

X = np.random.default_rng(0).normal(size=(7, 4))
SHARED = ["relu", "tanh", "sigmoid", "identity", silu, gelu, leaky_relu(0.2), elu(0.5)]


@pytest.mark.parametrize("f", SHARED, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_are_the_same_there_and_back(f, dtype, tmp_path):
    network = Network((4, 5, 3, 2), f, rng=1, dtype=dtype, head="sigmoid")
    model, rows = to_torch(network), X.astype(dtype)
    there = model(torch.from_numpy(rows)).detach().numpy()
    np.testing.assert_allclose(there, network.scores(rows), rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-6 if dtype == np.float32 else 1e-14)
    again = from_torch(model, "sigmoid")
    assert np.array_equal(again.parameters, network.parameters) and again.dtype == dtype
    assert [each.name for each in again.activations] == [each.name for each in network.activations]
    save_tensors(network, tmp_path / "ours.safetensors")
    model.load_state_dict(load_file(tmp_path / "ours.safetensors"))
    save_file(model.state_dict(), tmp_path / "theirs.safetensors")
    found = load_tensors(tmp_path / "theirs.safetensors", f, "sigmoid")
    assert np.array_equal(found.scores(rows), network.scores(rows))


def test_training_there_changes_nothing_here():
    network = Network((4, 3, 2), rng=0)
    before, model = network.parameters.copy(), to_torch(network)
    with torch.no_grad():
        model[0].weight += 1
    assert np.array_equal(network.parameters, before)


def test_classes_are_in_the_file(tmp_path):
    network = Network((4, 3, 2), rng=0)
    network.save(tmp_path / "a.npz", classes=["no", "yes"])
    from dlnbook.network import load

    save_tensors(load(tmp_path / "a.npz"), tmp_path / "a.safetensors")
    assert load_tensors(tmp_path / "a.safetensors").classes.tolist() == ["no", "yes"]


def scaled(tmp_path):
    from dlnbook.network import load

    Network((4, 3, 2), rng=0).save(tmp_path / "scaled.npz", scaling=Scaling.of(X))
    return load(tmp_path / "scaled.npz")


OWN = Activation("own", np.sin, np.cos)
FALSE_RELU = Activation("relu", np.sin, np.cos)
REFUSED = [
    (lambda p: to_torch(Network((4, 3, 2), OWN)), "activation functions of relu.*got own"),
    (lambda p: to_torch(Network((4, 3, 2), FALSE_RELU)), "activation functions of"),
    (lambda p: to_torch(Network((4, 3, 2), lecun_tanh)), "got lecun_tanh"),
    (lambda p: to_torch(scaled(p)), "got one with a scaling"),
    (lambda p: from_torch(nn.Linear(4, 2)), "expected a Sequential, got Linear"),
    (lambda p: from_torch(nn.Sequential(nn.Conv2d(1, 2, 3))), r"model\[0\]: expected a Linear layer with biases, got Conv2d"),
    (lambda p: from_torch(nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.Linear(3, 2))), r"model\[1\]: .*got Dropout"),
    (lambda p: from_torch(nn.Sequential(nn.Linear(4, 3, bias=False))), r"model\[0\]: expected a Linear layer with biases"),
    (lambda p: from_torch(nn.Sequential(nn.Linear(4, 3), nn.ReLU())), r"model\[1\]: expected a Linear layer at the end"),
    (lambda p: from_torch(nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 2))), r"model\[1\]: .*approximate='none'"),
    (lambda p: from_torch(nn.Sequential(nn.Linear(4, 3).half())), "float32 or float64 alone, got float16"),
    (lambda p: from_torch(nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 2))), "shapes that can be chained"),
    (lambda p: from_torch(nn.Sequential()), "expected a Linear layer at the end, got nothing"),
    (lambda p: from_arrays({"0.weight": X}), "expected one called '0.bias'"),
    (lambda p: from_arrays(as_arrays(Network((4, 3, 2))) | {"9.weight": X}), "expected one called '4.weight', got 9.weight"),
    (lambda p: from_arrays(as_arrays(Network((4, 3, 2)), "keras")), "expected one called '0.weight'"),
]


@pytest.mark.parametrize("call, said", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_said_is_refused_by_name(call, said, tmp_path):
    with pytest.raises((TypeError, ValueError), match=said):
        call(tmp_path)


def test_files_that_are_none(tmp_path):
    file = tmp_path / "x.safetensors"
    save_file({"0.weight": torch.ones(2, 3).bfloat16(), "0.bias": torch.ones(2).bfloat16()}, file)
    with pytest.raises((TypeError, ValueError), match="float32 or float64"):
        load_tensors(file, "relu")
    save_tensors(Network((4, 3, 2), OWN), file)
    with pytest.raises(ValueError, match=r"of which the file says \['own'\]"):
        load_tensors(file)
    assert load_tensors(file, OWN).activations == (OWN,)
    content = file.read_bytes()
    for damaged in (b"", content[:40], content[:-3], b"PK" + content, content + b"0"):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="path: expected"):
            load_tensors(file, "relu")


def test_nothing_is_lost_by_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(OSError):
        save_tensors(Network((4, 3, 2)), tmp_path / "no folder" / "a")
    save_tensors(Network((4, 2)), tmp_path / "a")
    size = int.from_bytes((tmp_path / "a").read_bytes()[:8], "little")
    assert json.loads((tmp_path / "a").read_bytes()[8 : 8 + size])["__metadata__"]["format"] == "pt"


BESIDE = [("pencil", leaky_relu(0.5)), ("wide", "tanh"), ("deep", "relu")]


@pytest.fixture(scope="module")
def keras():
    "Keras on PyTorch's engine."
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    assert keras.backend.backend() == "torch"
    yield keras
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("earlier", [0, 1])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name, f", BESIDE, ids=[name for name, _ in BESIDE])
def test_what_keras_itself_computes(name, f, dtype, earlier, keras, tmp_path):
    "The same outputs there, by a file of ours; the same parameters here, by a file with the names that Keras gives, to a session's first model and to its second."
    widths = {"pencil": (2, 2, 2, 3), "wide": (3, 5, 4, 2), "deep": (4, 4, 4, 4, 4)}[name]
    network, rng = Network(widths, f, rng=1, dtype=dtype), np.random.default_rng(2)
    for r in range(1, network.R + 2):
        network.b[r] = rng.normal(size=network.b[r].shape)
    keras.utils.clear_session(free_memory=False)
    keras.config.set_dtype_policy(np.dtype(dtype).name)
    layers = keras.layers
    for _ in range(earlier):
        keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    between = lambda: layers.Activation(f) if isinstance(f, str) else layers.LeakyReLU(negative_slope=0.5)
    parts = [part for width in widths[1:] for part in (layers.Dense(width), between())][:-1]
    model = keras.Sequential([keras.Input(widths[:1]), *parts])

    save_tensors(network, tmp_path / "ours.safetensors", layout="keras")
    ours, dense = read_file(tmp_path / "ours.safetensors"), [part for part in parts if isinstance(part, layers.Dense)]
    assert len(ours) == 2 * len(dense) == len(model.weights)
    for index, layer in enumerate(dense):
        place = f"dense_{index}" if index else "dense"
        layer.kernel.assign(ours[f"{place}/kernel"])
        layer.bias.assign(ours[f"{place}/bias"])
    rows = rng.normal(size=(8, widths[0])).astype(dtype)
    outputs = keras.ops.convert_to_numpy(model(rows))
    np.testing.assert_allclose(outputs, network.scores(rows), rtol=1e-5, atol=1e-6)  # on this engine, Keras multiplies in float32, float64 or not

    arrays = {weight.path: keras.ops.convert_to_numpy(weight.value) for weight in model.weights}
    assert next(iter(arrays)) == ("sequential_1/dense_1/kernel" if earlier else "sequential/dense/kernel")
    write_file(arrays, tmp_path / "theirs.safetensors")
    again = load_tensors(tmp_path / "theirs.safetensors", f, layout="keras")
    assert again.dtype == dtype and np.array_equal(again.parameters, network.parameters)
    gap = {path: array for path, array in arrays.items() if path != dense[-2].kernel.path}
    with pytest.raises(ValueError, match="expected one called"):
        from_arrays(gap, f, layout="keras")
    twice = arrays | {path.split("/", 1)[1]: array for path, array in arrays.items()}
    with pytest.raises(ValueError, match="expected those of one network"):
        from_arrays(twice, f, layout="keras")
