"The tape: the same numbers as the plain network, in memory that is there; seams, memory, bad input."

import json
import re
import tracemalloc
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from benchmarks.training_step_versions import VERSIONS
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlnbook import scale, tape
from dlnbook.activation import ACTIVATIONS, Activation
from dlnbook.descent import batches
from dlnbook.loss import one_hot
from dlnbook.network import Network, views
from dlnbook.numeric import central_difference
from dlnbook.tape import Tape, tape_bytes

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SQUARE = Activation("square", lambda A: A * A / 4, lambda A: A / 2)
BARE = SimpleNamespace(f=np.sin, df=np.cos)
LOUD = Activation(
    "loud", lambda A: 2 * A, lambda A: np.full_like(A, 2),
    lambda A, Z: np.multiply(A, 2, out=Z), lambda A, Z, D: np.multiply(D, 2, out=D),
)  # fmt: skip
OWN = {"square": SQUARE, "bare": BARE, "loud": LOUD}


def made(widths, activation="relu", seed=0, dtype="float64", M=30, soft=False):
    "A network with biases, and data."
    rng = np.random.default_rng(seed)
    network = Network(widths, activation, rng=rng, dtype=dtype)
    for b in network.b[1:]:
        b[:] = rng.normal(0, 0.3, b.shape)
    X, y = rng.normal(size=(M, widths[0])).astype(dtype), rng.integers(0, widths[-1], M)
    return network, X, rng.dirichlet(np.ones(widths[-1]), M) if soft else y, rng


def near(ours, theirs, tolerance):
    "Equal up to a part of the norm."
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    assert np.linalg.norm(ours - theirs) <= tolerance * np.linalg.norm(theirs) + 1e-30


# The same numbers


@st.composite
def cases(draw):
    R = draw(st.integers(0, 5))
    widths = tuple(draw(st.integers(1, 40)) for _ in range(R + 2))
    names = [draw(st.sampled_from([*ACTIVATIONS, *OWN])) for _ in range(R)]
    dtype = draw(st.sampled_from(["float32", "float64"]))
    case = made(widths, [OWN.get(name, name) for name in names], draw(st.integers(0, 2**32 - 1)), dtype, 80, draw(st.booleans()))
    return *case, draw(st.integers(1, 64)), draw(st.integers(1, 64))


@SETTINGS
@given(cases())
def test_random_networks(case):
    network, X, T, rng, batch_size, count = case
    work, tolerance = Tape(network, batch_size), 1e-12 if network.dtype == "float64" else 2e-5
    for B in (batch_size, min(count, batch_size), batch_size):
        rows = rng.choice(80, B)
        g, theta = network.gradient(X[rows], T[rows]), network.parameters.copy()
        loss = work.forward(X, T, rows)
        assert loss == pytest.approx(network.loss(X[rows], T[rows]), rel=tolerance, abs=1e-6 if tolerance > 1e-6 else 1e-14)
        gradient = work.backward()
        assert gradient is work.gradient
        size = np.linalg.norm(g) + np.abs(X).max() * 1e-3  # sums that cancel leave the rounding of what went in
        assert np.linalg.norm(gradient - g) <= tolerance * size
        assert work.step(X, T, rows, 0.01) == loss
        assert np.linalg.norm(network.parameters - (theta - 0.01 * g)) <= tolerance * (np.linalg.norm(theta) + size)
        network.parameters[...] = theta


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", ["tanh", "relu", "sigmoid", "square", "bare", "loud"])
def test_a_training_with_a_smaller_last_batch_is_followed(name, soft):
    network, X, T, _ = made((6, 9, 8, 4), OWN.get(name, name), M=50, soft=soft)
    plain, work = network.copy(), Tape(network, 16)
    for _ in range(5):
        for rows in batches(50, 16, np.random.default_rng(1)):
            assert work.step(X, T, rows, 0.1) == pytest.approx(plain.loss(X[rows], T[rows]), rel=1e-11)
            plain.parameters -= 0.1 * plain.gradient(X[rows], T[rows])
    near(network.parameters, plain.parameters, 1e-11)


@pytest.mark.parametrize("widths", [(9, 70_000, 2), (5000, 300, 4), (40, 3000, 600, 3), (1_100_000, 1, 2)])
@pytest.mark.parametrize("penalty", [False, True])
def test_large_layers_are_cut_into_tiles_and_nothing_is_missed(widths, penalty):
    network, X, y, rng = made(widths, M=12)
    plain, work = network.copy(), Tape(network, 7, penalty=Ridge() if penalty else None)
    assert any(W.nbytes > 4 * tape._CACHE for W in network.W[1:])
    for rows in ([3, 1, 4, 1, 5, 9, 2], [6, 5]):
        g = plain.gradient(X[rows], y[rows])
        if penalty:
            Ridge().add_gradient(plain.W, views(g, widths)[0])
        work.step(X, y, np.array(rows), 0.05)
        plain.parameters -= 0.05 * g
    near(network.parameters, plain.parameters, 1e-13)
    tiles = work._records[7].step
    assert sum(call is np.matmul for call, _ in tiles) > network.R + 3 and len(tiles) > len(work._records[7].backward)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("P", [1, 2, 4, 7, 16, 28, 32, 64, 100, 128, 256, 1000, 2048])
@pytest.mark.parametrize("N", [8192, 150_528, 2**20])
def test_no_tile_is_a_multiple_of_4096_bytes_long(N, P, dtype):
    "The numbers of a column would compete for the same few places of the cache. The last tile of a row has what is left."
    W, D, Z = np.lib.stride_tricks.as_strided(np.empty(1, dtype), (P, N), (0, 0)), np.empty((P, 2), dtype), np.empty((2, N), dtype)
    calls = tape._tile_calls(D, Z, W, np.empty(max(2 * tape._CACHE, P * tape._RUN * 8), dtype))
    tiles = [part for call, (part, *_) in calls if call is np.add]
    assert sum(part.size for part in tiles) == W.size
    lengths = {part.shape[1] for part in tiles} - {N, N % tiles[0].shape[1]}
    assert all(length * W.itemsize % 4096 for length in lengths) and (lengths or tiles[0].shape[1] == N)


@pytest.mark.parametrize("K", [2, 256, 257, 700])
@pytest.mark.parametrize("soft", [False, True])
def test_few_and_many_classes(K, soft):
    network, X, T, _ = made((4, 5, K), soft=soft)
    work, rows = Tape(network, 9), np.array([3, 3, 0, 29, 7])
    assert work.forward(X, T, rows) == pytest.approx(network.loss(X[rows], T[rows]), rel=1e-13)
    near(work.backward(), network.gradient(X[rows], T[rows]), 1e-13)


def kinds_of_data(tmp_path):
    whole = np.random.default_rng(0).integers(0, 2, (30, 8))
    path = tmp_path / "X"
    mapped = np.memmap(path, "float32", "w+", shape=(30, 4))
    mapped[...] = whole[:, :4]
    yield from (whole[:, :4].astype(kind) for kind in ("float64", "float32", "float16", "uint8", "int64", "bool"))
    yield from (whole[:, ::2], whole.astype(float)[:, ::2], np.asfortranarray(whole[:, :4]).astype(float, order="F"), whole[::-1, :4])
    yield from (mapped, whole[:, :4].tolist())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_of_any_kind(dtype, tmp_path):
    network, _, y, _ = made((4, 6, 3), "tanh", dtype=dtype)
    work, rows = Tape(network, 10), np.array([5, 0, 29, 5])
    for X in kinds_of_data(tmp_path):
        kept = np.array(X)
        for T in (y, y.astype("uint8"), y.tolist(), one_hot(y, 3), one_hot(y, 3).astype("float32"), one_hot(y, 3).astype(int), np.asfortranarray(one_hot(y, 3))):
            expected = network.gradient(kept[rows].astype(dtype), y[rows])
            work.forward(X, T, rows)
            near(work.backward(), expected, 1e-13 if dtype == "float64" else 1e-5)
        assert np.array_equal(kept, X)


def test_all_rows_if_none_are_named():
    network, X, y, _ = made((4, 6, 3))
    work = Tape(network, 64)
    assert work.forward(X, y) == pytest.approx(network.loss(X, y), rel=1e-13)
    near(work.backward(), network.gradient(X, y), 1e-13)


def test_what_is_handed_in_stays_as_it_is():
    network, X, T, rng = made((4, 6, 3), soft=True)
    work, rows = Tape(network, 8, penalty=Ridge(), noise=Dropout(), rng=rng), np.arange(8)
    for array in (X, T, rows):
        array.flags.writeable = False
    for _ in range(3):
        work.step(X, T, rows, 0.1)


def test_new_data_are_noticed():
    network, X, y, rng = made((4, 6, 3))
    work, order = Tape(network, 8), rng.permutation(30)
    for inputs, labels in ((X, y), (X + 1, y), (X, (y + 1) % 3), (X, one_hot(y, 3)), (X, y)):
        rows = order[:8]
        assert work.forward(inputs, labels, rows) == pytest.approx(network.loss(inputs[rows], labels[rows]), rel=1e-13)
    X[:] += 1  # the same array with other numbers
    assert work.forward(X, y, order[:8]) == pytest.approx(network.loss(X[order[:8]], y[order[:8]]), rel=1e-13)
    with pytest.raises(ValueError, match="^rows: expected integers from 0 to 9, got"):
        work.forward(X[:10], y[:10], order[:8])  # good rows a moment ago
    changing = X[:8].tolist()
    first = work.forward(changing, y[:8].tolist())
    changing[0][0] += 3
    assert work.forward(changing, y[:8].tolist()) != first


def test_slices_of_one_array_are_checked_together_and_others_alone():
    network, X, y, _ = made((4, 6, 3))
    work, longer = Tape(network, 8), np.arange(1000)
    expected = network.loss(X[:5], y[:5])
    assert work.forward(X, y, longer[:5]) == pytest.approx(expected, rel=1e-13)  # the rest is of no matter
    with pytest.raises(ValueError, match="^rows: .*0 to 29, got 30"):
        work.forward(X, y, longer[23:31])
    for rows in (longer[:5].view("uint64"), longer[:10].reshape(2, 5)[0], longer[:5].astype("uint8"), [0, 1, 2, 3, 4], longer[4::-1]):
        assert work.forward(X, y, rows) == pytest.approx(expected, rel=1e-13)


# The seams


class Ridge:
    "½ c Σ w²."

    c = 0.3

    def value(self, W):
        return self.c / 2 * sum(float((w * w).sum()) for w in W[1:])

    def add_gradient(self, W, G):
        for w, g in zip(W[1:], G[1:]):
            g += self.c * w


class Dropout:
    "Zeroes some, doubles the others; the same ones every time if it is frozen."

    def __init__(self, frozen=False):
        self.frozen, self.masks, self.seen = frozen, {}, []

    def forward(self, Z, r, rng):
        self.seen.append((r, Z.shape))
        if not (self.frozen and r in self.masks):
            self.masks[r] = 2.0 * (rng.random(Z.shape) < 0.5)
        Z *= self.masks[r]

    def backward(self, D, r):
        D *= self.masks[r]


def slopes(network, work, X, T, rows):
    "The gradient of what `forward` returns, by central differences."

    def loss(parameters):
        network.parameters[...] = parameters[0]
        return work.forward(X, T, rows)

    before = network.parameters.copy()
    [found] = central_difference(loss, [before])
    network.parameters[...] = before
    return found


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "identity", "square", "bare", "loud"])
@pytest.mark.parametrize(("noisy", "punished"), [(True, False), (False, True), (True, True)])
def test_noise_and_penalty_have_the_right_gradient(name, soft, noisy, punished):
    network, X, T, rng = made((4, 6, 5, 3), OWN.get(name, name), soft=soft)
    noise, penalty = Dropout(frozen=True) if noisy else None, Ridge() if punished else None
    work, rows = Tape(network, 9, noise=noise, penalty=penalty, rng=rng), np.array([4, 0, 11, 4, 20])
    plain = network.loss(X[rows], T[rows])
    loss = work.forward(X, T, rows)
    g = work.backward().copy()
    found = slopes(network, work, X, T, rows)
    np.testing.assert_allclose(g, found, rtol=1e-6, atol=1e-8)
    assert (loss == pytest.approx(plain, rel=1e-12)) == (not noisy and not punished)
    theta = network.parameters.copy()
    assert work.step(X, T, rows, 0.2) == pytest.approx(loss, rel=1e-14)
    near(network.parameters, theta - 0.2 * g, 1e-13)
    if noisy:
        assert {shape for _, shape in noise.seen} == {(5, 6), (5, 5)} and {r for r, _ in noise.seen} == {1, 2}


def test_noise_comes_from_the_generator_and_is_new_each_time():
    network, X, y, _ = made((4, 60, 3))
    first, again = (Tape(network, 30, noise=Dropout(), rng=np.random.default_rng(5)).forward(X, y) for _ in range(2))
    assert first == again
    work = Tape(network, 30, noise=Dropout(), rng=np.random.default_rng(5))
    assert len({work.forward(X, y) for _ in range(5)}) == 5


def test_a_seam_that_is_not_used_is_not_there():
    network, *_ = made((4, 6, 5, 3), "tanh")
    plain, noisy = (Tape(network, 8, noise=n, rng=np.random.default_rng(0)) for n in (None, Dropout()))
    for work, extra in ((plain, 0), (noisy, 2)):
        record = tape._Record(work, 8)
        assert len(record.forward) == 3 * 3 - 1 + 6 + 2 * extra
        assert len(record.backward) == 2 + 3 * 2 + 2 * 2 + extra
        assert len(record.step) == len(record.backward) + 1
    assert noisy.nbytes - plain.nbytes == 8 * 8 * (6 + 5)


# Losses that are no numbers


@pytest.mark.parametrize("penalty", [None, Ridge()])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_a_loss_that_is_not_finite_changes_no_parameter(bad, penalty):
    network, X, y, _ = made((4, 6, 3))
    work, rows, theta = Tape(network, 8, penalty=penalty), np.arange(8), network.parameters.copy()
    X[3, 1] = bad
    network.W[1][:, 1] = 3.0
    theta = network.parameters.copy()
    with np.errstate(all="ignore"):
        loss = work.step(X, y, rows, 0.1)
    assert not np.isfinite(loss) and network.parameters.tobytes() == theta.tobytes()
    with pytest.raises(RuntimeError):
        work.backward()
    X[3, 1] = 0.0
    assert np.isfinite(work.step(X, y, rows, 0.1)) and not np.array_equal(network.parameters, theta)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("large", [np.array(1e308), np.array(3e38, "float32")], ids=["double", "single"])
def test_a_finite_input_however_large_warns_nobody(large, soft):
    "Whether NumPy is told to warn or to raise: what is too large is seen in the loss, or in the next one."
    for how in ("warn", "raise"):
        network, X, y, _ = made((4, 6, 3), dtype=large.dtype, soft=soft)
        X[3] = large
        tape, rows = Tape(network, 8), np.arange(8)
        with np.errstate(all=how), warnings.catch_warnings():
            warnings.simplefilter("error")
            losses = [tape.step(X, y, rows, 10.0) for _ in range(3)]
            tape.forward(X, y, rows)
            tape.backward()
        assert not np.isfinite(losses).all()


def test_numbers_too_large_for_the_network_are_seen_in_the_loss():
    network, X, y, _ = made((4, 6, 3), dtype="float32")
    before, X = network.parameters.copy(), X.astype("float64")
    X[3, 1] = 1e300
    with np.errstate(all="raise"):
        assert not np.isfinite(Tape(network, 8).step(X, y, np.arange(8), 0.1))
    assert np.array_equal(network.parameters, before)


def test_underflow_does_no_harm():
    network, X, y, _ = made((4, 3))
    network.parameters *= 1e4
    with np.errstate(all="raise"):
        assert np.isfinite(Tape(network, 30).step(X, y, np.arange(30), 1e-300))


def test_warnings_outside_are_as_before():
    network, X, y, _ = made((4, 6, 3))
    with np.errstate(all="raise"):
        Tape(network, 8).step(X, y, np.arange(8), 0.1)
        with pytest.raises(FloatingPointError):
            np.float64(1) / np.zeros(1)


def test_parameters_that_are_no_numbers_are_found_by_the_next_step():
    network, X, y, _ = made((4, 6, 3))
    network.parameters[0] = np.nan
    with np.errstate(all="ignore"):
        assert np.isnan(Tape(network, 30).step(X, y, np.arange(30), 0.1))


def test_large_logits_do_no_harm():
    network, X, y, _ = made((4, 3))
    network.parameters *= 1e5
    work, rows = Tape(network, 30), np.arange(30)
    with np.errstate(all="raise", under="ignore"):
        assert work.forward(X, y, rows) == pytest.approx(network.loss(X, y), rel=1e-12)


# Order of the calls


def test_each_backward_pass_needs_a_forward_pass():
    network, X, y, _ = made((4, 6, 3))
    work, rows = Tape(network, 8), np.arange(8)
    for before in (lambda: None, lambda: (work.forward(X, y, rows), work.backward()), lambda: work.step(X, y, rows, 0.1)):
        before()
        with pytest.raises(RuntimeError, match="^backward: expected a call of forward before each, got none"):
            work.backward()


def test_two_tapes_of_one_network_share_its_parameters():
    network, X, y, _ = made((4, 6, 3))
    one, other = Tape(network, 8), Tape(network, 4)
    before = other.forward(X, y, np.arange(4))
    one.step(X, y, np.arange(8), 0.5)
    assert other.forward(X, y, np.arange(4)) != before


# Memory


def allocated(step, *arguments):
    "What a call allocates at most at a time, after some have gone before."
    for _ in range(3):
        step(*arguments)
    tracemalloc.start()
    try:
        step(*arguments)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        step(*arguments)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["labels", "soft", "bytes", "strided", "memmap", "classes", "tiles"])
def test_a_step_allocates_nothing_that_grows(name, kind, tmp_path):
    found = []
    for times in (1, 2):
        B, M = (30, 40) if kind == "tiles" else (150 * times, 600)
        widths = (9024 * times, 150, 120, 5) if kind == "tiles" else (100 * times, 200 * times, 150 * times, 300 * times if kind == "classes" else 10)
        network, X, T, rng = made(widths, name, M=M, soft=kind == "soft")
        if kind == "bytes":
            X = (20 * X).astype("int8")
        if kind == "strided":
            X = np.asfortranarray(X)
        if kind == "memmap":
            mapped = np.memmap(tmp_path / "X", X.dtype, "w+", shape=X.shape)
            mapped[...] = X
            X = mapped
        work, rows = Tape(network, B), rng.permutation(M)[:B]
        found.append(allocated(work.step, X, T, rows, 1e-3))
    assert max(found) < 150_000  # NumPy's own buffers of 8192 numbers
    assert abs(found[1] - found[0]) < 5000 or found[1] < 10_000


WIDTHS = [((5, 3), 7), ((784, 30, 10), 10), ((20, 50, 40, 600), 33), ((90, 50, 70, 30), 400), ((300, 200, 100), 1)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("widths", "B"), WIDTHS)
def test_the_memory_is_what_the_function_says(widths, B, dtype):
    network, X, y, _ = made(widths, dtype=dtype, M=2 * B)
    table, work = tape_bytes(widths, B, dtype), Tape(network, B)
    work.step(X, y, np.arange(B), 0.1)
    assert list(table) == ["parameters", "gradient", "activations", "deltas", "batch", "copies"]
    assert all(type(size) is int for size in table.values())
    assert table["parameters"] == table["gradient"] == network.parameters.nbytes == scale.parameter_bytes(widths, dtype)
    assert work.nbytes == sum(table.values()) - table["parameters"] - table["copies"]
    assert table["copies"] == 2 * table["parameters"] == 2 * tape_bytes(widths, B, dtype, copies=1)["copies"]
    apart = Tape(Network(widths, "relu" if len(widths) < 3 else LOUD, rng=np.random.default_rng(0), dtype=dtype), B)
    both = Tape(apart.network, B, noise=Dropout(), rng=np.random.default_rng(0))
    for each, per_node in ((apart, 2), (both, 3)):
        table = tape_bytes(widths, B, dtype, per_node=per_node, copies=0)
        assert each.nbytes == sum(table.values()) - table["parameters"]


@pytest.mark.parametrize(("widths", "B"), [((500, 400, 300, 10), 100), ((60, 50, 50, 50, 8), 5000), ((5000, 100, 10), 32)])
def test_the_peak_of_a_training_is_within_ten_percent(widths, B):
    network, X, y, rng = made(widths, M=2 * B + 3)
    order = rng.permutation(2 * B + 3)
    tracemalloc.start()
    try:
        work, kept = Tape(network, B), [network.parameters.copy() for _ in range(2)]
        for start in range(0, 2 * B + 3, B):
            work.step(X, y, order[start : start + B], 0.01)
            kept[0][...] = network.parameters
        peak = tracemalloc.get_traced_memory()[1] + network.parameters.nbytes
    finally:
        tracemalloc.stop()
    assert peak == pytest.approx(sum(tape_bytes(widths, B).values()), rel=0.1)


def test_batches_of_many_sizes_do_not_pile_up():
    network, X, y, _ = made((4, 6, 3))
    work = Tape(network, 30)
    for B in [*range(1, 31), *range(30, 0, -1)]:
        assert work.forward(X, y, np.arange(B)) == pytest.approx(network.loss(X[:B], y[:B]), rel=1e-12)
        assert len(work._records) <= 2
    assert 30 in work._records


# Bad input


NETWORK, X, Y, _ = made((4, 6, 3))
ROWS = np.arange(8)
DATA = {"X": X, "T": Y, "rows": ROWS}
HALF = SimpleNamespace(forward=print)


def construct(**changed):
    return Tape(**{"network": NETWORK, "batch_size": 8} | changed)


def step(**changed):
    return construct().step(**DATA | {"eta": 0.1} | changed)


def forward(**changed):
    return construct().forward(**DATA | changed)


def table(**changed):
    return tape_bytes(**{"widths": (4, 6, 3), "batch_size": 8, "dtype": "float64", "per_node": 1, "copies": 2} | changed)


COUNTS = [(0, ValueError, "at least 1", "0"), (-3, ValueError, "at least 1", "-3"), (2.0, TypeError, "an integer", "2.0"),
          (True, TypeError, "an integer", "True"), ("8", TypeError, "an integer", "'8'"), (None, TypeError, "an integer", "None")]  # fmt: skip
BAD = [
    (construct, "network", 3, TypeError, "a Network", "int"),
    (construct, "network", None, TypeError, "a Network", "NoneType"),
    *((function, name, *row) for function, name in ((construct, "batch_size"), (table, "batch_size"), (table, "per_node"), (table, "widths[1]")) for row in COUNTS),
    (construct, "noise", HALF, TypeError, "forward and backward", "namespace"),
    (construct, "noise", "dropout", TypeError, "forward and backward", "'dropout'"),
    (construct, "penalty", 0.1, TypeError, "value and add_gradient", "0.1"),
    (construct, "noise", Dropout, TypeError, "Dropout(…)", "class"),
    (construct, "penalty", Ridge, TypeError, "Ridge(…)", "class"),
    (construct, "rng", -1, ValueError, "at least 0", "-1"),
    (construct, "rng", 3.0, TypeError, "a seed or None", "3.0"),
    (construct, "rng", np.random.RandomState(0), TypeError, "a seed or None", "RandomState"),
    (table, "copies", -1, ValueError, "at least 0", "-1"),
    (table, "dtype", "int32", TypeError, "floating-point", "'int32'"),
    (table, "dtype", "what", TypeError, "floating-point", "'what'"),
    *((table, "widths", *row) for row in ((3, TypeError, "", "3"), ((4,), ValueError, "inputs and the outputs", "[4]"))),
    *((step, "eta", *row) for row in (
        (0, ValueError, "positive", "0"), (-0.1, ValueError, "positive", "-0.1"), (np.nan, ValueError, "finite", "nan"), (np.inf, ValueError, "finite", "inf"),
        ("0.1", TypeError, "a number", "'0.1'"), (None, TypeError, "a number", "None"), (True, TypeError, "a number", "True"), (1j, TypeError, "a number", "1j"))),
    *((function, name, *row) for function in (step, forward) for name, *row in (
        ("X", X[:, :3], ValueError, "(M, 4)", "(30, 3)"), ("X", X[0], ValueError, "(M, 4)", "(4,)"), ("X", X[:0], ValueError, "some numbers", "(0, 4)"),
        ("X", X + 1j, TypeError, "real numbers", "complex128"), ("X", X.astype(str), TypeError, "real numbers", "<U"), ("X", None, TypeError, "real numbers", "object"), ("X", np.ma.masked_less(X, 0), TypeError, "without a mask", "masked"), ("X", scipy.sparse.csr_array(X), TypeError, "dense", "sparse"),
        ("T", Y[:-1], ValueError, "(30,)", "(29,)"), ("T", Y.astype(float), TypeError, "integers", "float64"), ("T", Y == 1, TypeError, "integers", "bool"),
        ("T", Y.astype(str), TypeError, "integers", "strings"), ("T", np.ma.masked_equal(Y, 0), TypeError, "without a mask", "masked"), ("T", Y + 1, ValueError, "0 to 2", "3"), ("T", Y - 1, ValueError, "0 to 2", "-1"), ("T", 1, ValueError, "(30, 3)", "()"),
        ("T", one_hot(Y, 4)[:, :4], ValueError, "(30, 3)", "(30, 4)"), ("T", one_hot(Y, 3)[:-1], ValueError, "(30, 3)", "(29, 3)"),
        ("T", one_hot(Y, 3) / 2, ValueError, "sum to one", "0.5"), ("T", 2 * one_hot(Y, 3) - 1 / 3, ValueError, "negative", "-0.333"),
        ("T", one_hot(Y, 3) * np.nan, ValueError, "finite", "NaN"),
        ("rows", np.arange(9), ValueError, "at most 8", "9"), ("rows", ROWS[:0], ValueError, "some numbers", "(0,)"), ("rows", ROWS + 23, ValueError, "0 to 29", "30"),
        ("rows", ROWS - 1, ValueError, "0 to 29", "-1"), ("rows", ROWS * 1.0, TypeError, "integers", "float64"), ("rows", Y[:8] == 1, TypeError, "integers", "bool"),
        ("rows", ROWS[None], ValueError, "(B,)", "(1, 8)"), ("rows", 3, ValueError, "(B,)", "()"), ("rows", "all", TypeError, "integers", "strings"))),
    (forward, "rows", None, ValueError, "at most 8", "30"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "parameter", "value", "error", "expected", "came"), BAD, ids=[f"{f.__name__}-{p}-{i}" for i, (f, p, *_) in enumerate(BAD)])
def test_bad_ones_are_refused_with_a_clear_message_and_change_nothing(function, parameter, value, error, expected, came):
    before, (name, _, index) = NETWORK.parameters.copy(), parameter.rstrip("]").partition("[")
    if index:
        value = [value if i == int(index) else n for i, n in enumerate((4, 6, 3))]
    with pytest.raises(error) as caught:
        function(**{name: value})
    said = str(caught.value)
    assert said.startswith(parameter) and "expected" in said and expected in said
    assert re.search(f"got .*{re.escape(came)}", said, re.DOTALL), said
    assert np.array_equal(NETWORK.parameters, before)


def test_a_seed_will_do_for_the_noise_and_without_one_it_is_new_each_time():
    network, X, y, _ = made((4, 60, 3))
    def loss(rng):
        return Tape(network, 30, noise=Dropout(), rng=rng).forward(X, y)

    assert loss(5) == loss(5) == loss(np.random.default_rng(5)) and loss(None) != loss(None)


def test_a_refused_batch_does_not_spoil_the_next_one():
    network, X, y, _ = made((4, 6, 3))
    work, rows = Tape(network, 8), np.arange(8)
    expected = work.forward(X, y, rows)
    for spoiled in ({"X": X[:, :3]}, {"T": y + 5}, {"rows": rows + 25}, {"rows": np.arange(20)}):
        with pytest.raises(ValueError):
            work.forward(**{"X": X, "T": y, "rows": rows} | spoiled)
        assert work.forward(X, y, rows) == expected


# The kept measurements


def test_the_kept_measurements_say_where_they_come_from():
    path = ROOT / "benchmarks" / "results" / "training_step.json"
    text = path.read_text(encoding="utf-8")
    found = json.loads(text)
    assert not re.search(r'"[^"]*(?:/home/|/root/|/work/|/tmp/|[A-Z]:\\\\)', text), "a path of some machine"
    assert {"date", "processor", "cores", "versions", "blas"} <= found["machine"].keys() and found["recipe"] and found["sources"]
    for kernel in ("Haswell", "automatic"):
        assert found["steps"][kernel]["kernel"]
        for threads in ("1", "2"):
            assert list(found["steps"][kernel][threads]) == ["i", "ii", "iii", "iv", "v"]
            assert all(ratio > 0.3 for row in found["steps"][kernel][threads].values() for ratio in row["times the floor"].values())
        assert all({"plain", "workspace", "tape", "torch"} <= row["times the floor"].keys() for row in found["steps"][kernel]["1"].values())
        assert found["choices"][kernel]["tiles"].keys() == {"8", "16", "32", "64", "128"} and found["choices"][kernel]["additions"]
        fall = found["waterfall"][kernel]
        assert fall["kernel"] and fall["processes"] >= 3 and fall["found"].keys() == {"i", "ii", "v"}
        for row in fall["found"].values():
            assert [*row["times the floor"]] == [*VERSIONS, "tape"]
            assert all(low <= row["times the floor"][name] <= high for name, (low, high) in row["lowest and highest"].items())
    assert found["trainings"].keys() == {"digits", "pictures"} and found["goals"]
