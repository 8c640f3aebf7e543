"Heads, what stands behind the logits: beside PyTorch and scikit-learn, through training, files and copies; bad targets."

import copy
import json
import pickle
from functools import partial

import numpy as np
import pytest
import sklearn.datasets
import sklearn.metrics
import torch
from sklearn.model_selection import train_test_split

from dlnbook.arguments import targets, values
from dlnbook.data import Scaling
from dlnbook.delta import OUTPUTS
from dlnbook.files import load_arrays, save_arrays
from dlnbook.fitting import Patience, fit
from dlnbook.gradcheck import check_gradient
from dlnbook.hyperparameters import range_test
from dlnbook.network import HEADS, Head, Network, load
from dlnbook.optimizers import Adam
from dlnbook.regularization import L2, Dropout
from dlnbook.tape import Tape
from dlnbook.training import confusion_matrix, train
from dlnbook.workspace import Workspace, loss_and_gradient

torch.set_num_threads(1)


def counts(name="poisson"):
    "A head of one's own: counts that follow a Poisson distribution."
    return Head(name, np.exp, poisson_losses, partial(values, least=0), np.exp, HEADS["identity"].score)


def poisson_losses(A, T):
    return (np.exp(A) - T * A).sum(axis=-1)


M, N = 40, 5
CASES = {
    "softmax labels": ("softmax", 3, lambda rng: rng.integers(0, 3, M)),
    "softmax rows": ("softmax", 3, lambda rng: rng.dirichlet(np.ones(3), M)),
    "sigmoid labels": ("sigmoid", 1, lambda rng: rng.integers(0, 2, M)),
    "sigmoid column": ("sigmoid", 1, lambda rng: rng.integers(0, 2, (M, 1)) == 1),
    "sigmoid rows": ("sigmoid", 4, lambda rng: rng.integers(0, 2, (M, 4))),
    "sigmoid shares": ("sigmoid", 4, lambda rng: rng.uniform(size=(M, 4))),
    "identity numbers": ("identity", 1, lambda rng: rng.normal(size=M)),
    "identity column": ("identity", 1, lambda rng: rng.normal(size=(M, 1))),
    "identity rows": ("identity", 4, lambda rng: rng.normal(size=(M, 4))),
    "poisson": (counts(), 2, lambda rng: rng.poisson(2, (M, 2))),
}
ALL = pytest.mark.parametrize("case", CASES)


def example(case, dtype="float64", activation="tanh"):
    "A network, inputs and targets."
    head, K, draw = CASES[case]
    rng = np.random.default_rng(0)
    network = Network((N, 8, 6, K), activation, rng=rng, head=head, dtype=dtype)
    network.parameters += rng.normal(0, 0.1, network.parameters.size).astype(dtype)
    return network, rng.normal(size=(M, N)), draw(rng)


def torch_loss(head, K):
    "PyTorch's loss with the factor that makes it the mean over samples of the sum over outputs."
    if head == "softmax":
        return torch.nn.CrossEntropyLoss()
    if head == "sigmoid":
        inner = torch.nn.BCEWithLogitsLoss()
        return lambda A, T: K * inner(A, T)
    if head == "identity":
        inner = torch.nn.MSELoss()
        return lambda A, T: K / 2 * inner(A, T)
    inner = torch.nn.PoissonNLLLoss(log_input=True)
    return lambda A, T: K * inner(A, T)


class Torchs:
    "The same network in PyTorch."

    def __init__(self, network):
        layers = []
        for W, b in zip(network.W[1:], network.b[1:]):
            linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=torch.float64)
            linear.weight.data, linear.bias.data = torch.tensor(W), torch.tensor(b)
            layers += [linear, torch.nn.Tanh()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.loss = torch_loss(network.head.name, network.widths[-1])
        self.sgd = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def backward(self, X, y):
        "The loss; the gradient stays in the model."
        T = torch.tensor(y) if y.ndim == 1 and self.model[-1].out_features > 1 else torch.tensor(y.reshape(len(y), -1).astype(float))
        self.sgd.zero_grad()
        found = self.loss(self.model(torch.tensor(X)), T)
        found.backward()
        return found.item()

    def flat(self, part):
        "Parameters, or their gradients, as a network has them."
        return np.concatenate([part(each).detach().numpy().ravel() for each in self.model.parameters()])


def close(ours, theirs, tolerance=1e-12):
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@ALL
def test_losses_gradients_and_twenty_steps_are_pytorchs(case):
    network, X, y = example(case)
    theirs = Torchs(network)
    close(network.loss(X, y), theirs.backward(X, y))
    close(network.gradient(X, y), theirs.flat(lambda each: each.grad))
    tape, rng = Tape(network, 8), np.random.default_rng(1)
    for _ in range(20):
        rows = rng.choice(M, 8, replace=False)
        close(tape.step(X, y, rows, 0.1), theirs.backward(X[rows], y[rows]))
        theirs.sgd.step()
    close(network.parameters, theirs.flat(lambda each: each))
    with torch.no_grad():
        logits = theirs.model(torch.tensor(X))
    outputs = {"softmax": lambda A: torch.softmax(A, 1), "sigmoid": torch.sigmoid, "identity": lambda A: A, "poisson": torch.exp}
    close(network.outputs(X), outputs[network.head.name](logits).numpy())


@ALL
def test_gradients_are_what_the_judge_says(case):
    network, X, y = example(case)
    other = network.copy()

    def loss(p):
        other.parameters[:] = p[0]
        return other.loss(X, y)

    report = check_gradient(loss, [network.gradient(X, y)], [network.parameters], rng=0)
    assert report, report


@ALL
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_tape_workspace_and_network_agree(case, dtype):
    network, X, y = example(case, dtype, ("relu", "tanh"))
    tolerance = 1e-12 if dtype == "float64" else 3e-5
    tape = Tape(network, M + 3)
    ours, exact = network.gradient(X, y), network.loss(X, y)
    assert ours.dtype == dtype and network.outputs(X).dtype == dtype
    close(tape.forward(X, y), exact, tolerance)
    close(tape.backward(), ours, tolerance)
    loss, gradient = loss_and_gradient(Workspace(network, M), X, y)
    close(loss, exact, tolerance)
    close(gradient, ours, tolerance)
    other, rows = network.copy(), np.arange(7)  # a smaller batch
    tape.step(X, y, rows, 0.1)
    other.parameters -= 0.1 * other.gradient(X[rows], y[rows])
    close(network.parameters, other.parameters, tolerance)


@ALL
def test_a_tape_takes_lists_columns_and_other_types(case):
    network, X, y = example(case)
    exact = network.gradient(X, y)
    whole = (y if y.ndim > 1 else y[:, None]).astype(y.dtype if y.dtype.kind in "iu" else float)
    strided = np.repeat(whole, 2, axis=1)[:, ::2]
    for given in (y.tolist(), np.asfortranarray(whole), strided) if y.ndim > 1 or network.head.name != "softmax" else (y.tolist(),):
        tape = Tape(network, M)
        tape.forward(X, given)
        close(tape.backward(), exact)
        close(network.gradient(X, given), exact)


def test_extreme_logits_lose_nothing():
    big = np.array([[800.0], [-800.0], [40.0], [0.0]])
    losses = HEADS["sigmoid"].losses
    assert losses(big, np.array([[1.0], [0.0], [1.0], [1.0]])).tolist() == pytest.approx([0, 0, np.log1p(np.exp(-40)), np.log(2)], rel=1e-14)
    assert losses(big[:2], np.array([[0.0], [1.0]])).tolist() == [800, 800]
    A = np.linspace(-60, 60, 500)[:, None]
    for t in (0.0, 1.0, 0.3):
        T = np.full_like(A, t)
        theirs = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(A), torch.tensor(T), reduction="none").numpy()[:, 0]
        np.testing.assert_allclose(losses(A, T), theirs, rtol=1e-12, atol=1e-14)  # PyTorch rounds small losses to 0


# Answers and scores


def test_scores_are_scikit_learns():
    rng = np.random.default_rng(2)
    for case in CASES:
        network, X, y = example(case)
        found, ours = network.predict(X), network.score(X, y)
        if network.head.name == "softmax":
            assert ours == sklearn.metrics.accuracy_score(y if y.ndim == 1 else y.argmax(axis=1), found)
        elif network.head.name == "sigmoid":
            assert found.shape == (M,) if network.widths[-1] == 1 else (M, 4)
            assert ours == sklearn.metrics.accuracy_score(y.reshape(found.shape) > 0.5, found == 1)
            assert np.array_equal(found, network.predict_proba(X).reshape(found.shape) > 0.5)
        else:
            assert ours == pytest.approx(sklearn.metrics.r2_score(y, found), rel=1e-12)
    judged = HEADS["identity"].score
    T = rng.normal(size=(20, 3))
    T[:, 1] = 7  # it does not vary
    for Y in (T + rng.normal(size=T.shape), T, np.where([True, False, True], T + 1, T)):
        assert judged(Y, T) == pytest.approx(sklearn.metrics.r2_score(T, Y), rel=1e-12)
    years = 1e6 + rng.normal(size=(50, 1))  # far from zero
    assert judged(years[:, 0] + 0.1, years) == pytest.approx(sklearn.metrics.r2_score(years, years + 0.1), rel=1e-9)


@ALL
def test_blocks_change_nothing(case, monkeypatch):
    network, X, y = example(case)
    whole = network.predict(X), network.outputs(X), network.score(X, y), network.loss(X, y)
    monkeypatch.setattr("dlnbook.network._BLOCK", 7 * sum(network.widths))
    np.testing.assert_allclose(network.predict(X), whole[0], rtol=1e-12)
    np.testing.assert_allclose(network.outputs(X), whole[1], rtol=1e-12)
    assert network.score(X, y) == pytest.approx(whole[2], rel=1e-12) and network.loss(X, y) == pytest.approx(whole[3], rel=1e-12)


# Real questions


def scaled(X_train, X_test):
    scaling = Scaling.of(X_train)
    return scaling(X_train), scaling(X_test)


def test_diabetes_beats_the_mean():
    X, y = sklearn.datasets.load_diabetes(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    X_train, X_test = scaled(X_train, X_test)
    mean, spread = y_train.mean(), y_train.std()
    network = Network((10, 8, 1), "tanh", head="identity", rng=0)
    history = fit(network, X_train, (y_train - mean) / spread, epochs=60, batch_size=16, eta=0.02, rng=1, progress=False)
    assert network.score(X_test, (y_test - mean) / spread) > 0.3  # the mean has 0
    assert history.measure == "R²" and history.accuracy[-1] > 0.3 and history.loss[-1] < history.loss[0]


def test_breast_cancer_with_one_output():
    X, y = sklearn.datasets.load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    X_train, X_test = scaled(X_train, X_test)
    network = Network((30, 8, 1), "tanh", head="sigmoid", rng=0)
    history = fit(network, X_train, y_train, epochs=30, batch_size=16, eta=0.05, rng=1, validation=(X_test, y_test), progress=False)
    assert network.score(X_test, y_test) > 0.94 and network.predict(X_test).shape == y_test.shape
    best = history.best_epoch - 1
    assert history.validation_accuracy[best] == network.score(X_test, y_test)
    assert history.validation_loss[best] == pytest.approx(network.loss(X_test, y_test), rel=1e-12)


def test_several_labels_at_once():
    X, Y = sklearn.datasets.make_multilabel_classification(600, 20, n_classes=4, random_state=0)
    X_train, X_test, Y_train, Y_test = train_test_split(X, Y, random_state=0)
    X_train, X_test = scaled(X_train, X_test)
    network = Network((20, 16, 4), "tanh", head="sigmoid", rng=0)
    fit(network, X_train, Y_train, epochs=40, batch_size=16, eta=0.05, rng=1, progress=False)
    usual = (Y_train.mean(axis=0) > 0.5).astype(int)  # the most frequent answers
    assert network.score(X_test, Y_test) > (Y_test == usual).all(axis=1).mean() + 0.2


def test_one_sigmoid_is_the_softmax_of_two_logits():
    rng = np.random.default_rng(3)
    one, two = Network((4, 1), head="sigmoid", rng=0), Network((4, 2), rng=0)
    X, y = rng.normal(size=(30, 4)), rng.integers(0, 2, 30)
    two.W[1][1], two.W[1][0] = one.W[1][0], 0
    close(one.loss(X, y), two.loss(X, y))
    close(one.predict_proba(X)[:, 0], two.predict_proba(X)[:, 1])
    assert np.array_equal(one.predict(X), two.predict(X)) and one.score(X, y) == two.score(X, y)


# Through a training, files and copies


@ALL
def test_a_training_with_everything(case, tmp_path):
    network, X, y = example(case)
    options = dict(
        epochs=6, batch_size=7, eta=0.01, rng=4, validation=(X[:15], y[:15]), stop=Patience(50),
        optimizer=Adam(), penalty=L2(1e-3), noise=Dropout(0.2), progress=False,
    )  # fmt: skip
    start = network.copy()
    whole = fit(network, X, y, **options)
    assert whole.best_epoch and whole.validation_loss[whole.best_epoch - 1] == pytest.approx(network.loss(X[:15], y[:15]), rel=1e-12)
    assert whole.validation_accuracy[whole.best_epoch - 1] == pytest.approx(network.score(X[:15], y[:15]), rel=1e-12)
    assert whole.accuracy and whole.measure == network.head.measure

    def stop(epoch, *rest):
        if epoch == 3:
            raise SystemError

    other = start.copy()
    with pytest.raises(SystemError):
        fit(other, X, y, **options | {"optimizer": Adam()}, callback=stop, checkpoint=tmp_path / "training.npz")
    other = start.copy()
    again = fit(other, X, y, **options | {"optimizer": Adam()}, checkpoint=tmp_path / "training.npz")
    assert again == whole and other.parameters.tobytes() == network.parameters.tobytes()


@ALL
def test_fit_is_the_chapters_training(case):
    network, X, y = example(case)
    other = network.copy()
    options = dict(epochs=4, batch_size=8, eta=0.05)
    seen, losses = train(network, X, y, X[:20], y[:20], rng=5, **options)
    history = fit(other, X, y, validation=(X[:20], y[:20]), rng=5, progress=False, **options)
    close(history.loss, seen)
    close(history.validation_loss, losses)
    close(network.parameters, other.parameters)


def test_a_range_test_takes_any_head():
    network, X, y = example("identity numbers")
    test = range_test(network, X, y, rng=0, steps=50, batch_size=8)
    assert 0 < test.suggestion <= 10


def test_a_checkpoint_of_another_head_is_refused_and_an_old_one_is_softmaxs(tmp_path):
    file, (network, X, y) = tmp_path / "training.npz", example("softmax rows")
    options = dict(epochs=2, batch_size=8, eta=0.05, rng=6, progress=False, checkpoint=file)
    start = network.copy()
    history = fit(network, X, y, **options)
    arrays, about = load_arrays(file, "dlnbook checkpoint", 2)
    assert about["settings"].pop("head") == "Head('softmax')"
    save_arrays(file, "dlnbook checkpoint", 2, arrays, about)
    again = start.copy()
    assert fit(again, X, y, **options) == history and np.array_equal(again.parameters, network.parameters)
    sigmoids = Network(network.widths, "tanh", head="sigmoid", rng=0)
    sigmoids.parameters = start.parameters
    with pytest.raises(ValueError, match=r"^checkpoint: expected that of a training with head Head\('sigmoid'\), got Head\('softmax'\)"):
        fit(sigmoids, X, y, **options)


@pytest.mark.parametrize("head", HEADS)
def test_copies_and_files_keep_the_head(head, tmp_path):
    network, X = Network((4, 3, 2), head=head, rng=0), np.random.default_rng(0).normal(size=(5, 4))
    file = tmp_path / "network.npz"
    copies = [network.copy(), copy.copy(network), copy.deepcopy(network), *(pickle.loads(pickle.dumps(network, protocol)) for protocol in (2, 5))]
    for other in copies:
        assert other.head is HEADS[head] and repr(other) == repr(network)
        other.save(file)
        again = load(file)
        assert again.head is HEADS[head] and np.array_equal(again.outputs(X), network.outputs(X))
        assert load(file, head=head).head is HEADS[head]
    (wrong,) = {"softmax", "sigmoid"} - {head} if head != "identity" else {"softmax"}
    with pytest.raises(ValueError, match=f"^head: expected '{head}', got '{wrong}'"):
        load(file, head=wrong)
    assert pickle.loads(pickle.dumps(HEADS[head])) is copy.deepcopy(HEADS[head]) is HEADS[head]


def test_only_files_that_need_it_are_of_the_second_version(tmp_path):
    "An older library reads the files of networks with softmax, and refuses others instead of taking them for such."
    for head, version in (("softmax", 1), ("sigmoid", 2), ("identity", 2)):
        Network((4, 2), head=head, rng=0).save(tmp_path / head)
        with np.load(tmp_path / head) as file:
            header = json.loads(file["dlnbook.json"])
        assert header["version"] == version and ("head" in header["about"]) == (version == 2)


def test_a_head_of_ones_own_is_asked_for(tmp_path):
    head, file = counts(), tmp_path / "network.npz"
    network = Network((4, 3, 2), head=head, rng=0)
    network.save(file)
    with pytest.raises(ValueError, match="^head: expected the object called poisson, which no file can hold, got None"):
        load(file)
    with pytest.raises(ValueError, match="^head: expected 'poisson', got 'identity'"):
        load(file, head="identity")
    with pytest.raises(TypeError, match="^head: expected one of softmax, sigmoid, identity, or a Head, got 3"):
        load(file, head=3)
    assert load(file, head=head).head is head
    Network((4, 3, 2), head=counts("sigmoid"), rng=0).save(file)  # a name that is taken
    with pytest.raises(ValueError, match="^head: expected the object called sigmoid, which no file can hold, got None"):
        load(file)
    for field, value in (("head", "nonsense"), ("head", 3)):
        arrays, about = load_arrays(file, "dlnbook network", 2)
        save_arrays(file, "dlnbook network", 2, arrays, about | {field: value, "own head": False})
        with pytest.raises((ValueError, TypeError), match="^head: expected"):
            load(file)


def test_a_pickled_head_of_ones_own_comes_back(tmp_path):
    own = Head("mine", np.exp, poisson_losses, values, np.exp, HEADS["identity"].score)
    again = pickle.loads(pickle.dumps(Network((2, 1), head=own, rng=0)))
    assert again.head == own and again.head.losses is poisson_losses


# What is refused


REFUSED = [
    ("softmax", 3, [0, 1, 3], ValueError, "expected integers from 0 to 2, got 3"),
    ("softmax", 3, [0.5, 1.0, 2.0], TypeError, "expected integers as labels, got dtype float64"),
    ("softmax", 3, [[1, 1, 0]] * 3, ValueError, "expected rows that sum to one, got a sum of 2"),
    ("softmax", 1, [0, 1, 0], ValueError, "expected 0 alone, as there is one output, got 1; two classes need two outputs"),
    ("sigmoid", 1, [-1, 1, 1], ValueError, "expected numbers from 0 to 1, got -1"),
    ("sigmoid", 1, [0, 1, 2], ValueError, "expected numbers from 0 to 1, got 2"),
    ("sigmoid", 1, ["no", "yes", "no"], TypeError, "expected real numbers, got dtype <U3; see numpy.unique"),
    ("sigmoid", 1, [0, 1, np.nan], ValueError, "expected finite numbers, got NaN or infinity"),
    ("sigmoid", 2, [0, 1, 1], ValueError, "expected shape \\(3, 2\\), got \\(3,\\); a single number for each needs a network with one output"),
    ("sigmoid", 2, [[0, 1, 1]] * 3, ValueError, "expected shape \\(3, 2\\), got \\(3, 3\\)"),
    ("identity", 1, [1.0, 2.0], ValueError, "expected shape \\(3,\\), got \\(2,\\)"),
    ("identity", 1, [1.0, 2.0, np.inf], ValueError, "expected finite numbers, got NaN or infinity"),
    ("identity", 1, [1, 2, 3j], TypeError, "expected real numbers, got dtype complex128"),
    ("identity", 1, [1, 2, "3"], TypeError, "expected real numbers, got dtype <U"),
    ("identity", 2, [1.0, 2.0, 3.0], ValueError, "expected shape \\(3, 2\\), got \\(3,\\); a single number"),
    ("identity", 2, [[1.0, 2.0, 3.0]] * 3, ValueError, "expected shape \\(3, 2\\), got \\(3, 3\\)"),
    ("identity", 1, 3.0, ValueError, "expected shape"),
]


@pytest.mark.parametrize(("head", "K", "wrong", "error", "said"), REFUSED)
def test_bad_targets_are_refused_in_the_heads_words(head, K, wrong, error, said):
    network, X = Network((2, 3, K), head=head, rng=0), np.eye(3, 2)
    before = network.parameters.copy()
    options = {"epochs": 1, "batch_size": 3, "eta": 0.1, "rng": 0, "progress": False}
    with pytest.raises(error, match=f"^T: {said}"):
        network.gradient(X, wrong)
    with pytest.raises(error, match=f"^y: {said}"):
        network.score(X, wrong)
    with pytest.raises(error, match=f"^y: {said}"):
        fit(network, X, wrong, **options)
    with pytest.raises(error, match=f"^T: {said}"):
        Tape(network, 3).step(X, wrong, np.arange(3), 0.1)
    with pytest.raises(error, match="^T: expected"):
        network.loss(X, wrong)
    assert np.array_equal(network.parameters, before)


def test_what_does_not_belong_together_is_refused():
    sigmoid, squared = OUTPUTS["sigmoid"][0], OUTPUTS["identity"][1]
    rest = values, np.round, HEADS["identity"].score
    with pytest.raises(ValueError, match="^losses: expected derivatives by the logits that are outputs − targets, got others in head 'mixed'"):
        Head("mixed", sigmoid, squared, *rest)
    with pytest.raises(ValueError, match="^losses: expected derivatives"):
        Head("twice", np.positive, lambda A, T: ((A - T) ** 2).sum(axis=-1), *rest)
    for wrong, name in ((3, "outputs"), (None, "losses"), ("values", "targets")):
        arguments = {"name": "x", "outputs": np.positive, "losses": squared, "targets": values, "predict": np.round, "score": rest[2]}
        with pytest.raises(TypeError, match=f"^{name}: expected a function"):
            Head(**arguments | {name: wrong})
    with pytest.raises(ValueError, match="^name: expected a name, got ''"):
        Head("", np.positive, squared, *rest)


def test_what_needs_probabilities_or_classes_says_so():
    network, X, y = example("identity numbers")
    with pytest.raises(TypeError, match="^predict_proba: expected a head with probabilities, got 'identity'; see outputs"):
        network.predict_proba(X)
    with pytest.raises(ValueError, match="^network: expected one with head 'softmax', got 'identity'"):
        confusion_matrix(network, X, y)


def test_a_loss_too_large_is_told():
    network = Network((1, 1), head="identity", rng=0)
    with np.errstate(all="raise", under="ignore"), pytest.raises(ValueError, match="^X: expected numbers with a finite loss, got larger ones"):
        network.loss([[1e200]], [1e200])


def test_heads_do_not_change():
    with pytest.raises(AttributeError):
        HEADS["softmax"].name = "other"
    assert HEADS["softmax"].targets is targets and hash(HEADS["sigmoid"]) == hash(copy.copy(HEADS["sigmoid"]))
