"""What test_executors.py runs on Dask's executor, in a process of its own, since Dask leaves threads: python tests/cluster.py FILE.

A search that loses a worker once, and one that loses each worker that gets a certain training.
"""

import sys

import numpy as np
from test_executors import CANDIDATES, deadly, fatal, train

from dlnbook.searching import search

if __name__ == "__main__":
    from distributed import Client, KilledWorker, LocalCluster

    alone = search(train, CANDIDATES, seeds=range(3), progress=False)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        executor = client.get_executor()
        found = search(deadly, CANDIDATES, seeds=range(3), jobs=executor, progress=False)
        print("equal", np.array_equal(alone.scores, found.scores), flush=True)
        try:
            search(fatal, CANDIDATES, seeds=range(3), jobs=executor, file=sys.argv[1], progress=False)
        except KilledWorker:
            print("ended", flush=True)
