"""Measurements against peers, and the chapters' experiments at full size; README.md tells of both.

`Experiment` keeps what an experiment has found, and says whether that is still what the code would find.
"""

from __future__ import annotations

import ast
import datetime
import hashlib
import importlib.metadata
import io
import json
import math
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that has ASCII alone gets \xb5 for a µ, and no error
    sys.stdout.reconfigure(errors="backslashreplace")

RESULTS = Path(__file__).parent / "results"

#: How far a probe's numbers may lie from the kept ones. Kernels of BLAS and versions of NumPy add in different orders,
#: which after the few steps of a probe, in double precision, shows below 1e-9. A change of what is computed shows in
#: the leading digits. Between the two there is room.
RELATIVE, ABSOLUTE = 1e-6, 1e-9


def _processor() -> str:
    "The processor's name, as far as the system tells."
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _blas() -> dict[str, Any]:
    "NumPy's BLAS: library, version, kernel and number of threads."
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return {"library": "unknown (threadpoolctl is not installed)"}
    import numpy  # noqa: F401  (loads the library that is asked about)

    pools = [each for each in threadpool_info() if each["user_api"] == "blas"]
    keys = {"library": "internal_api", "version": "version", "kernel": "architecture", "threads": "num_threads"}
    return {name: pools[0].get(key) for name, key in keys.items()} if pools else {"library": "none found"}


def machine(*peers: str) -> dict[str, Any]:
    "What the numbers depend on besides the code: day, processor, versions, BLAS."
    return {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": {name: importlib.metadata.version(name) for name in ("numpy", *peers)},
        "blas": _blas(),
    }


def keep(name: str, found: dict[str, Any]) -> Path:
    "Write what was found to results/NAME.json, whole or not at all."
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    rows = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")
    text = rows.sub(lambda row: f"[{' '.join(row[1].split())}]", json.dumps(found, indent=1, ensure_ascii=False))
    draft = path.with_suffix(".part")
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)
    return path


# Experiments


@dataclass(frozen=True)
class Experiment:
    """A long experiment whose results are kept.

    Its file says `EXPERIMENT = Experiment(__file__, RECIPE, SMALL, parts)`: the settings that count, the same settings at a
    size that takes a moment, and `parts(settings)`, the functions that run the experiment's parts, by name. `closer`
    gives a probe some more numbers, where the parts' own are too coarse to notice a change.
    """

    file: str
    recipe: dict[str, Any]
    small: dict[str, Any]
    parts: Callable[[dict[str, Any]], dict[str, Callable[[], Any]]]
    closer: Callable[[], Any] | None = None

    @property
    def name(self) -> str:
        "Of the file, and of the results'."
        return Path(self.file).stem

    def kept(self) -> dict[str, Any]:
        "What was kept."
        return json.loads((RESULTS / f"{self.name}.json").read_text(encoding="utf-8"))

    def code(self) -> str:
        "A digest of the recipe's own code."
        return digest_of_code(Path(self.file).read_text(encoding="utf-8"))

    def probe(self) -> dict[str, Any]:
        "What all parts find with the small settings: every digit of it."
        found = {name: run() for name, run in self.parts(self.small).items()}
        return plain(found | {"closer": self.closer()} if self.closer else found)

    def stale(self, kept: dict[str, Any]) -> str:
        "Why results are not those of the recipe and the library as they are now, or nothing."
        if kept["recipe"] != plain(self.recipe):
            return "the recipe has changed"
        if kept["code"] != self.code():
            return f"the code of {Path(self.file).name} has changed"
        return next(differences(kept["probe"], self.probe(), "the probe"), "")

    def run(self, *wanted: str) -> None:
        """Run all parts and keep what they find; or only the parts that are named; or "none" of them.

        Parts that are not run stay, with their probes, if recipe and probe are what they were.
        """
        parts, probe = self.parts(self.recipe), self.probe()
        if unknown := set(wanted) - {*parts, "none"}:
            raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
        chosen = [name for name in parts if not wanted or name in wanted]
        left = [name for name in parts if name not in chosen]
        old = self.kept() if left else {"made": {}, "results": {}}
        if left and old["recipe"] != plain(self.recipe):
            raise SystemExit("the recipe has changed: all parts have to be run again")
        for name in left:
            if reason := next(differences(old["probe"][name], probe[name], f"the probe of {name}"), ""):
                raise SystemExit(f"{name} has to be run again, too: {reason}")
            probe[name] = old["probe"][name]
        made, results = old["made"], old["results"]
        for name in chosen:
            begin = time.process_time()
            results[name] = plain(parts[name](), digits=6)
            made[name] = {"seconds": round(time.process_time() - begin, 1), "machine": machine()}
            print(f"{name}: {made[name]['seconds']} s", flush=True)
        found = {"recipe": self.recipe, "command": f"python -m benchmarks.{self.name}", "code": self.code(), "probe": probe}
        in_order = {"made": {name: made[name] for name in parts}, "results": {name: results[name] for name in parts}}
        print(f"kept in benchmarks/results/{keep(self.name, found | in_order).name}")


def plain(value: Any, digits: int | None = None) -> Any:
    "A value as JSON gives it back; of numbers that many digits."
    if isinstance(value, dict):
        return {str(key): plain(each, digits) for key, each in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(each, digits) for each in value]
    return float(f"{value:.{digits}g}") if digits and isinstance(value, float) else value


def differences(kept: Any, found: Any, place: str) -> Iterator[str]:
    "Where two results differ by more than rounding, in words."
    if isinstance(kept, dict) and isinstance(found, dict) and kept.keys() == found.keys():
        for key in kept:
            yield from differences(kept[key], found[key], f"{place}, {key}")
    elif isinstance(kept, list) and isinstance(found, list) and len(kept) == len(found):
        for i, pair in enumerate(zip(kept, found)):
            yield from differences(*pair, f"{place}, {i}")
    elif not _alike(kept, found):
        yield f"{place}: was {_short(kept)} and is {_short(found)}"


def _alike(kept: Any, found: Any) -> bool:
    "Whether two values are the same, or two numbers up to rounding."
    if isinstance(kept, float) and isinstance(found, (int, float)) or isinstance(found, float) and isinstance(kept, int):
        both_nan = math.isnan(kept) and math.isnan(found)
        return both_nan or math.isclose(kept, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(kept) is type(found) and kept == found


def _short(value: Any) -> str:
    "The beginning of a value."
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}…"


def digest_of_code(text: str) -> str:
    "A digest of what a program does: comments, docstrings, layout, and where it imports from do not count."
    return hashlib.sha256(json.dumps(_skeleton(ast.parse(text))).encode()).hexdigest()[:16]


def _skeleton(node: object) -> object:
    "A syntax tree as plain data, without what does not count and what only some versions of Python write down."
    if isinstance(node, ast.AST):
        told = {name: _skeleton(value) for name, value in ast.iter_fields(node) if value not in (None, [])}
        return [type(node).__name__, sorted(told.items())]
    if isinstance(node, list):
        return [_skeleton(each) for each in node if not _silent(each)]
    return repr(node)


def _silent(node: object) -> bool:
    "Whether it is an import, or a text that stands by itself."
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return text or isinstance(node, (ast.Import, ast.ImportFrom))
