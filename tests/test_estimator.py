"DenseClassifier and DenseRegressor among scikit-learn's parts: its own checks, and what they do not ask."

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from dlnbook.estimator import DenseClassifier, DenseRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, labels = make_classification(120, 6, n_informative=4, class_sep=2.5, flip_y=0, random_state=0)
NAMES = np.array(["no", "yes"], dtype=object)[labels]
QUICK = dict(hidden_layer_sizes=(8,), learning_rate_init=0.02, max_iter=20, random_state=0)


@pytest.mark.parametrize("kind", [DenseClassifier, DenseRegressor])
def test_all_checks_of_scikit_learn_pass(kind, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(kind(), on_fail=None)
    bad = [(each["check_name"], each["exception"]) for each in found if each["status"] not in ("passed", "skipped")]
    skipped = {each["check_name"]: str(each["exception"]) for each in found if each["status"] == "skipped"}
    skipped.pop("check_array_api_input", None)  # SciPy reads the variable when it is loaded
    assert not bad and len(found) > 50 and not any(each["expected_to_fail"] for each in found)
    assert all("does not have a decision_function" in reason for reason in skipped.values())


def test_parameters_are_called_as_there():
    for ours, theirs in ((DenseClassifier, MLPClassifier), (DenseRegressor, MLPRegressor)):
        mine, others = ours().get_params(), theirs().get_params()
        others.pop("max_fun")
        assert {name: mine[name] for name in mine if name != "class_weight"} == {name: others[name] for name in mine if name in others}
        assert others.keys() - mine.keys() <= {"loss"}  # newer versions have it


@pytest.mark.parametrize("y", [NAMES, NAMES == "yes", labels + 7, labels.astype(float), list(NAMES)], ids=["objects", "bools", "ints", "floats", "list"])
def test_any_labels(y):
    model = DenseClassifier(**QUICK).fit(X, y)
    assert model.score(X, y) > 0.8 and list(model.classes_) == sorted(set(np.asarray(y)))
    assert np.allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), DenseClassifier(**QUICK)),
        GridSearchCV(DenseClassifier(**QUICK), {"alpha": [1e-4, 1e-2], "activation": ["tanh", "logistic"]}, cv=2),
        CalibratedClassifierCV(DenseClassifier(**QUICK), cv=2),
        BaggingClassifier(DenseClassifier(**QUICK), 3, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_it_works_inside_other_parts(model):
    table = pd.DataFrame(X, columns=list("abcdef"))
    again = clone(pickle.loads(pickle.dumps(model)))
    weights = {} if model.__class__.__name__ == "Pipeline" else {"sample_weight": np.ones(120)}
    assert model.fit(table, NAMES, **weights).score(table, NAMES) > 0.8
    assert np.array_equal(again.fit(table, NAMES, **weights).predict(table), model.predict(table))
    assert "DenseClassifier" in model._repr_html_()


def test_tables_and_sparse_matrices():
    table = pd.DataFrame(X, columns=list("abcdef"))
    model = DenseClassifier(**QUICK).fit(table, pd.Series(NAMES))
    assert list(model.feature_names_in_) == list("abcdef")
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[list("bacdef")])
    with pytest.raises(TypeError, match="[Ss]parse"):
        model.fit(sparse.csr_array(X), NAMES)


def test_weights_are_routed():
    with config_context(enable_metadata_routing=True):
        model = DenseClassifier(**QUICK).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        only = (labels == 0).astype(float)
        found = cross_validate(model, X, labels, params={"sample_weight": only}, cv=2, return_estimator=True)
    assert all((each.predict(X) == 0).mean() > 0.9 for each in found["estimator"])


def test_partial_fit_goes_on_where_it_was():
    whole = DenseClassifier(**QUICK | {"max_iter": 7, "tol": 0}).fit(X, NAMES)
    pieces = DenseClassifier(**QUICK)
    for _ in range(7):
        pieces.partial_fit(X, NAMES, classes=["no", "yes"])
    assert np.array_equal(whole.network_.parameters, pieces.network_.parameters)
    assert whole.loss_curve_ == pieces.loss_curve_ and pieces.n_iter_ == 7
    again = pickle.loads(pickle.dumps(pieces)).partial_fit(X, NAMES)
    assert np.array_equal(pieces.partial_fit(X, NAMES).network_.parameters, again.network_.parameters)
    first = DenseClassifier(**QUICK).partial_fit(X[labels == 0], NAMES[labels == 0], classes=["no", "yes", "maybe"])
    assert list(first.classes_) == ["maybe", "no", "yes"]
    with pytest.raises(ValueError, match="expected the classes"):
        first.partial_fit(X[:1], ["never"])


def test_warm_start_goes_on_and_keeps_the_classes():
    model = DenseClassifier(**QUICK, warm_start=True).fit(X, NAMES)
    before = model.loss_
    assert model.fit(X, NAMES).loss_curve_[20] < before < DenseClassifier(**QUICK).fit(X, NAMES).loss_curve_[0]
    with pytest.raises(ValueError, match="expected the classes"):
        model.fit(X, labels + 5)


def test_class_weights_are_sample_weights():
    factors = np.where(labels == 1, 3.0, 1.0)
    by_class = DenseClassifier(**QUICK, class_weight={"no": 1, "yes": 3}).fit(X, NAMES)
    by_sample = DenseClassifier(**QUICK).fit(X, NAMES, sample_weight=factors)
    assert np.array_equal(by_class.network_.parameters, by_sample.network_.parameters)
    few = np.r_[0:60, 60 + np.flatnonzero(labels[60:] == 0)]
    balanced = DenseClassifier(**QUICK, class_weight="balanced").fit(X[few], NAMES[few])
    assert (balanced.predict(X) == "yes").sum() > (DenseClassifier(**QUICK).fit(X[few], NAMES[few]).predict(X) == "yes").sum()


def test_early_stopping_keeps_the_best_and_stratifies(monkeypatch):
    import dlnbook.estimator as module

    held, plain = [], module.fit
    monkeypatch.setattr(module, "fit", lambda *args, **how: held.append(how["validation"]) or plain(*args, **how))
    rare = np.r_[np.zeros(100, int), np.ones(20, int)]
    model = DenseClassifier(**QUICK | {"max_iter": 300}, early_stopping=True, validation_fraction=0.2).fit(X, rare)
    assert np.bincount(held[0][1]).tolist() == [20, 4]
    assert model.n_iter_ < 300 and len(model.validation_scores_) == model.n_iter_
    assert np.isclose(model.network_.loss(*held[0][:2]), min(model.history_.validation_loss))


def test_several_answers_at_once():
    rows, several = make_multilabel_classification(100, 6, n_classes=3, random_state=0)
    rows = StandardScaler().fit_transform(rows)
    model = DenseClassifier(**QUICK | {"max_iter": 150}).fit(rows, several)
    assert model.out_activation_ == "sigmoid" and model.predict(rows).shape == (100, 3) and model.score(rows, several) > 0.5
    rows, several = make_regression(100, 4, n_targets=2, random_state=0)
    model = DenseRegressor(**QUICK | {"max_iter": 100}).fit(rows, several / 100)
    assert model.predict(rows).shape == (100, 2) and model.score(rows, several / 100) > 0.8
    assert [each.shape for each in model.coefs_] == [(4, 8), (8, 2)] and model.intercepts_[0].shape == (8,)


@pytest.mark.parametrize("rate", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_plain_steps_learn_as_theirs_do(rate, momentum):
    how = dict(hidden_layer_sizes=(8,), solver="sgd", learning_rate=rate, momentum=momentum, learning_rate_init=0.1, max_iter=40, random_state=0)
    ours, theirs = DenseClassifier(**how).fit(X, labels), MLPClassifier(**how).fit(X, labels)
    assert abs(ours.loss_ - theirs.loss_) < 0.5 * theirs.loss_curve_[0]
    assert ours.loss_ < ours.loss_curve_[0]


@pytest.mark.parametrize(
    "change, said",
    [({"solver": "lbfgs"}, "solver: expected one of"), ({"alpha": -1}, "alpha: expected"), ({"batch_size": 0}, "batch_size: expected"),
     ({"validation_fraction": 1.0}, "validation_fraction: expected"), ({"max_iter": 0}, "max_iter: expected"), ({"momentum": 1}, "momentum: expected"),
     ({"activation": "softplus"}, "activation: expected"), ({"learning_rate": "fast"}, "learning_rate: expected")],
)  # fmt: skip
def test_settings_are_refused_by_name_when_fit_begins(change, said):
    model = DenseClassifier(**change)
    with pytest.raises((TypeError, ValueError), match=said):
        model.fit(X, labels)


def test_an_unfinished_training_warns():
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        DenseClassifier(**QUICK | {"max_iter": 2}).fit(X, labels)
