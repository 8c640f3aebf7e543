// The button at the top of a chapter. What it starts is loaded only when it is pressed; a page that a reader comes to while
// Python is live comes alive by itself.
(() => {
  const here = document.currentScript.src.replace(/[^/]*$/, "");
  const site = new URL(document.documentElement.dataset.content_root || "./", location.href).href;
  const SERVE = "From a checkout of the book, `make serve` serves it all on this machine.";

  // What stands in the way of Python in this browser, or its manifest.
  async function obstacle() {
    if (location.protocol === "file:") return `A browser lets no page that is opened as a file start Python. ${SERVE}`;
    if (typeof WebAssembly !== "object" || typeof Worker !== "function") return `Python needs WebAssembly, and this browser has none or has it switched off. Another browser will do: ${SERVE}`;
    const found = await fetch(site + "pyodide/manifest.json", { cache: "no-cache" }).catch(() => null);
    return found?.ok ? found.json() : `The files of live Python are missing from this copy of the book. ${SERVE}`;
  }

  // What the reader changed at an earlier visit is named before it can surprise.
  function nameKept(say) {
    let count = 0;
    try {
      count = Object.keys(JSON.parse(localStorage.getItem(`dlnbook:${location.pathname}`)) ?? {}).length;
    } catch { /* nothing can have been kept */ }
    if (count) say(`Your text of ${count === 1 ? "1 cell" : `${count} cells`} is kept in this browser, and comes back with live code.`);
  }

  function wake(bar) {
    const button = bar.querySelector(".dln-live-start"), line = bar.querySelector(".dln-live-line");

    function say(text) {
      const parts = text.split(/`([^`]*)`/);
      line.replaceChildren(...parts.map((part, i) => (i % 2 ? Object.assign(document.createElement("code"), { textContent: part }) : part)));
    }

    // Whatever goes wrong, the page is as it was.
    async function attempt(start) {
      button.disabled = true;
      try {
        if (await start()) return;
      } catch (error) {
        if (dlnPage.notebook?.bar === bar) dlnPage.notebook = null;
        console.warn(error);
        say(`Python did not start: ${error.message || error}. The page is as it was. ${SERVE}`);
      }
      bar.dataset.state = "static";
      button.disabled = false;
    }

    async function begin() {
      performance.mark("dln-click");
      const manifest = await obstacle();
      if (typeof manifest === "string") return say(manifest);
      const { begin } = await import(here + "notebook.js");
      dlnPage.notebook = await begin({ bar, site, manifest, say });
      return true;
    }

    function follow() {
      dlnPage.notebook = dlnPage.notebook.next({ bar, say });
      return dlnPage.notebook.begin();
    }

    button.addEventListener("click", () => attempt(begin));
    for (const link of bar.querySelectorAll(".dln-live-notebook")) {
      link.addEventListener("click", async (event) => {
        if (location.protocol !== "file:") return;
        event.preventDefault();
        say(await obstacle());
      });
    }
    nameKept(say);
    bar.hidden = false;
    if (dlnPage.notebook) attempt(follow);
  }

  dlnPage.wake(() => document.querySelectorAll(".dln-live").forEach(wake));
})();
