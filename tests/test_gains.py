"Gains and stretches beside PyTorch's, bad input."

import math

import numpy as np
import pytest
import torch

from dlnbook.gains import balanced_gain, own_gain
from dlnbook.initialization import expected_spread
from dlnbook.network import Network
from dlnbook.nonlinearities import leaky_relu
from dlnbook.starts import stretches

torch.set_num_threads(1)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3])
def test_own_gains_are_torch_s(slope):
    assert own_gain(leaky_relu(slope)) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", slope), rel=1e-12)


@pytest.mark.parametrize("layers", [1, 3, 20])
def test_where_the_factor_is_the_same_at_every_spread_both_gains_agree(layers):
    for f in ("relu", "identity", leaky_relu(0.2)):
        for spread in (0.1, 1.0, 7.0):
            assert balanced_gain(f, layers, spread) == pytest.approx(own_gain(f), rel=1e-7)


@pytest.mark.parametrize("layers, spread", [(1, 0.3), (4, 1.0), (10, 2.0)])
@pytest.mark.parametrize("f", ["tanh", "sigmoid"])
def test_at_the_balanced_gain_the_first_gradients_are_expected_to_be_as_long_as_the_last(f, layers, spread):
    "By the recursions of chapter 12, in a network of equal widths."
    gain = balanced_gain(f, layers, spread)
    _, d = expected_spread((50,) * (layers + 2), lambda o, i: gain**2 / i, f, inputs=spread**2)
    assert d[1] == pytest.approx(1, rel=1e-6)


def test_inputs_have_a_spread_of_one_unless_another_is_given():
    assert balanced_gain("tanh", 3) == balanced_gain("tanh", 3, 1.0) != balanced_gain("tanh", 3, 2.0)


def test_stretches_are_those_of_torch_s_jacobian():
    rng = np.random.default_rng(0)
    network = Network((5, 7, 4, 3), ["tanh", "sigmoid"], rng=rng)
    network.parameters += 0.3 * rng.normal(size=network.parameters.shape)
    W, b = ([torch.tensor(each) for each in part[1:3]] for part in (network.W, network.b))
    x = rng.normal(size=5)
    J = torch.autograd.functional.jacobian(lambda z: torch.sigmoid(W[1] @ torch.tanh(W[0] @ z + b[0]) + b[1]), torch.tensor(x))
    np.testing.assert_allclose(stretches(network, x[None]), np.linalg.svd(J.numpy(), compute_uv=False), rtol=1e-12)
    single = Network((5, 7, 4, 3), rng=rng, dtype=np.float32)
    assert stretches(single, x[None]).dtype == np.float32


GOOD = {
    own_gain: {"activation": "relu"},
    balanced_gain: {"activation": "relu", "layers": 3, "spread": 1.0},
    stretches: {"network": Network((3, 2, 2), rng=np.random.default_rng(0)), "X": np.ones((1, 3))},
}
BAD = [
    *((f, "activation", "rleu", ValueError, "one of") for f in (own_gain, balanced_gain)),
    *((f, "activation", 3, TypeError, "functions f and df") for f in (own_gain, balanced_gain)),
    (balanced_gain, "layers", 0, ValueError, "at least 1"),
    (balanced_gain, "layers", 1.0, TypeError, "integer"),
    (balanced_gain, "spread", 0.0, ValueError, "positive"),
    (balanced_gain, "spread", math.nan, ValueError, "finite"),
    (stretches, "network", 3, TypeError, "Network"),
    (stretches, "X", np.ones((2, 3)), ValueError, "(1, 3)"),
    (stretches, "X", np.full((1, 3), np.nan), ValueError, "finite"),
    (stretches, "X", np.ones((1, 3)) + 1j, TypeError, "real"),
]


@pytest.mark.parametrize("function, parameter, value, error, words", BAD)
def test_bad_input_is_refused(function, parameter, value, error, words):
    function(**GOOD[function])
    with pytest.raises(error) as caught:
        function(**(GOOD[function] | {parameter: value}))
    assert str(caught.value).startswith(f"{parameter}: expected") and words in str(caught.value)


def test_a_function_that_no_gain_makes_pass_is_refused():
    class Flat:
        f, df = staticmethod(np.ones_like), staticmethod(np.zeros_like)

    with pytest.raises(ValueError, match="^activation: expected a product of 1"):
        balanced_gain(Flat(), 2)


@pytest.mark.parametrize("gain, found", [(0.099, False), (0.101, True), (29.9, True), (30.1, False)])
def test_gains_are_sought_from_a_tenth_to_thirty(gain, found):
    "A line of slope 1/gain passes everything on at this gain alone."

    class Line:
        f, df = staticmethod(lambda a: a / gain), staticmethod(lambda a: np.full_like(a, 1 / gain))

    if found:
        assert balanced_gain(Line(), 1) == pytest.approx(gain, abs=1e-8)
    else:
        with pytest.raises(ValueError, match="for some gain from 0.1 to 30, got"):
            balanced_gain(Line(), 1)
