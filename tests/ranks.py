"""What the ranks of tests/test_parallel.py run: mpiexec -n 2 python -m mpi4py tests/ranks.py CASE [FILE].

Each rank prints one line for each thing it has to say.
"""

import os
import signal
import sys
import time

import numpy as np

from dlnbook.data import moons
from dlnbook.fitting import Patience, fit
from dlnbook.network import Network
from dlnbook.optimizers import Adam, Cosine, Momentum
from dlnbook.parallel import Ranks, Strata
from dlnbook.regularization import L2, Dropout

ranks = Ranks()
X, labels = moons(101, 0.2, rng=0)
SETTINGS = [
    {},
    {"optimizer": Momentum(0.9, nesterov=True), "penalty": L2(0.01)},
    {"optimizer": Adam(), "eta": 0.01, "sample_weight": 1.0 + labels},
    {"eta": Cosine(0.3, 4), "validation": (X[:30], labels[:30]), "stop": Patience(2)},
    {"batch_size": 101},
    {"batch_size": 3, "draw": Strata(3)},
]


def train(together=ranks, head="softmax", y=labels, data=X, **options):
    network = Network((2, 8, 2), "tanh", rng=1, head=head)
    how = dict(epochs=4, batch_size=23, eta=0.3, rng=0, progress=False) | options
    return network, fit(network, data, y, **how, ranks=together)


def say(*words):
    os.write(1, f"{' '.join(map(str, (ranks.index, *words)))}\n".encode())  # whole, or lines of several ranks mix


def equal():
    "The largest difference from one process."
    worst = 0.0
    for options in [*SETTINGS, {"head": "identity", "y": np.c_[X[:, ::-1]]}, {"head": "sigmoid", "y": np.eye(2)[labels]}]:
        (alone, seen), (network, history) = train(None, **options), train(**options)
        assert len(history) == len(seen) and history.reason == seen.reason
        differences = [network.parameters - alone.parameters, np.subtract(history.loss, seen.loss), np.subtract(history.accuracy, seen.accuracy)]
        worst = max(worst, *(abs(each).max() for each in differences))
        assert len(set(ranks.all(network.parameters.tobytes()))) == 1 and all(each == history for each in ranks.all(history))
    say("worst", worst)


class Faulty(Dropout):
    "Noise that fails on rank 1."

    def forward(self, Z, r, rng):
        if ranks.index == 1:
            raise OSError("no noise today")
        super().forward(Z, r, rng)


def hole():
    data = X.copy()
    data[3, 0] = np.nan if ranks.index else 0.5
    return data


def only(index, action):
    "A callback of one rank, in epoch 2."
    return lambda epoch, network, history: action(network) if ranks.index == index and epoch == 2 else None


def fail(error):
    raise error


def strike(index):
    def send(network):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)

    return only(index, send)


class Late:
    "A stop rule that looks at a clock, another on each rank."

    def __call__(self, history):
        return "time is over" if len(history) >= 2 + 3 * ranks.index else None


def failures(folder):
    "Every case fails on all ranks, and the next one goes on."
    cases = {
        "data": lambda: train(data=hole()),
        "other data": lambda: train(data=X + ranks.index),
        "settings": lambda: train(batch_size=20 + ranks.index),
        "schedule": lambda: train(eta=Cosine(0.3, 4 + ranks.index)),
        "step": lambda: train(noise=Faulty(0.5)),
        "callback": lambda: train(callback=only(1, lambda network: fail(ValueError("my plot")))),
        "tampered": lambda: train(callback=only(1, lambda network: network.parameters.__iadd__(1e-9))),
        "diverged": lambda: train(eta=lambda clock: 0.1 if clock < 2 else 1e300, head="identity", y=np.c_[X]),
        "disk": lambda: train(checkpoint=f"{folder}/{'gone' if ranks.index == 0 else 'here'}/x" if ranks.index == 0 else None),
        "stop rule": lambda: train(stop=lambda history: fail(KeyError("no such")) if ranks.index == 1 else None),
        "Ctrl-C": lambda: train(callback=strike(1)),
        "raised Ctrl-C": lambda: train(callback=only(0, lambda network: fail(KeyboardInterrupt()))),
        "clock": lambda: train(stop=Late(), epochs=9),
    }
    for name, case in cases.items():
        try:
            network, history = case()
            bits = len(set(ranks.all(network.parameters.tobytes())))
            say(f"{name}: {history.reason} after {len(history)}, {bits} kind of bits")
        except Exception as error:
            say(f"{name}: {type(error).__name__}: {error}")


def lost(how):
    "Rank 1 is gone in epoch 2."
    gone = {"kill": lambda network: os.kill(os.getpid(), signal.SIGKILL), "exit": lambda network: os._exit(3)}
    train(callback=only(1, gone[how]), epochs=200)
    say("went on")


def resume(folder):
    "A training that is cut off and goes on is the one that was not, on as many ranks; and in one process up to rounding."
    for name, options in {"plain": {"optimizer": Adam(), "eta": 0.01}, "noise": {"noise": Dropout(0.3)}}.items():
        file = f"{folder}/{name}"
        whole, _ = train(**options, epochs=6)
        train(**options, epochs=6, checkpoint=file if ranks.index == 0 else None, callback=lambda epoch, *_: epoch == 3)
        network, history = train(**options, epochs=6, checkpoint=file if ranks.index == 0 else None)
        say(f"{name}: {len(history)} epochs, equal {np.array_equal(network.parameters, whole.parameters)}")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
