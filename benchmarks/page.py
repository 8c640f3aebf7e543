"""How long a reader waits for the pages of the built book: ``python -m benchmarks.page [CHAPTER…]``.

For each chapter with explorables: seconds to the first words on a slow line (1.44 Mbit/s, 150 ms), and milliseconds from
a slider's key to the next paint; a key that takes less than 16 ms is not told by the browser, and counts as 0.
"""

from __future__ import annotations

import sys
import threading

from playwright.sync_api import Browser, sync_playwright

from book import browser as browsers
from book.notebooks import read_all
from book.serve import server

SLOW = {"offline": False, "latency": 150, "downloadThroughput": 1.44e6 / 8, "uploadThroughput": 1e6 / 8}  # ms, bytes/s
WATCH = """() => { window.taken = []; new PerformanceObserver(list => window.taken.push(...list.getEntries()
    .filter(one => one.name === 'keydown').map(one => one.duration))).observe({ type: 'event', durationThreshold: 16, buffered: true }); }"""
WAIT = 120_000  # ms


def measure(browser: Browser, address: str) -> tuple[float, list[float]]:
    "Seconds to the first paint, and each key's milliseconds, in increasing order."
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    client = context.new_cdp_session(tab)
    client.send("Network.enable")
    client.send("Network.emulateNetworkConditions", SLOW)
    tab.goto(address, wait_until="load", timeout=WAIT)
    first = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    tab.evaluate("async () => { await window.MathJax?.startup?.promise; }")
    tab.evaluate(WATCH)
    keys = 0
    for slider in tab.locator(".dln-explorable input:not([hidden])").all():
        for key in ("ArrowRight", "ArrowLeft") * 2:
            slider.press(key)
            tab.wait_for_timeout(150)
            keys += 1
    told = tab.evaluate("window.taken")
    context.close()
    return first, sorted([0.0] * (keys - len(told)) + told)


def main(names: list[str]) -> None:
    "A line for each chapter."
    chapters = [book.name for book in read_all() if "explore(" in book.code and book.name[0].isdigit()]
    print(f"{'':20}{'first paint, s':>16}{'keys':>6}{'median, ms':>12}{'longest, ms':>13}")
    with server() as running, sync_playwright() as playwright:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=browsers.find(), args=browsers.QUIET)
        for name in names or chapters:
            first, taken = measure(browser, f"http://127.0.0.1:{running.server_port}/nbs/{name}.html")
            print(f"{name:20}{first:16.1f}{len(taken):6}{taken[len(taken) // 2]:12.0f}{taken[-1]:13.0f}", flush=True)
        browser.close()
        running.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
