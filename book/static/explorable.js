// Explorables of the page without Python: a move of a slider brings another frame to the top.
(() => {
  const INTERVAL = 400; // ms from frame to frame while it plays
  const CALM = 700; // ms without a move before the picture is described aloud

  function wake(box) {
    const all = (selector) => [...box.querySelectorAll(selector)];
    const ranges = all("input[type=range]"), outputs = all("output"), rows = all(".dln-row");
    const picture = box.querySelector(".dln-frame"), note = box.querySelector(".dln-shown");
    const spoken = box.appendChild(Object.assign(document.createElement("p"), { className: "dln-spoken", ariaLive: "polite" }));
    const timers = new Map(); // of the sliders that play
    let data = null, calm = 0;

    function draw() {
      data ??= JSON.parse(box.querySelector(".dln-frames").textContent);
      const at = ranges.map((range) => Number(range.value));
      picture.innerHTML = at.reduce((frames, position) => frames[position], data.frames);
      const values = at.map((position, n) => data.texts[n][position]);
      values.forEach((text, n) => {
        outputs[n].textContent = text;
        ranges[n].setAttribute("aria-valuetext", text);
      });
      note.textContent = `Shown for ${values.map((text, n) => `${data.labels[n]} = ${text}`).join(", ")}.`;
      clearTimeout(calm);
      calm = setTimeout(() => { spoken.textContent = picture.querySelector("svg")?.getAttribute("aria-label") ?? ""; }, CALM);
    }

    function pause(range, button) {
      clearInterval(timers.get(range));
      timers.delete(range);
      button?.setAttribute("aria-label", button.getAttribute("aria-label").replace("Pause", "Play"));
      button?.classList.remove("dln-playing");
    }

    function play(range, button) {
      const last = Number(range.max);
      const go = (position) => { range.value = position; draw(); };
      if (Number(range.value) === last) go(0);
      button.setAttribute("aria-label", button.getAttribute("aria-label").replace("Play", "Pause"));
      button.classList.add("dln-playing");
      timers.set(range, setInterval(() => {
        if (!box.isConnected) return pause(range); // another article took the place of this one
        if (Number(range.value) < last) go(Number(range.value) + 1);
        if (Number(range.value) === last) pause(range, button);
      }, INTERVAL));
    }

    ranges.forEach((range, n) => {
      const button = rows[n].querySelector("button");
      range.oninput = () => { pause(range, button); draw(); };
      range.disabled = false;
      if (!button) return;
      button.onclick = () => (timers.has(range) ? pause : play)(range, button);
      button.disabled = false;
    });
  }

  dlnPage.wake(() => document.querySelectorAll(".dln-still").forEach(wake));
})();
