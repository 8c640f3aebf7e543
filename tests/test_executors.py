"A search on the executors of concurrent.futures: the same scores, and what a killed worker costs."

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from conftest import ROOT

from dlnbook.data import moons
from dlnbook.fitting import fit
from dlnbook.network import Network
from dlnbook.searching import search, successive_halving

CANDIDATES = [{"eta": eta} for eta in (0.05, 0.1, 0.2, 0.4)]


def train(candidate, seed):
    X, labels = moons(60, 0.1, rng=seed)
    network = Network((2, 6, 2), rng=seed)
    fit(network, X, labels, epochs=candidate.get("epochs", 3), batch_size=10, eta=candidate["eta"], rng=seed, progress=False)
    return network.loss(X, labels)


def deadly(candidate, seed):
    "One training kills its worker, as the system does when memory is short; the first time only."
    if candidate["eta"] == 0.2 and seed == 1 and not os.path.exists(os.environ["DLNBOOK_KILLED"]):
        open(os.environ["DLNBOOK_KILLED"], "w").close()
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    return train(candidate, seed)


@pytest.fixture(scope="module")
def alone():
    return search(train, CANDIDATES, seeds=range(3), progress=False)


@pytest.mark.parametrize("kind", [ProcessPoolExecutor, ThreadPoolExecutor])
def test_the_scores_are_the_same_bit_for_bit(kind, alone):
    with kind(2) as executor:
        found = search(train, CANDIDATES, seeds=range(3), jobs=executor, progress=False)
        rungs = successive_halving(train, CANDIDATES, least=1, most=3, jobs=executor, progress=False)
    assert np.array_equal(found.scores, alone.scores)
    assert np.array_equal(rungs[-1].scores, successive_halving(train, CANDIDATES, least=1, most=3, progress=False)[-1].scores)


def test_a_killed_worker_costs_the_trainings_under_way(tmp_path, alone, monkeypatch):
    monkeypatch.setenv("DLNBOOK_KILLED", str(tmp_path / "killed"))
    file = tmp_path / "scores.jsonl"
    how = dict(seeds=range(3), file=file, progress=False)
    with ProcessPoolExecutor(2) as executor, pytest.raises(RuntimeError, match="process"):
        search(deadly, CANDIDATES, jobs=executor, **how)
    lines = file.read_text().splitlines()[1:]
    assert 7 - 2 <= len(lines) < 12  # the eighth kills; of those before, at most the other worker's is not there
    with ProcessPoolExecutor(2) as executor:
        found = search(deadly, CANDIDATES, jobs=executor, **how)
    assert np.array_equal(found.scores, alone.scores)


def fatal(candidate, seed):
    "One training kills each worker that gets it, one after the other, until memory is there."
    if candidate["eta"] == 0.2 and seed == 1 and "DLNBOOK_HEALED" not in os.environ:
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    return train(candidate, seed)


def test_dask_s_executor(tmp_path, alone, monkeypatch):
    "A killed worker's training goes to another one; what kills four of them ends the search, with what was found in the file."
    file, killed = tmp_path / "scores.jsonl", tmp_path / "killed"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "DLNBOOK_KILLED": str(killed)}
    done = subprocess.run([sys.executable, ROOT / "tests" / "cluster.py", file], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["equal", "True", "ended"] and killed.exists(), done.stderr[-1000:]
    assert 7 - 2 <= len(file.read_text().splitlines()[1:]) < 12
    monkeypatch.setenv("DLNBOOK_HEALED", "yes")
    assert np.array_equal(search(fatal, CANDIDATES, seeds=range(3), file=file, progress=False).scores, alone.scores)


def test_mpi_s_executor(tmp_path, alone, monkeypatch):
    "The same scores; and a killed worker ends them all by the launcher, with what was found in the file."
    file, killed = tmp_path / "scores.jsonl", tmp_path / "killed"
    launcher = shutil.which("mpiexec", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "DLNBOOK_KILLED": str(killed)}
    command = [launcher, "-n", "3", sys.executable, "-m", "mpi4py.futures", "tests/pool.py", str(file)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert "equal True" in done.stdout and "went on" not in done.stdout and done.returncode != 0 and killed.exists()
    assert 7 - 2 <= len(file.read_text().splitlines()[1:]) < 12
    monkeypatch.setenv("DLNBOOK_KILLED", str(killed))
    assert np.array_equal(search(deadly, CANDIDATES, seeds=range(3), file=file, progress=False).scores, alone.scores)


@pytest.mark.parametrize("jobs", [ProcessPoolExecutor, "two", 0, 1.5])
def test_what_is_no_executor_is_refused(jobs):
    with pytest.raises((TypeError, ValueError), match="jobs: expected"):
        search(train, CANDIDATES, seeds=[0], jobs=jobs, progress=False)
