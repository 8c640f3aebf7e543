"""How long live Python takes in the pages of the built book: ``python -m benchmarks.live [CHAPTER…]``.

Each chapter is opened and started, and come to from another whose Python is live. Seconds from the click to the first
cell's result, and to the last one's. Aimed at: first result within 8 s, in a second chapter within 3 s, all within 30 s.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from playwright.sync_api import Page, sync_playwright

from book import browser
from book.notebooks import live
from book.serve import server

AIMS = {"first": 8.0, "all": 30.0, "next first": 3.0, "next all": 30.0}
WAIT = 300_000  # ms
MARKS = "Object.fromEntries(performance.getEntriesByType('mark').filter(one => one.name.startsWith('dln-')).map(one => [one.name, one.startTime]))"


def settled(tab: Page, name: str) -> dict[str, float]:
    "Wait until all cells of a chapter have run; seconds from the last click."
    for state in ("running", "live"):
        tab.wait_for_selector(f".dln-live[data-state={state}]:has([href$='{name}.ipynb'])", timeout=WAIT)
    marks = tab.evaluate(MARKS)
    return {name: (marks[f"dln-{mark}"] - marks["dln-click"]) / 1000 for name, mark in (("first", "first"), ("all", "last"))}


def measure(browser: Any, site: str, name: str, other: str) -> dict[str, float]:
    "A chapter started by itself, and come to from another."
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(f"{site}nbs/{name}.html", wait_until="load")
    tab.locator(".dln-live-start").click()
    alone = settled(tab, name)
    tab.locator(f"nav.bd-links a[href$='{other}.html']").first.click()
    settled(tab, other)
    tab.go_back()
    after = settled(tab, name)
    context.close()
    return alone | {f"next {each}": seconds for each, seconds in after.items()}


def main(names: list[str]) -> None:
    "A line for each chapter, with what misses its aim marked."
    chapters = [book.name for book in live()]
    print(f"{'':20}" + "".join(f"{name:>12}" for name in AIMS) + "   load")
    with server() as running, sync_playwright() as playwright:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.QUIET)
        for name in names or chapters:
            times = measure(chromium, f"http://127.0.0.1:{running.server_port}/", name, chapters[chapters[0] == name])
            line = "".join(f"{times[each]:10.1f}{' *' if times[each] > aim else '  '}" for each, aim in AIMS.items())
            print(f"{name:20}{line}   {os.getloadavg()[0]:.1f}", flush=True)
        chromium.close()
        running.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
