"Measurements against peers: `python -m benchmarks.NAME` measures, prints a table and keeps the numbers in results/."

from __future__ import annotations

import ast
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


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
    "Write what was found to results/NAME.json."
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def digest_of(*paths: Path) -> str:
    "A digest of code without comments and docstrings, the same under all versions of Python."
    total = hashlib.sha256()
    for path in paths:
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
                for i in range(body[0].lineno - 1, body[0].end_lineno):
                    lines[i] = ""
        kept = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        total.update("\n".join(kept).encode() + b"\0")
    return total.hexdigest()[:16]
