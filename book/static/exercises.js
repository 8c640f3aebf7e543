// The page of exercises: what is done, as a check in a page or in JupyterLite has left it in this browser.
(() => {
  const KEY = "dlnbook-exercises";
  const FILE = "backprop-exercises.json";

  function kept() {
    try {
      return JSON.parse(localStorage.getItem(KEY)) ?? {};
    } catch {
      return {}; // storage is forbidden, or holds something else
    }
  }

  const date = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 10);
  const times = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  function said({ done, tries, hints, solution }) {
    const helped = [hints ? times(hints, "hint") : "", solution ? "solution seen" : ""].filter(Boolean);
    const words = done ? `✓ ${date(done)}, ${times(tries, "check")}` : tries ? `${times(tries, "check")} so far` : "not yet";
    return [words, ...helped].join(", ");
  }

  function show() {
    const places = [...document.querySelectorAll(".dln-done")];
    const keeper = document.querySelector(".dln-keeper");
    if (!keeper) return;
    const all = kept();
    for (const place of places) {
      const one = all[place.dataset.exercise];
      place.textContent = one ? said(one) : "not yet";
      place.classList.toggle("dln-is-done", Boolean(one?.done));
    }
    const done = places.filter((place) => all[place.dataset.exercise]?.done).length;
    keeper.querySelector(".dln-keeper-line").textContent = `${done} of ${places.length} done.`;
    for (const button of keeper.querySelectorAll("button")) button.disabled = !Object.keys(all).length;
    keeper.querySelector(".dln-keeper-save").onclick = save;
    keeper.querySelector(".dln-keeper-clear").onclick = clear;
    keeper.hidden = false;
  }

  // The times in words that any program reads.
  function save() {
    const moment = (milliseconds) => (milliseconds ? new Date(milliseconds).toISOString() : null);
    const exercises = Object.entries(kept()).map(([name, one]) => [name, { ...one, done: moment(one.done), at: moment(one.at) }]);
    const written = { book: "Backprop", made: new Date().toISOString(), exercises: Object.fromEntries(exercises) };
    const address = URL.createObjectURL(new Blob([JSON.stringify(written, null, 1)], { type: "application/json" }));
    Object.assign(document.createElement("a"), { href: address, download: FILE }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  function clear() {
    if (!confirm("Forget which exercises are done? What you wrote in the chapters is kept.")) return;
    localStorage.removeItem(KEY);
    show();
  }

  // Which help was taken, from hints that are opened and solutions that are shown: told to those who ask for the file.
  function note(name, change) {
    const all = kept(), one = all[name] ?? { tries: 0 };
    if (one.done) return; // what is read afterwards is no help
    all[name] = { ...one, ...change(one) };
    try {
      localStorage.setItem(KEY, JSON.stringify(all));
    } catch { /* kept until the page is left, no longer */ }
  }

  document.addEventListener("click", ({ target }) => {
    const hint = target.closest?.(".dln-hint > summary")?.parentElement;
    if (!hint || hint.open || hint.dataset.counted) return; // opened again, it is the same hint; on paper, all are open
    hint.dataset.counted = "true";
    note(hint.closest(".dln-verdict").dataset.exercise, ({ hints = 0 }) => ({ hints: hints + 1 }));
  });
  addEventListener("dln-solution", ({ detail }) => note(detail, () => ({ solution: true })));
  addEventListener("dln-exercise", show);
  addEventListener("storage", show); // from another tab
  dlnPage.wake(show);
})();
