"""Calls as users write them, for type checkers: this file is checked, and never run.

A line that ends in `# wrong` must be an error to every checker: a declaration above a function hides nothing of it.
"""

import numpy as np

from dlnbook.activation import find_activation
from dlnbook.data import digits, moons, split
from dlnbook.descent import batches, descend, update
from dlnbook.fitting import fit
from dlnbook.gradcheck import check_gradient
from dlnbook.loss import accuracy, cross_entropy, one_hot, sigmoid, softmax
from dlnbook.network import Network
from dlnbook.numeric import central_difference
from dlnbook.scale import parameter_count

A = np.ones((2, 3))
Y = softmax(A)
Y = softmax([[1.0, 2.0]])
losses = cross_entropy(A, Y)
share: float = accuracy(A, [0, 1])
number: int = parameter_count([2, 3, 2])
X, labels = moons(100, 0.1, 0)
X, labels, X_test, labels_test = split(*digits(), rng=np.random.default_rng(0))
network = Network((64, 10, 10), "relu", rng=0)
history = fit(network, X, labels, epochs=1, batch_size=10, eta=0.1, rng=0)
new = update([A], [A], eta=0.1)
for rows in batches(10, 3):
    rows.sum()
relu = find_activation("relu")

softmax()  # wrong
softmax(A, A)  # wrong
softmax(a=A)  # wrong
cross_entropy(A)  # wrong
one_hot([0, 1], "three")  # wrong
text: str = parameter_count([2, 3, 2])  # wrong
moons("many", 0.1)  # wrong
update([A], [A], rate=0.1)  # wrong
descend([A], 3, X, labels, eta=0.1, batch_size=1, epochs=1)  # wrong
check_gradient(A)  # wrong
central_difference(np.sin)  # wrong
Network((64, 10, 10), "relu", seed=0)  # wrong
fit(network, X, labels, epoch=1)  # wrong
sigmoid(A).nothing_of_this_name()  # wrong
