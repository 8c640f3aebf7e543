"""A whole epoch of a map of 4 GB under a limit of 200 MB of data: chapter 21.

    python -m benchmarks.larger_than_memory [--quick] [FOLDER]

A file of rows of 784 numbers in single precision is written to FOLDER (the place for temporary files unless given) and
removed again. Each draw trains 784-16-10 for one epoch in a process of its own, whose data, anonymous memory that it may
write to, are limited by the system (RLIMIT_DATA): an allocation beyond that fails. Mapped pages are the system's own and
count neither for the limit nor here; the file is dropped from its cache before each draw. Measured every 50 batches:
RssAnon of /proc/self/status. First the limit is shown to hold: reading the whole file into memory is refused.

Some minutes, and as much room on the disk as the file takes. Kept in benchmarks/results/larger_than_memory.json. Linux only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks import keep, machine

RECIPE = {
    "bytes": 4 * 10**9, "inputs": 784, "widths": [784, 16, 10], "batch_size": 128, "eta": 0.01, "limit": 200 * 10**6,
    "block": 256, "window": 64, "draws": ["Ahead", "Blocks", "Blocks, told"], "every": 50,
}  # fmt: skip


def write(file: Path, rows: int) -> None:
    "Rows of noise: some thousands of them, again and again, each time in another order of columns."
    rng, few = np.random.default_rng(0), 20_000
    noise = rng.standard_normal((few, RECIPE["inputs"]), np.float32)
    with open(file, "wb") as made:
        for start in range(0, rows, few):
            made.write(np.roll(noise, start // few, axis=1)[: rows - start].tobytes())
        os.fsync(made.fileno())


def status(name: str) -> int:
    "A line of this process's status, in bytes."
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0


def forget(file: Path) -> None:
    "Drop the file from the system's cache."
    with open(file, "rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def epoch(file: Path, kind: str) -> dict:
    "One epoch, its anonymous memory on the way, and its times."
    import resource

    from dlnbook.fitting import fit
    from dlnbook.network import Network
    from dlnbook.streams import Ahead, Blocks

    X = np.memmap(file, np.float32, "r").reshape(-1, RECIPE["inputs"])
    sizes = RECIPE["block"], RECIPE["window"]
    draw = {"Ahead": Ahead(X), "Blocks": Blocks(*sizes), "Blocks, told": Blocks(*sizes, X)}[kind]
    resource.setrlimit(resource.RLIMIT_DATA, (RECIPE["limit"],) * 2)
    try:
        np.array(X)
        raise SystemExit("the limit does not hold")
    except MemoryError:
        pass
    seen: list[int] = []

    def watched(samples, batch_size, rng):
        "The batches of the draw, with a look at the memory now and then."
        for number, rows in enumerate(draw(samples, batch_size, rng)):
            if number % RECIPE["every"] == 0:
                seen.append(status("RssAnon"))
            yield rows

    y = (X[:, 0] > 0).astype(np.int8)
    forget(file)
    network, clocks = Network(tuple(RECIPE["widths"]), rng=0, dtype=np.float32), (perf_counter(), process_time())
    before = status("RssAnon")
    history = fit(network, X, y, epochs=1, batch_size=RECIPE["batch_size"], eta=RECIPE["eta"], rng=0, draw=watched, progress=False)
    return {
        "batches": -(-len(X) // RECIPE["batch_size"]), "loss": history.loss[0], "before": before, "first": seen[0],
        "middle": seen[len(seen) // 2], "last": seen[-1], "peak": max(seen), "data": status("VmData"), "peak resident": status("VmHWM"),
        "seconds": perf_counter() - clocks[0], "processor seconds": process_time() - clocks[1],
    }  # fmt: skip


def main(quick: bool, folder: Path) -> None:
    "Write the file, train, print a table, keep it."
    results: dict = {}
    with tempfile.TemporaryDirectory(dir=folder) as room:
        file = Path(room) / "rows"
        size = RECIPE["bytes"] // (20 if quick else 1)
        write(file, size // (4 * RECIPE["inputs"]))
        print(f"{file.stat().st_size / 1e9:.2f} GB, limit {RECIPE['limit'] / 1e6:.0f} MB; anonymous memory in MB, seconds")
        for kind in RECIPE["draws"]:
            forget(file)
            command = [sys.executable, "-m", "benchmarks.larger_than_memory", "--epoch", str(file), kind]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            one = results[kind] = json.loads(done.stdout)
            parts = " ".join(f"{part} {one[part] / 1e6:.1f}" for part in ("before", "first", "middle", "last", "peak"))
            print(f"{kind:14} {parts}   {one['seconds']:.0f} s, processor {one['processor seconds']:.0f}", flush=True)
    if not quick:
        keep("larger_than_memory", {"recipe": RECIPE, "machine": machine(), "results": results})


if __name__ == "__main__":
    if "--epoch" in sys.argv[1:]:
        print(json.dumps(epoch(Path(sys.argv[2]), sys.argv[3])))
    else:
        rest = [each for each in sys.argv[1:] if each != "--quick"]
        main("--quick" in sys.argv[1:], Path(rest[0]) if rest else Path(tempfile.gettempdir()))
