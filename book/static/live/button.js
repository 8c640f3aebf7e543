// The button at the top of a chapter. What it starts is loaded only when it is pressed.
(() => {
  const here = document.currentScript.src.replace(/[^/]*$/, "");
  const bar = document.querySelector(".dln-live");
  if (!bar) return;
  const button = bar.querySelector(".dln-live-start");
  const line = bar.querySelector(".dln-live-line");
  const site = new URL(document.documentElement.dataset.content_root || "./", location.href).href;
  const SERVE = "From a checkout of the book, `make serve` serves it all on this machine.";

  function say(text) {
    const parts = text.split(/`([^`]*)`/);
    line.replaceChildren(...parts.map((part, i) => (i % 2 ? Object.assign(document.createElement("code"), { textContent: part }) : part)));
  }

  // What stands in the way of Python in this browser, or nothing.
  async function obstacle() {
    if (location.protocol === "file:") return `A browser lets no page that is opened as a file start Python. ${SERVE}`;
    if (typeof WebAssembly !== "object" || typeof Worker !== "function") return `Python needs WebAssembly, and this browser has none or has it switched off. Another browser will do: ${SERVE}`;
    const found = await fetch(site + "pyodide/manifest.json", { cache: "no-cache" }).catch(() => null);
    if (!found?.ok) return `The files of live Python are missing from this copy of the book. ${SERVE}`;
    bar.manifest = await found.json();
    return "";
  }

  // What the reader changed at an earlier visit is named before it can surprise.
  function nameKept() {
    let count = 0;
    try {
      count = Object.keys(JSON.parse(localStorage.getItem(`dlnbook:${location.pathname}`)) ?? {}).length;
    } catch { /* nothing can have been kept */ }
    if (count) say(`Your text of ${count === 1 ? "1 cell" : `${count} cells`} is kept in this browser, and comes back with live code.`);
  }

  async function begin() {
    button.disabled = true;
    const reason = await obstacle();
    if (!reason) {
      try {
        const { begin } = await import(here + "notebook.js");
        return await begin({ bar, site, manifest: bar.manifest, say });
      } catch (error) {
        console.warn(error);
        say(`Python did not start: ${error.message || error}. The page is as it was. ${SERVE}`);
      }
    } else say(reason);
    bar.dataset.state = "static";
    button.disabled = false;
  }

  button.addEventListener("click", begin);
  for (const link of bar.querySelectorAll(".dln-live-notebook")) {
    link.addEventListener("click", async (event) => {
      if (location.protocol !== "file:") return;
      event.preventDefault();
      say(await obstacle());
    });
  }
  nameKept();
  bar.hidden = false;
})();
