"Penalties, dropout and shifts beside PyTorch's, scikit-learn's and SciPy's, their way through fit, bad input."

import inspect
import math
import pickle
import tracemalloc

import numpy as np
import pytest
import torch
from scipy import ndimage

from benchmarks import regularization as benchmark
from dlnbook import regularization
from dlnbook.data import digits
from dlnbook.network import Network, views
from dlnbook.regularization import L1, L2, Dropout, bias_variance, shifted
from dlnbook.fitting import fit
from dlnbook.tape import Tape

torch.set_num_threads(1)

WIDTHS = (6, 9, 7, 4)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 6)), RNG.integers(4, size=40)
PENALTIES = {"L2": L2(0.3), "L1": L1(0.05), "both": L2(0.3) + L1(0.05), "three": L1(0.02) + L2(0.3) + L1(0.03)}


def made(dtype=np.float64, activation="tanh", widths=WIDTHS):
    "A network whose biases are not zero."
    rng = np.random.default_rng(1)
    network = Network(widths, activation, rng=rng, dtype=dtype)
    network.parameters += 0.3 * rng.normal(size=network.parameters.shape)
    return network


def torch_model(network):
    "The same network in torch, double precision."
    layers = []
    for r in range(1, network.R + 2):
        linear = torch.nn.Linear(network.widths[r - 1], network.widths[r], dtype=torch.float64)
        with torch.no_grad():
            linear.weight[...] = torch.tensor(network.W[r])
            linear.bias[...] = torch.tensor(network.b[r])
        layers += [linear, torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def torch_parts(model):
    "Weights and biases of such a model."
    named = list(model.named_parameters())
    return [p for name, p in named if "weight" in name], [p for name, p in named if "bias" in name]


# penalties


@pytest.mark.parametrize("name", list(PENALTIES))
def test_penalties_are_autograd_s(name):
    network, penalty = made(), PENALTIES[name]
    W = [torch.tensor(w, requires_grad=True) for w in network.W[1:]]
    l2, l1 = (0.0 if name == "L1" else 0.3), (0.0 if name == "L2" else 0.05)
    value = sum(l2 / 2 * (w**2).sum() + l1 * w.abs().sum() for w in W)
    value.backward()
    assert penalty.value(network.W) == pytest.approx(float(value.detach()), rel=1e-14)
    G = [None, *(np.ones_like(w) for w in network.W[1:])]
    assert penalty.add_gradient(network.W, G) is None
    for g, w in zip(G[1:], W):
        np.testing.assert_allclose(g, 1 + w.grad.numpy(), rtol=1e-14)


def test_the_derivative_at_zero_is_torch_s():
    w = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    w.abs().sum().backward()
    G = [None, np.zeros((1, 2))]
    L1(2.0).add_gradient([None, np.zeros((1, 2))], G)
    assert G[1].tolist() == w.grad.tolist() == [[0.0, 0.0]]


def test_twenty_steps_with_weight_decay_are_those_of_torch():
    "torch's weight_decay on the weights is our strength; on all parameters it is not."
    for everything in (False, True):
        network = made()
        model = torch_model(network)
        weights, biases = torch_parts(model)
        groups = [{"params": weights, "weight_decay": 0.3}, {"params": biases, "weight_decay": 0.3 if everything else 0.0}]
        optimizer = torch.optim.SGD(groups, lr=0.1)
        work, rng = Tape(network, 16, penalty=L2(0.3)), np.random.default_rng(3)
        for _ in range(20):
            rows = rng.permutation(40)[:16]
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(torch.from_numpy(X[rows])), torch.from_numpy(Y[rows])).backward()
            optimizer.step()
            work.step(X, Y, rows, 0.1)
        apart = max(abs(p.detach().numpy() - q).max() for p, q in zip([*weights, *biases], [*network.W[1:], *network.b[1:]]))
        assert apart > 1e-3 if everything else apart < 1e-12


@pytest.mark.parametrize("name", list(PENALTIES))
def test_twenty_steps_with_a_term_in_the_loss_are_those_of_torch(name):
    network = made()
    model = torch_model(network)
    weights, biases = torch_parts(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    l2, l1 = (0.0 if name == "L1" else 0.3), (0.0 if name == "L2" else 0.05)
    work, rng = Tape(network, 16, penalty=PENALTIES[name]), np.random.default_rng(3)
    for _ in range(20):
        rows = rng.permutation(40)[:16]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(torch.from_numpy(X[rows])), torch.from_numpy(Y[rows]))
        loss = loss + sum(l2 / 2 * (w**2).sum() + l1 * w.abs().sum() for w in weights)
        loss.backward()
        optimizer.step()
        assert work.step(X, Y, rows, 0.1) == pytest.approx(float(loss.detach()), abs=1e-12)
    for p, q in zip([*weights, *biases], [*network.W[1:], *network.b[1:]]):
        np.testing.assert_allclose(q, p.detach().numpy(), rtol=0, atol=1e-12)


def test_the_table_of_conventions_holds_for_scikit_learn():
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPClassifier

    x, t = X[:, :3], X @ np.arange(6.0)
    ours = np.linalg.solve(x.T @ x / 40 + (5.0 / 40) * np.eye(3), x.T @ t / 40)  # ½ mean (y − t)² + ½ (λ/M) |w|²
    np.testing.assert_allclose(ours, Ridge(alpha=5.0, fit_intercept=False).fit(x, t).coef_, rtol=1e-10)
    peer = MLPClassifier((9,), "tanh", solver="sgd", alpha=0.8, batch_size=16, learning_rate_init=0.1, momentum=0, max_iter=1, shuffle=False, random_state=0)
    peer.partial_fit(X[:16], Y[:16], classes=range(4))  # sets the weights, one step
    network = made(widths=(6, 9, 4))
    for r in (1, 2):
        network.W[r], network.b[r] = peer.coefs_[r - 1].T, peer.intercepts_[r - 1]
    peer.partial_fit(X[16:32], Y[16:32])
    Tape(network, 16, penalty=L2(0.8 / 16)).step(X, Y, np.arange(16, 32), 0.1)
    for r in (1, 2):
        np.testing.assert_allclose(network.W[r], peer.coefs_[r - 1].T, atol=1e-12)
        np.testing.assert_allclose(network.b[r], peer.intercepts_[r - 1], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (300, 70), (3, 20_000), (20_000, 3)], ids=str)
def test_blocks_cover_everything_and_keep_the_dtype(shape, dtype):
    w = np.random.default_rng(2).normal(size=shape).astype(dtype)
    for penalty, value, slope in ((L2(0.7), 0.35 * (w.astype(float) ** 2).sum(), 0.7 * w), (L1(0.7), 0.7 * abs(w.astype(float)).sum(), 0.7 * np.sign(w))):
        W, G = [None, w, w[:1]], [None, np.zeros(shape, dtype), np.zeros_like(w[:1])]
        found = penalty.value(W[:2])
        assert type(found) is float and found == pytest.approx(value, rel=1e-5 if dtype == np.float32 else 1e-12)
        penalty.add_gradient(W, G)
        assert G[1].dtype == dtype and (W[1] == w).all()
        np.testing.assert_allclose(G[1], slope, rtol=1e-6)
        np.testing.assert_allclose(G[2], slope[:1], rtol=1e-6)


def test_gradients_of_any_layout_are_written_in_place():
    w, room = np.random.default_rng(2).normal(size=(5, 4)), np.zeros((4, 10))
    L2(2.0).add_gradient([None, w], [None, room.T[::2]])
    np.testing.assert_allclose(room.T[::2], 2 * w)
    assert not room.T[1::2].any()


def test_sums_and_names():
    both = L2(1) + L1(0.5)
    assert repr(L2(np.float32(0.5))) == "L2(strength=0.5)" and repr(both) == "L2(strength=1.0) + L1(strength=0.5)"
    assert both == L2(1.0) + L1(0.5) and both != L2(1.0) and hash(both) == hash(L2(1.0) + L1(0.5))
    assert pickle.loads(pickle.dumps(both)) == both and type(L2(np.float64(2)).strength) is float
    for wrong in (3, None, L1, "L1"):
        with pytest.raises(TypeError):
            L2(1.0) + wrong


# dropout


def test_dropout_is_torch_s_given_the_same_coins():
    "Loss and gradient of a network, the coins being handed to torch."
    network, factors = made(), {}

    class Watched(Dropout):
        def forward(self, Z, r, rng):
            before = Z.copy()
            super().forward(Z, r, rng)
            factors[r] = Z / before

    work = Tape(network, 16, noise=Watched(0.4), rng=np.random.default_rng(4))
    loss = work.forward(X, Y, np.arange(16))
    gradient = work.backward().copy()
    Z, W, b = torch.from_numpy(X[:16]), *([torch.tensor(each, requires_grad=True) for each in part[1:]] for part in (network.W, network.b))
    for r in (1, 2):
        Z = torch.tanh(Z @ W[r - 1].T + b[r - 1]) * torch.from_numpy(factors[r])
    theirs = torch.nn.functional.cross_entropy(Z @ W[2].T + b[2], torch.from_numpy(Y[:16]))
    theirs.backward()
    assert loss == pytest.approx(float(theirs.detach()), abs=1e-12)
    dW, db = views(gradient, WIDTHS)
    for r in (1, 2, 3):
        np.testing.assert_allclose(dW[r], W[r - 1].grad.numpy(), atol=1e-12)
        np.testing.assert_allclose(db[r], b[r - 1].grad.numpy(), atol=1e-12)
    assert {round(float(f), 9) for each in factors.values() for f in each.ravel()} == {0.0, round(1 / 0.6, 9)}


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_the_statistics_are_torch_s(rate, dtype):
    B, P = 400, 500
    Z = np.full((B, P), 3.0, dtype)
    Dropout(rate).forward(Z, 1, np.random.default_rng(1))
    torch.manual_seed(0)
    theirs = torch.nn.functional.dropout(torch.full((B, P), 3.0, dtype=torch.float64), rate).numpy()
    assert Z.dtype == dtype
    np.testing.assert_allclose(np.unique(Z), np.unique(theirs), rtol=1e-6)
    off, error = (Z == 0), 5 * math.sqrt(rate * (1 - rate) / Z.size)
    for each in (off, theirs == 0):
        assert abs(each.mean() - rate) < error
        assert abs(each.mean(axis=0) - rate).max() < error * math.sqrt(B)  # no node is preferred,
        assert abs(each.mean(axis=1) - rate).max() < error * math.sqrt(P)  # no sample,
    centered = off - off.mean()
    for neighbor in (centered[1:] * centered[:-1], centered[:, 1:] * centered[:, :-1]):  # and neighbors are independent
        assert abs(neighbor.mean()) < 5 * rate * (1 - rate) / math.sqrt(neighbor.size)
    assert abs(Z.mean(dtype=float) - 3) < 5 * 3 * math.sqrt(rate / (1 - rate) / Z.size)
    assert Z.var(dtype=float) == pytest.approx(9 * rate / (1 - rate), rel=0.05)


def test_rate_zero_is_no_noise_bit_for_bit():
    trained = []
    for noise in (None, Dropout(0), Dropout(0.0)):
        network = made()
        fit(network, X, Y, epochs=3, batch_size=7, eta=0.1, rng=np.random.default_rng(0), noise=noise, progress=False)
        trained.append(network.parameters)
    assert np.array_equal(trained[0], trained[1]) and np.array_equal(trained[0], trained[2])


def test_the_coins_do_not_depend_on_the_layout():
    rows, columns = np.ones((6, 5)), np.ones((5, 6)).T
    for Z in (rows, columns):
        noise = Dropout(0.5)
        noise.forward(Z, 1, np.random.default_rng(0))
        D = np.ones((6, 5))
        noise.backward(D, 1)
        assert np.array_equal(D, Z)
    assert np.array_equal(rows, columns) and 0 < rows.mean() < 2


def test_layers_and_batches_have_coins_of_their_own():
    noise, rng, Z = Dropout(0.5), np.random.default_rng(0), {}
    for r, shape in ((1, (20, 8)), (2, (20, 8)), (1, (3, 8)), (1, (30, 8)), (1, (20, 8))):
        Z[r, shape[0]] = np.ones(shape)
        noise.forward(Z[r, shape[0]], r, rng)
    assert not np.array_equal(Z[1, 20], Z[2, 20])
    for r in (1, 2):
        D = np.ones((20, 8))
        noise.backward(D, r)
        assert np.array_equal(D, Z[r, 20])


def test_the_coins_are_no_part_of_what_a_dropout_is():
    used = Dropout(0.5)
    used.forward(np.ones((2, 3)), 1, 0)
    assert used == Dropout(0.5) and hash(used) == hash(Dropout(0.5)) and repr(used) == "Dropout(rate=0.5)"


def test_prediction_has_no_noise():
    network = made()
    fit(network, X, Y, epochs=2, batch_size=7, eta=0.1, rng=np.random.default_rng(0), noise=Dropout(0.5), progress=False)
    assert np.array_equal(network.predict_proba(X), network.predict_proba(X))


def test_steps_allocate_next_to_nothing():
    network = Network((64, 400, 300, 10), rng=np.random.default_rng(0))
    x, y = digits()
    for how in ({"penalty": L2(0.1)}, {"penalty": L1(0.1) + L2(0.1)}, {"noise": Dropout(0.5), "rng": np.random.default_rng(0)}):
        work, rows = Tape(network, 128, **how), np.arange(128)
        work.step(x, y, rows, 0.01)
        tracemalloc.start()
        for _ in range(5):
            work.step(x, y, rows, 0.01)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 200_000, (how, peak)  # two blocks at most; the weights of layer 2 alone are 960,000 bytes


# fit and checkpoints


class Stop(Exception):
    pass


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("how", [{"penalty": L2(0.01) + L1(0.001)}, {"noise": 0.5}, {"penalty": L1(0.01), "noise": 0.2}], ids=str)
def test_a_training_goes_on_from_a_checkpoint_bit_for_bit(tmp_path, how, dtype):
    def run(epochs, checkpoint=None, callback=None):
        network, options = made(dtype), dict(how)
        if "noise" in how:
            options["noise"] = Dropout(how["noise"])
        history = fit(network, X, Y, epochs=epochs, batch_size=7, eta=0.1, rng=np.random.default_rng(5),
                      checkpoint=checkpoint, callback=callback, progress=False, **options)  # fmt: skip
        return network.parameters, history

    whole, history = run(6)
    run(3, tmp_path / "half")
    resumed, continued = run(6, tmp_path / "half")
    assert np.array_equal(whole, resumed) and history == continued and resumed.dtype == dtype


def test_a_checkpoint_of_another_strength_or_rate_is_refused(tmp_path):
    def run(**how):
        fit(made(), X, Y, epochs=1, batch_size=7, eta=0.1, rng=np.random.default_rng(5), checkpoint=tmp_path / "c", progress=False, **how)

    run(penalty=L2(0.1), noise=Dropout(0.5))
    for how, words in (({"penalty": L2(0.2), "noise": Dropout(0.5)}, "penalty"), ({"penalty": L2(0.1), "noise": Dropout(0.4)}, "noise")):
        with pytest.raises(ValueError, match=words):
            run(**how)
    run(penalty=L2(0.1), noise=Dropout(0.5))
    assert repr(Dropout(0.5)) == "Dropout(rate=0.5)" and Dropout(0.5) == Dropout(0.5) != Dropout(0.4)


def test_shifts_by_a_callback_reach_the_training():
    "fit reads from the array it was given, so what a callback writes into it is trained on."
    seen, x = [], X.copy()

    def flip(epoch, network, history):
        x[...] = -x
        seen.append(network.parameters.copy())

    network = made()
    fit(network, x, Y, epochs=2, batch_size=40, eta=0.1, rng=np.random.default_rng(0), callback=flip, progress=False)
    by_hand = made()
    for data in (X, -X):
        by_hand.parameters -= 0.1 * by_hand.gradient(data, Y)
    np.testing.assert_allclose(network.parameters, by_hand.parameters, atol=1e-12)


# shifts


def test_shifts_are_scipy_s():
    images = np.random.default_rng(3).random((50, 5 * 7))
    u, v = np.random.default_rng(9).integers(-3, 4, (2, 50))
    moved = shifted(images, 3, shape=(5, 7), rng=np.random.default_rng(9))
    for image, found, by in zip(images, moved, zip(u, v)):
        np.testing.assert_array_equal(ndimage.shift(image.reshape(5, 7), by, order=0, cval=0), found.reshape(5, 7))
    assert len(set(zip(u.tolist(), v.tolist()))) > 20


def test_shifts_are_equally_likely_and_change_nothing_else():
    x, _ = digits()
    before = x.copy()
    assert np.array_equal(shifted(x, rng=np.random.default_rng(0)), shifted(x, 1, shape=(8, 8), rng=np.random.default_rng(0)))
    assert (x == before).all()
    lone = np.zeros((9000, 64))
    lone[:, 27] = 1
    places, counts = np.unique(shifted(lone, rng=np.random.default_rng(1)).argmax(axis=1), return_counts=True)
    assert places.tolist() == [18, 19, 20, 26, 27, 28, 34, 35, 36]
    assert abs(counts - 1000).max() < 5 * math.sqrt(1000)


@pytest.mark.parametrize(("given", "returned"), [("float64", "float64"), ("float32", "float32"), ("int64", "float64"), ("uint8", "float64")])
def test_dtypes(given, returned):
    assert shifted(np.ones((2, 64), given), rng=np.random.default_rng(0)).dtype == returned
    bias, variance = bias_variance(np.array([[[1, 0]], [[0, 1]]], given), [0])
    assert bias.dtype == variance.dtype == returned and float(variance[0]) == 1.0 and float(bias[0]) == 0.0


def test_a_seed_will_do():
    x, _ = digits()
    assert np.array_equal(shifted(x, rng=3), shifted(x, rng=np.random.default_rng(3)))
    assert not np.array_equal(shifted(x), shifted(x)), "left out, it is chance"
    Z = np.ones((2, 50, 40))
    Dropout(0.5).forward(Z[0], 1, 3)
    Dropout(0.5).forward(Z[1], 1, np.random.default_rng(3))
    assert np.array_equal(*Z)


# bias and variance


def test_bias_and_variance_are_numpy_s():
    rng = np.random.default_rng(2)
    outputs, labels = rng.dirichlet(np.ones(4), size=(7, 30)), rng.integers(4, size=30)
    T = np.eye(4)[labels]
    bias, variance = bias_variance(outputs, labels)
    np.testing.assert_allclose(variance, outputs.var(axis=0, ddof=1).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(bias + variance, ((outputs - T) ** 2).sum(axis=2).mean(axis=0), rtol=1e-12)
    for a, b in zip(bias_variance(outputs.tolist(), T), (bias, variance)):
        np.testing.assert_array_equal(a, b)
    same = np.repeat(outputs[:1], 3, axis=0)
    bias, variance = bias_variance(same, labels)
    np.testing.assert_allclose(variance, 0, atol=1e-30)
    np.testing.assert_allclose(bias, ((same[0] - T) ** 2).sum(axis=1), rtol=1e-12)


# bad input

W_GOOD, G_GOOD = [None, np.ones((2, 3)), np.ones((1, 2))], [None, np.zeros((2, 3)), np.zeros((1, 2))]
MATRICES = [
    ("list of matrices", TypeError, np.ones((2, 3))), ("list of matrices", TypeError, 3), ("list of matrices", TypeError, "W"),
    ("float32 or float64", TypeError, [None, np.ones((2, 3), int), np.ones((1, 2))]), ("float32 or float64", TypeError, [None, [[1.0]], np.ones((1, 2))]),
    ("float32 or float64", TypeError, [None, np.ones((2, 3), complex), np.ones((1, 2))]), ("got MaskedArray", TypeError, [None, np.ma.ones((2, 3)), np.ones((1, 2))]), ("matrix", ValueError, [None, np.ones(3), np.ones((1, 2))]),
    ("matrix", ValueError, [None, np.ones((2, 0)), np.ones((1, 2))]),
]  # fmt: skip
RNG_BAD = [("a numpy.random.Generator, a seed or None", TypeError, each) for each in ("0", 0.5, True, np.random.RandomState(0))] + [("seed of at least 0", ValueError, -1)]
NUMBER = [("finite", ValueError, math.nan), ("finite", ValueError, math.inf), ("number", TypeError, "1"), ("number", TypeError, 1j), ("number", TypeError, True), ("number", TypeError, None), ("at least 0", ValueError, -0.5)]
COUNT = [("at least 1", ValueError, 0), ("at least 1", ValueError, -1), ("integer", TypeError, 1.0), ("integer", TypeError, True), ("integer", TypeError, "1")]


def dropped(Z, r, rng):
    Dropout(0.5).forward(Z, r, rng)


def passed_back(D):
    noise = Dropout(0.5)
    noise.forward(np.ones((2, 3)), 1, np.random.default_rng(0))
    noise.backward(D, 1)


GOOD = {
    L2: {"strength": 0.1}, L1: {"strength": 0.1}, Dropout: {"rate": 0.5},
    L2(0.1).value: {"W": W_GOOD}, L1(0.1).value: {"W": W_GOOD},
    L2(0.1).add_gradient: {"W": W_GOOD, "G": G_GOOD}, L1(0.1).add_gradient: {"W": W_GOOD, "G": G_GOOD},
    dropped: {"Z": np.ones((2, 3)), "r": 1, "rng": np.random.default_rng(0)}, passed_back: {"D": np.ones((2, 3))},
    shifted: {"X": np.ones((2, 64)), "most": 1, "shape": (8, 8), "rng": np.random.default_rng(0)},
    bias_variance: {"Y": np.full((2, 3, 2), 0.5), "T": np.array([0, 1, 0])},
}  # fmt: skip
BAD = [
    *((f, "strength", *row) for f in (L2, L1) for row in NUMBER),
    *((Dropout, "rate", *row) for row in [*NUMBER, ("below 1", ValueError, 1), ("below 1", ValueError, 1.5)]),
    *((f, "W", *row) for f in GOOD if "W" in GOOD[f] for row in MATRICES),
    *((f, "G", *row) for f in GOOD if "G" in GOOD[f] for row in [*MATRICES, ("shapes", ValueError, W_GOOD[:2]), ("shapes", ValueError, [None, np.zeros((3, 2)), np.zeros((1, 2))])]),
    (dropped, "Z", "float32 or float64", TypeError, np.ones((2, 3), int)), (dropped, "Z", "float32 or float64", TypeError, [[1.0]]),
    (dropped, "Z", "(B, P)", ValueError, np.ones(3)), (dropped, "Z", "got MaskedArray", TypeError, np.ma.ones((2, 3))),
    *((f, "rng", *row) for f in (dropped, shifted) for row in RNG_BAD),
    (passed_back, "D", "(2, 3)", ValueError, np.ones((3, 2))), (passed_back, "D", "(2, 3)", ValueError, np.ones(3)),
    *((shifted, "most", *row) for row in [*COUNT, ("at most 7", ValueError, 8)]),
    *((shifted, "shape", words, error, (8, value)) for words, error, value in COUNT),
    *((shifted, "shape", "pair", TypeError, value) for value in (64, (8,), (4, 4, 4), None)),
    (shifted, "X", "(M, 64)", ValueError, np.ones((2, 63))), (shifted, "X", "(M, 64)", ValueError, np.ones(64)), (shifted, "X", "some numbers", ValueError, np.ones((0, 64))),
    (shifted, "X", "finite", ValueError, np.full((2, 64), np.nan)), (shifted, "X", "real", TypeError, np.ones((2, 64), complex)), (shifted, "X", "real numbers", TypeError, np.full((2, 64), "a")),
    (shifted, "X", "without a mask", TypeError, np.ma.masked_equal(np.ones((2, 64)), 0)), (bias_variance, "Y", "without a mask", TypeError, np.ma.ones((2, 3, 2))),
    (bias_variance, "Y", "2 networks", ValueError, np.ones((1, 3, 2))), (bias_variance, "Y", "(S, M, K)", ValueError, np.ones((3, 2))), (bias_variance, "Y", "finite", ValueError, np.full((2, 3, 2), np.inf)),
    (bias_variance, "Y", "a finite result", ValueError, np.full((2, 3, 2), 1e200)),
    (bias_variance, "Y", "real", TypeError, np.ones((2, 3, 2), complex)), (bias_variance, "Y", "some numbers", ValueError, np.ones((2, 0, 2))),
    (bias_variance, "T", "0 to 1", ValueError, [0, 1, 2]), (bias_variance, "T", "shape (3,)", ValueError, [0, 1]), (bias_variance, "T", "integers", TypeError, [0.0, 1.0, 0.0]),
    (bias_variance, "T", "sum to one", ValueError, np.full((3, 2), 0.4)), (bias_variance, "T", "(3, 2)", ValueError, np.ones((3, 3))), (bias_variance, "T", "finite", ValueError, np.full((3, 2), np.nan)),
]  # fmt: skip


def named(row):
    "A name for a row that is the same in every run."
    return f"{getattr(row[0], '__qualname__', row[0])}-{row[1]}-{row[2]}"


@pytest.mark.parametrize("function, parameter, words, error, value", BAD, ids=map(named, BAD))
def test_bad_input_is_refused_and_changes_nothing(function, parameter, words, error, value):
    good = GOOD[function] | ({"rng": np.random.default_rng(0)} if "rng" in GOOD[function] else {})
    if "G" in good:
        good["G"] = [None, np.zeros((2, 3)), np.zeros((1, 2))]
    function(**good)
    before = {name: pickle.dumps(each) for name, each in good.items()}
    with pytest.raises(error) as caught:
        function(**(good | {parameter: value}))
    message = str(caught.value)
    assert message.startswith(parameter) and "expected" in message and words in message and "got" in message
    assert before == {name: pickle.dumps(each) for name, each in good.items()}


def test_every_parameter_of_every_public_name_has_a_row():
    covered = {(row[0], row[1]) for row in BAD}
    for name in regularization.__all__:
        each = getattr(regularization, name)
        parameters = set(inspect.signature(each).parameters)
        assert parameters == {parameter for function, parameter in covered if function is each}, name


def test_backward_before_forward_is_refused():
    with pytest.raises(ValueError, match="^D: expected .* got"):
        Dropout(0.5).backward(np.ones((2, 3)), 1)


def test_lists_are_refused_even_if_their_shape_is_known():
    noise = Dropout(0.5)
    noise.forward(np.ones((2, 3)), 1, np.random.default_rng(0))
    with pytest.raises(TypeError, match="^Z: expected .* got list"):
        noise.forward([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], 1, np.random.default_rng(0))


# the kept results


def test_the_benchmark_trains_like_the_kept_results():
    "One number of the table again."
    X, y, X_new, y_new = benchmark.data()
    kept = benchmark.EXPERIMENT.kept()["results"]["methods"]["0.2"]["nothing"]
    x, t = benchmark.small_task(X, y, 0, 0.2, 150)
    assert benchmark.train(x[:100], t[:100], 0, 200).loss(X_new, y_new) == pytest.approx(kept["loss"][0], rel=0.02)
