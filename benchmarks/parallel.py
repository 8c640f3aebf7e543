"""Two ranks on one machine beside PyTorch's DDP on gloo, and what the seam costs those who use no ranks: chapter 22.

    python -m benchmarks.parallel [--quick | --cost | --instructions]      (the last two do one part anew, and leave all else)

Weak scaling: a rank has the same number of rows whether it is alone or one of two. In each round every way of training takes
some steps in turn, in the same two processes: `alone` (one rank works, the other sleeps), `apart` (both work, and nobody
sends anything), `together` (one Allreduce a step); `chapter` is `dlnbook.sharing.shared_gradient` in a plain loop, together.
Seconds are by the clock, of steps alone, a BLAS thread a rank, single precision, plain SGD, batches as drawn by an index array.
An efficiency is a ratio of two times of one round. The sum of an array alone is timed in the same rounds, for several lengths.

Without ranks: `fit` beside the same module with every line on ranks cut out of its text, in pairs of short trainings, in
turn and in changing order, in one process, by processor time. Many short pairs, since a machine's speed wanders within seconds
and a pair sees it stand still; the median of their ratios, with its interval (order statistics, 95 %). The same for `fit`
beside itself, which says what the method can tell. Two copies of one program differ by where their arrays lie, by a percent
or more, so both are made anew after every 20 pairs. With valgrind
at hand, instructions are counted, too, those of ten trainings: they do not depend on who else uses the machine.

Some minutes on two cores that should be idle. Kept in benchmarks/results/parallel.json.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

if __name__ == "__main__":
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import numpy as np

from benchmarks import RESULTS, keep, machine
from dlnbook import fitting
from dlnbook.data import digits
from dlnbook.descent import batches
from dlnbook.network import Network

RECIPE = {
    "networks": {"784-128-64-10": [128, 30], "784-512-512-10": [256, 6], "784-1024-1024-10": [256, 4]},  # rows a rank, steps a round
    "rounds": 15, "lengths": [24, 1_000, 10_000, 100_000, 1_000_000, 2_000_000], "eta": 0.01,
    "pairs": 2000, "cost": {"widths": [64, 30, 10], "batch_size": 10, "epochs": 1},
}  # fmt: skip

# What `fit` does for ranks, and what stands there without: each text occurs once in its module. None: a call, to its end.
CUTS = [
    ("@on_all_ranks\n", ""),
    ("self.shared = (team or Team()).shared  # each rank measures some pieces", "self.shared = lambda function, pieces: [function(each) for each in pieces]"),
    ("self.history.epochs.append(self.steps.team.first(Epoch(*epoch, seconds=seconds)))", "self.history.epochs.append(Epoch(*epoch, seconds=seconds))"),
    ("return self.steps.team.first(self.reason_to_end(epochs))", "return self.reason_to_end(epochs)"),
    ("        self.together = None if team.ranks is None else team.ranks.stepper(self)\n", ""),
    ("        advance = self.together or advance\n", ""),
    ("        if team.ranks is not None:\n            team.alike(parameters=zlib.crc32(run.network.parameters))\n            reason = team.first(reason)\n", ""),
    ("    run.align(network", None),
    ("    with patient(team) as steps.strikes, _the_history_gets_out(run, shown, file), team.agreed():", "    with _the_history_gets_out(run, shown, file):"),
]  # fmt: skip


# Two ranks


def quiet_barrier(comm) -> None:
    "Wait for the other rank without keeping a core busy."
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(0.0005)


def timed(seconds: list):
    "A draw for `fit` that notes how long the steps of an epoch took."

    def draw(samples, batch_size, rng):
        cut = list(batches(samples, batch_size, rng))
        begin = time.perf_counter()
        yield from cut
        seconds.append(time.perf_counter() - begin)

    return draw


class Ways:
    "The ways to train one network for some steps; each returns the seconds of a step."

    def __init__(self, widths, B, steps, ranks):
        import torch
        from torch.nn.parallel import DistributedDataParallel

        self.B, self.steps, self.ranks = B, steps, ranks
        rng = np.random.default_rng(0)
        M = 2 * B * steps
        self.X, self.y = rng.random((M, widths[0]), np.float32), rng.integers(0, widths[-1], M)
        self.network = Network(widths, rng=0, dtype=np.float32)
        self.Xt, self.yt = torch.from_numpy(self.X), torch.from_numpy(self.y)
        pairs = zip(widths, widths[1:])
        layers = [each for pair in pairs for each in (torch.nn.Linear(*pair), torch.nn.ReLU())][:-1]
        self.model = torch.nn.Sequential(*layers)
        self.both = DistributedDataParallel(torch.nn.Sequential(*[*map(type(self)._copy, layers)]))

    @staticmethod
    def _copy(layer):
        import torch

        return torch.nn.Linear(layer.in_features, layer.out_features) if hasattr(layer, "in_features") else torch.nn.ReLU()

    def _fit(self, M, B, ranks):
        seconds: list = []
        fitting.fit(self.network, self.X[:M], self.y[:M], epochs=1, batch_size=B, eta=RECIPE["eta"], rng=0, draw=timed(seconds), progress=False, ranks=ranks)
        return seconds[0] / self.steps

    def ours(self, together):
        return self._fit(2 * self.B * self.steps, 2 * self.B, self.ranks) if together else self._fit(self.B * self.steps, self.B, None)

    def chapter(self, together):
        from dlnbook.sharing import shared_gradient

        network, cut = self.network, list(batches(2 * self.B * self.steps, 2 * self.B, 0))
        begin = time.perf_counter()
        for rows in cut:
            network.parameters -= RECIPE["eta"] * shared_gradient(network, self.X, self.y, rows, self.ranks)
        return (time.perf_counter() - begin) / self.steps

    def torch(self, together):
        import torch

        model = self.both if together else self.model
        optimizer, loss = torch.optim.SGD(model.parameters(), lr=RECIPE["eta"]), torch.nn.CrossEntropyLoss()
        order = torch.from_numpy(np.random.default_rng(0).permutation(self.B * self.steps)).split(self.B)
        begin = time.perf_counter()
        for rows in order:
            optimizer.zero_grad(set_to_none=True)
            loss(model(self.Xt[rows]), self.yt[rows]).backward()
            optimizer.step()
        return (time.perf_counter() - begin) / self.steps


def sums(ranks, lengths) -> dict:
    "Seconds of the sum of an array of each length, in single precision."
    found = {}
    for length in lengths:
        array, times = np.zeros(length, np.float32), 200 if length < 50_000 else 20
        ranks.sum(array)
        begin = time.perf_counter()
        for _ in range(times):
            ranks.sum(array)
        found[str(length)] = (time.perf_counter() - begin) / times
    return found


def as_ranks(store: str, rounds: int) -> None:
    "What both processes run; rank 0 prints what was found."
    import torch
    import torch.distributed

    from dlnbook.parallel import Ranks

    torch.set_num_threads(1)
    ranks = Ranks()
    comm = ranks.comm
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=ranks.index, world_size=2)
    found: dict = {"sums": []}
    ways = {name: Ways([int(each) for each in name.split("-")], *sizes, ranks) for name, sizes in RECIPE["networks"].items()}
    plan = [("ours", "alone"), ("torch", "alone"), ("ours", "apart"), ("torch", "apart"), ("ours", "together"), ("torch", "together"), ("chapter", "together")]
    for number in range(rounds + 1):
        for name, way in ways.items():
            for which, how in plan if number % 2 else plan[::-1]:
                quiet_barrier(comm)
                mine = None if how == "alone" and ranks.index else getattr(way, which)(how == "together")
                quiet_barrier(comm)
                slowest = max(each for each in ranks.all(mine) if each is not None)
                if number:  # the first round warms up
                    found.setdefault(name, {}).setdefault(f"{which} {how}", []).append(slowest)
        quiet_barrier(comm)
        found["sums"].append(sums(ranks, RECIPE["lengths"]))
    if ranks.index == 0:
        print("RESULT", json.dumps(found), flush=True)
    torch.distributed.destroy_process_group()


def spread(values) -> dict:
    "Median and quartiles."
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": float(middle), "quartiles": [float(low), float(high)]}


def scaling(rounds: int) -> dict:
    "Efficiencies, and the line through the times of sums."
    launcher = Path(sys.executable).parent / "mpiexec"
    with tempfile.TemporaryDirectory() as folder:
        command = [str(launcher), "-n", "2", sys.executable, "-m", "mpi4py", "-m", "benchmarks.parallel", "--ranks", f"{folder}/store", str(rounds)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT")).removeprefix("RESULT"))
    times = {length: float(np.median([each[length] for each in found["sums"][1:]])) for length in found["sums"][0]}
    short, long = (str(RECIPE["lengths"][i]) for i in (0, -1))
    a_byte = (times[long] - times[short]) / (4 * (int(long) - int(short)))
    alpha = times[short] - a_byte * 4 * int(short)
    results = {"sums": {"seconds": times, "alpha": alpha, "bandwidth": 1 / a_byte}, "networks": {}}
    for name, (rows, _) in RECIPE["networks"].items():
        each = {way: np.array(seconds) for way, seconds in found[name].items()}
        widths = [int(width) for width in name.split("-")]
        P = sum((m + 1) * n for m, n in zip(widths, widths[1:]))
        one = results["networks"][name] = {"parameters": P, "rows": rows, "milliseconds": {way: spread(1e3 * seconds) for way, seconds in each.items()}}
        for which in ("ours", "torch"):
            one[f"{which}: efficiency"] = spread(each[f"{which} alone"] / each[f"{which} together"])
            one[f"{which}: without sending"] = spread(each[f"{which} alone"] / each[f"{which} apart"])
        one["chapter's loop by fit"] = spread(each["chapter together"] / each["ours together"])
        computing = np.median(each["ours apart"])
        one["model: milliseconds together"] = 1e3 * float(computing + alpha + a_byte * 4 * P)
        one["model: efficiency"] = float(np.median(each["ours alone"]) / (computing + alpha + a_byte * 4 * P))
    return results


# No ranks


def without_ranks() -> types.ModuleType:
    "The module `fitting` with every line on ranks cut out."
    text = inspect.getsource(fitting)
    for old, new in CUTS:
        assert text.count(old) == 1, old
        start = text.index(old)
        end = text.index("\n", text.index(")  # fmt: skip", start)) + 1 if new is None else start + len(old)
        text = text[:start] + (new or "") + text[end:]
    module = types.ModuleType("fitting_without_ranks")
    module.__package__, sys.modules[module.__name__] = "dlnbook", module
    exec(compile(text, "fitting without ranks", "exec"), module.__dict__)
    return module


def ratios(makers, pairs: int) -> dict:
    "The median of the ratios of processor times of two functions, with its interval; now and then they are made anew, elsewhere in memory."
    found, elsewhere = [], []
    for number in range(pairs + 20):
        if number % 20 == 0:
            elsewhere.append(np.empty(np.random.default_rng(number).integers(1, 10**5)))
            turn = 1 - 2 * (number // 20 % 2)
            both = [make() for make in makers[::turn]][::turn]
        seconds = [0, 0]
        for which in (0, 1) if number % 2 else (1, 0):
            begin = time.process_time_ns()
            both[which]()
            seconds[which] = time.process_time_ns() - begin
        found.append(seconds[0] / seconds[1])
    kept = np.sort(found[20:])
    half = 1.96 * np.sqrt(pairs) / 2
    low, high = kept[int(pairs / 2 - half)], kept[int(pairs / 2 + half)]
    return {"median": float(np.median(kept)), "interval": [float(low), float(high)], "quartiles": [float(each) for each in np.percentile(kept, [25, 75])]}


def training(fit):
    "A short training, the same each time."
    X, y = digits()
    start, how = Network(RECIPE["cost"]["widths"], rng=0), {"epochs": RECIPE["cost"]["epochs"], "batch_size": RECIPE["cost"]["batch_size"], "eta": 0.1}
    network = start.copy()

    def run():
        np.copyto(network.parameters, start.parameters)
        return fit(network, X, y, **how, rng=0, progress=False)

    return run


def cost(pairs: int) -> dict:
    "What the seam costs without ranks."
    bare = without_ranks()
    with_seam, without = (functools.partial(training, fit) for fit in (fitting.fit, bare.fit))
    assert [epoch.loss for epoch in with_seam()().epochs] == [epoch.loss for epoch in without()().epochs]
    return {"with by without": ratios([with_seam, without], pairs), "with by itself": ratios([with_seam, with_seam], pairs)}


def instructions() -> dict | None:
    "Instructions of ten trainings, with the seam and without, by valgrind: those of thirteen less those of three."
    if not shutil.which("valgrind"):
        return None
    found: dict = {}
    for kind in ("with", "without"):
        counts = []
        for times in (3, 13):
            command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sys.executable, "-m", "benchmarks.parallel", "--train", kind, str(times)]
            environment = os.environ | {"PYTHONHASHSEED": "0", "OPENBLAS_CORETYPE": "Haswell"}
            done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
            counts.append(int(re.search(r"I +refs: +([\d,]+)", done.stderr)[1].replace(",", "")))
        found[kind] = counts[1] - counts[0]
    return found | {"with by without": found["with"] / found["without"]}


def main(quick: bool) -> None:
    "Measure, print tables, keep them."
    results = {"cost without ranks": cost(60 if quick else RECIPE["pairs"])}
    for name, one in results["cost without ranks"].items():
        print(f"{name}: {one['median']:.4f}, 95 % interval {one['interval'][0]:.4f} to {one['interval'][1]:.4f}")
    if not quick:
        results["instructions without ranks"] = instructions()
    results |= scaling(3 if quick else RECIPE["rounds"])
    print(f"a sum takes {1e6 * results['sums']['alpha']:.1f} µs and a second for {results['sums']['bandwidth'] / 1e9:.2f} GB")
    for name, one in results["networks"].items():
        print(name, one["parameters"], "parameters,", one["rows"], "rows a rank")
        for what, value in one.items():
            if isinstance(value, dict) and "median" in value:
                print(f"   {what:28} {value['median']:.3f}, quartiles {value['quartiles'][0]:.3f} to {value['quartiles'][1]:.3f}")
        print(f"   {'model: efficiency':28} {one['model: efficiency']:.3f}")
        print("   ms:", {way: round(each["median"], 3) for way, each in one["milliseconds"].items()})
    if not quick:
        keep("parallel", {"recipe": RECIPE, "machine": machine("mpi4py", "mpich", "torch"), "results": results})


if __name__ == "__main__":
    if "--ranks" in sys.argv[1:]:
        as_ranks(sys.argv[-2], int(sys.argv[-1]))
    elif "--train" in sys.argv[1:]:
        run = training(fitting.fit if sys.argv[-2] == "with" else without_ranks().fit)
        for _ in range(int(sys.argv[-1])):
            run()
    elif sys.argv[1:] in (["--instructions"], ["--cost"]):
        whole = json.loads((RESULTS / "parallel.json").read_text(encoding="utf-8")) | {"recipe": RECIPE}
        if sys.argv[1] == "--cost":
            whole["results"]["cost without ranks"] = cost(RECIPE["pairs"])
        else:
            whole["results"]["instructions without ranks"] = instructions()
        keep("parallel", whole)
    else:
        main("--quick" in sys.argv[1:])
