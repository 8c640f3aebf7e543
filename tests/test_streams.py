"A file larger than the memory that is allowed: it is trained on, and memory stays flat."

import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from dlnbook.streams import Ahead, Blocks

CODE = """
import re, resource, sys
import numpy as np
from dlnbook.fitting import fit
from dlnbook.network import Network
from dlnbook.streams import Ahead, Blocks

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024

M = 80_000
X = np.memmap(sys.argv[1], np.float32, "r", shape=(M, 784))
labels = np.random.default_rng(0).integers(0, 10, M)
draw = {"ahead": Ahead(X), "blocks": Blocks(256, 16, X)}[sys.argv[2]]
used = int(re.search(r"VmData:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 64 * 2**20,) * 2)
try:
    np.array(X)
except MemoryError:
    print("too large")
before = anonymous()
network = Network((784, 16, 10), rng=0, dtype=np.float32)
history = fit(network, X, labels, epochs=1, batch_size=128, eta=0.01, rng=0, draw=draw, progress=False)
print(len(history), anonymous() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits and their measurement are Linux's")
@pytest.mark.parametrize("draw", ["ahead", "blocks"])
def test_a_map_of_240_megabytes_under_a_limit_of_64(draw, tmp_path):
    file = tmp_path / "rows"
    with open(file, "wb") as made:
        made.truncate(80_000 * 784 * 4)  # zeros, which take no room on the disk
    done = subprocess.run([sys.executable, "-c", CODE, str(file), draw], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, (epochs, more) = done.stdout.split("\n")[0], map(int, done.stdout.split()[-2:])
    assert refused == "too large" and epochs == 1 and more < 40


def test_advice_is_for_the_rows_of_a_part_of_the_map(tmp_path, monkeypatch):
    "The pages that are asked for hold the rows, also where an array begins in the middle of a map."
    file = tmp_path / "rows.npy"
    np.save(file, np.arange(30_000.0).reshape(3000, 10))
    part = np.load(file, mmap_mode="r")[1000:2000, 2:]
    asked = []

    class Spy:
        "A map that writes down what it is told."

        def __init__(self, of):
            self.of = of

        def __call__(self, start, stop, advice):
            asked.append((start, stop, advice))
            self.of(start, stop, advice)  # the system refuses what lies outside of the map

    draw = Ahead(part)
    draw.advise = Spy(draw.advise)
    rows = [batch.tolist() for batch in draw(1000, 100, np.random.default_rng(0))]
    assert [row for batch in rows for row in batch] == [start for start, _, advice in asked if advice == "MADV_WILLNEED"]
    assert sum(len(rows) for rows in Blocks(64, 4, part)(1000, 100, np.random.default_rng(0))) == 1000
