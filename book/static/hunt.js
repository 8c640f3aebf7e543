// Bug hunt: each line of the code becomes a button; the wrong one opens the answer.
(() => {
  const RIGHT = ["is right", "is right too", "is right as well"];

  function wake(box) {
    const code = box.querySelector(".dln-hunt-code"), said = box.querySelector(".dln-hunt-said"), answer = box.querySelector("details");
    const wrong = code.dataset.wrong;
    let misses = 0;

    const buttons = [...code.querySelectorAll(".dln-hunt-line")].map((line) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = line.className;
      button.dataset.line = line.dataset.line;
      button.append(...line.childNodes);
      line.replaceWith(button);
      return button;
    });

    function tell(button) {
      const number = button.dataset.line;
      if (number === wrong) {
        button.dataset.found = "wrong";
        answer.open = true;
        said.textContent = `Found: line ${number}. ${[...answer.querySelectorAll("p")].map((one) => one.textContent).join(" ")}`;
        said.classList.add("dln-hunt-found");
        return;
      }
      if (!button.dataset.found) misses += 1;
      button.dataset.found = "right";
      const hint = misses > 1 ? ` A hint: the check that fails finds ${code.dataset.words}.` : "";
      said.textContent = `Line ${number} ${RIGHT[Math.min(misses, RIGHT.length) - 1]}.${hint}`;
    }

    buttons.forEach((button, n) => {
      button.onclick = () => tell(button);
      button.onkeydown = (event) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        buttons[(n + step + buttons.length) % buttons.length].focus();
      };
    });
  }

  dlnPage.wake(() => document.querySelectorAll(".dln-hunt").forEach(wake));
})();
