"""What test_executors.py runs on mpi4py's executor: mpiexec -n 3 python -m mpi4py.futures tests/pool.py FILE.

A search whose scores are compared, and one that loses a worker.
"""

import sys

import numpy as np
from test_executors import CANDIDATES, deadly, train

from dlnbook.searching import search

if __name__ == "__main__":
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as executor:
        alone, found = (search(train, CANDIDATES, seeds=range(3), jobs=jobs, progress=False) for jobs in (1, executor))
        print("equal", np.array_equal(alone.scores, found.scores), flush=True)
        search(deadly, CANDIDATES, seeds=range(3), jobs=executor, file=sys.argv[1], progress=False)
    print("went on")
