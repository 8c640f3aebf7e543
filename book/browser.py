"Find a browser for the tests, or get one: `python -m book.browser`."

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def find() -> str | None:
    "The path of a browser on this machine: one of the system's, or Playwright's own."
    for name in NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def get() -> str:
    "Find a browser, install one where none is, and exit with what is missing where that fails."
    if path := find():
        return path
    tried = []
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("[setup] Debian's chromium", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "chromium"]):
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if path := find():
            return path
        tried.append(f"apt-get install chromium: {done.stderr.strip()[-300:]}")
    else:
        tried.append("apt-get: not tried, it needs Debian and root")
    print("[setup] Playwright's own chromium", flush=True)
    done = subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], capture_output=True, text=True)
    if path := find():
        return path
    tried.append(f"playwright install chromium: {done.stderr.strip()[-300:]}")
    sys.exit("The tests need a browser (chromium), and none could be had:\n  " + "\n  ".join(tried))


if __name__ == "__main__":
    get()
