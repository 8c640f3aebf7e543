"""Networks in Keras itself, under the names and in the layout of chapter 20.

    KERAS_BACKEND=numpy uv run --with keras python -m benchmarks.exchange

Keras is not among the packages of `make test`; NumPy serves as its engine. The pencil network and a wider one are made
there, one after the other in one session, and their weights filled from `dlnbook.layouts.named`. What Keras computes from
them, and what it calls its arrays, is kept; tests read it back. Weights are float64 there; products and sums come out of
this engine in float32, whatever the policy.

A few seconds. Kept in benchmarks/results/exchange.json.
"""

from __future__ import annotations

import math
import os

os.environ.setdefault("KERAS_BACKEND", "numpy")

import numpy as np

from benchmarks import keep, machine
from dlnbook.layouts import named, unnamed
from dlnbook.network import Network
from dlnbook.nonlinearities import leaky_relu

RECIPE = {"pencil": {"widths": [2, 2, 2, 3], "slope": 0.5}, "wide": {"widths": [3, 5, 4, 2], "activation": "tanh", "seed": 0}, "inputs": 8}


def networks() -> dict:
    "The two networks, and what Keras is told of their activation functions."
    pencil = Network(RECIPE["pencil"]["widths"], leaky_relu(0.5), rng=0)
    for r, W in enumerate(([[1, 1], [-1, 1]], [[-1, 2], [1, 2]], [[-1, 1], [1, 2], [-1, -1]]), 1):
        pencil.W[r] = W
    for r, b in enumerate(([2, -1], [1, -2], [-3, 2 + math.log(2), -1 + math.log(5)]), 1):
        pencil.b[r] = b
    wide = Network(RECIPE["wide"]["widths"], "tanh", rng=0)
    rng = np.random.default_rng(1)
    for r in range(1, wide.R + 2):
        wide.b[r] = rng.normal(size=wide.b[r].shape)
    return {"pencil": (pencil, [0.5]), "wide": (wide, "tanh")}


def there(network: Network, activation: list | str) -> dict:
    "What Keras makes of a network."
    import keras

    keras.config.set_dtype_policy("float64")
    layers = keras.layers
    between = layers.Activation if isinstance(activation, str) else lambda told: layers.LeakyReLU(negative_slope=told[0])
    model = keras.Sequential([keras.Input((network.widths[0],))])
    for width in network.widths[1:]:
        model.add(layers.Dense(width))
        if len(model.weights) // 2 <= network.R:
            model.add(between(activation))
    ours = named(network.W, network.b, "keras")
    for weight, array in zip(model.weights, ours.values()):
        assert weight.path.rsplit("/", 1)[1] in ("kernel", "bias")
        weight.assign(array)
    inputs = np.random.default_rng(2).normal(size=(RECIPE["inputs"], network.widths[0]))
    numbers = keras.ops.convert_to_numpy
    outputs = numbers(model(inputs))
    arrays = {weight.path: numbers(weight.value) for weight in model.weights}
    W, b = unnamed(dict(zip(ours, arrays.values())), "keras")
    back = all(np.array_equal(W[r], network.W[r]) and np.array_equal(b[r], network.b[r]) for r in range(1, network.R + 2))
    return {
        "most": float(abs(outputs - network.scores(inputs)).max()),
        "back": back,
        "activation": activation,
        "arrays": {name: array.tolist() for name, array in arrays.items()},
        "inputs": inputs.tolist(),
        "outputs": outputs.tolist(),
    }


def main() -> None:
    "Compare, print, keep."
    results = {name: there(*each) for name, each in networks().items()}
    for name, one in results.items():
        print(f"{name}: outputs differ by at most {one['most']:.1e}; {', '.join(one['arrays'])}; back to the last bit: {one['back']}")
    keep("exchange", {"recipe": RECIPE, "machine": machine("keras"), "results": results})


if __name__ == "__main__":
    main()
