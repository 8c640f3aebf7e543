"""How long live Python takes in the pages of the built book: ``python -m benchmarks.live [CHAPTER…]``.

Each chapter is started by itself, and come to from another whose Python is live. Seconds from the click to the first
cell's result, and to the last one's; for the first result the processor's seconds, too, of the page and its worker.
Aimed at: first result within 8 s, in a second chapter within 3 s, all within 30 s.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from book import browser as browsers
from book.notebooks import live
from book.serve import server

AIMS = {"first": 8.0, "processor": None, "all": 30.0, "next: first": 3.0, "next: processor": None, "next: all": 30.0}
WAIT = 300_000  # ms
SINCE = "mark => { const last = name => performance.getEntriesByName(`dln-${name}`).pop()?.startTime ?? 0; return (last(mark) - last('click')) / 1000; }"


def processor(browser: Browser) -> float:
    "The seconds that the processes of the pages have taken so far."
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return sum(each["cpuTime"] for each in found if each["type"] == "renderer")


def run(browser: Browser, tab: Page, chapter: str, begin: Any) -> list[float]:
    "Begin, and wait until all cells of a chapter have run: seconds to the first result, the processor's, and to the last."
    before = processor(browser)
    begin()
    bar = f".dln-live:has([href$='{chapter}.ipynb'])"
    tab.wait_for_selector(f"{bar}:is([data-state=running], [data-state=live])", timeout=WAIT)  # few cells run in no time
    tab.wait_for_function(f"({SINCE})('first') > 0", timeout=WAIT, polling=50)
    taken = processor(browser) - before
    tab.wait_for_selector(f"{bar}[data-state=live]", timeout=WAIT)
    return [tab.evaluate(SINCE, "first"), taken, tab.evaluate(SINCE, "last")]


def measure(browser: Browser, site: str, chapter: str, other: str) -> dict[str, float]:
    "A chapter started by itself, and come to from another."
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(f"{site}nbs/{chapter}.html", wait_until="load")
    alone = run(browser, tab, chapter, tab.locator(".dln-live-start").click)
    run(browser, tab, other, tab.locator(f"nav.bd-links a[href$='{other}.html']").first.click)
    after = run(browser, tab, chapter, tab.locator(f"nav.bd-links a[href$='{chapter}.html']").first.click)
    context.close()
    return dict(zip(AIMS, alone + after))


def main(names: list[str]) -> None:
    "A line for each chapter, with what misses its aim marked."
    chapters = [book.name for book in live()]
    print(f"{'':20}" + "".join(f"{name:>17}" for name in AIMS) + "   load")
    with server() as running, sync_playwright() as playwright:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=browsers.find(), args=browsers.QUIET)
        for name in names or chapters:
            times = measure(browser, f"http://127.0.0.1:{running.server_port}/", name, chapters[chapters[0] == name])
            line = "".join(f"{times[each]:15.1f}{' *' if aim and times[each] > aim else '  '}" for each, aim in AIMS.items())
            print(f"{name:20}{line}   {os.getloadavg()[0]:.1f}", flush=True)
        browser.close()
        running.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
