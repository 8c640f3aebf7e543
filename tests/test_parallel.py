"Training on several ranks over MPI: the numbers of one process, and nobody waits for ever. tests/ranks.py is what they run."

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from dlnbook.agreement import in_threads
from dlnbook.fitting import fit
from dlnbook.network import Network

BESIDE = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def on(count, *case, ok=True):
    "What some ranks say, line by line; a hang is a failure, and nothing outlives the test."
    launcher = shutil.which("mpiexec", path=BESIDE)
    assert launcher, "mpiexec comes with the package mpich"
    command = [launcher, "-n", str(count), sys.executable, "-m", "mpi4py", "tests/ranks.py", *map(str, case)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            said, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            pytest.fail(f"still running: {' '.join(command)}")
    assert (process.returncode == 0) == ok, said
    return sorted(said.strip().splitlines())


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_any_number_of_ranks_comes_to_the_numbers_of_one_process(count):
    said = on(count, "equal")
    assert len(said) == count and all(float(line.split()[-1]) < 1e-12 for line in said)


SAID = {
    "data": ("RankFailed: rank 1 has failed: ValueError: X: expected finite", "ValueError: X: expected finite"),
    "other data": ("ValueError: data: expected the same on all ranks",) * 2,
    "settings": ("ValueError: batch_size: expected the same on all ranks, 20, got 21 on rank 1",) * 2,
    "schedule": ("ValueError: eta: expected the same on all ranks",) * 2,
    "step": ("RankFailed: rank 1 has failed: OSError: no noise today", "OSError: no noise today"),
    "callback": ("RankFailed: rank 1 has failed: ValueError: my plot", "ValueError: my plot"),
    "tampered": ("ValueError: parameters: expected the same on all ranks",) * 2,
    "diverged": ("TrainingDiverged: not finite in epoch 3",) * 2,
    "disk": ("ValueError: checkpoint: expected a folder", "RankFailed: rank 0 has failed: ValueError: checkpoint: expected a folder"),
    "stop rule": ("RankFailed: rank 1 has failed: KeyError", "KeyError"),
    "Ctrl-C": ("interrupted after 2, 1 kind of bits",) * 2,
    "raised Ctrl-C": ("interrupted after 2, 1 kind of bits",) * 2,
    "clock": ("time is over after 2, 1 kind of bits",) * 2,
}


def test_whatever_fails_on_one_rank_ends_all_with_a_clear_error(tmp_path):
    said = on(2, "failures", tmp_path)
    for name, expected in SAID.items():
        for rank, words in enumerate(expected):
            assert [line for line in said if line.startswith(f"{rank} {name}: {words}")], (rank, name, said)
    assert len(said) == 2 * len(SAID)


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_rank_that_is_gone_ends_all(how):
    assert not [line for line in on(2, "lost", how, ok=False) if "went on" in line]


def test_a_training_that_was_cut_off_goes_on_bit_for_bit(tmp_path):
    said = on(2, "resume", tmp_path)
    assert said == [f"{rank} {name}: 6 epochs, equal True" for rank in (0, 1) for name in ("noise", "plain")]


def test_ranks_without_a_way_to_share_a_step_are_refused_on_all_of_them():
    ends = in_threads(lambda ranks: fit(Network((1, 2), rng=0), [[0.0], [1.0]], [0, 1], epochs=1, batch_size=2, eta=0.1, ranks=ranks), 2, patience=5)
    assert all("ranks: expected an object with stepper" in str(each) for each in ends), ends
