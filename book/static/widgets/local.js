// Widget modules come from the book's own folder. The attribute below replaces the widgets' default CDN.
(() => {
  const script = document.currentScript;
  const folder = script.src.replace(/[^/]*$/, "") + "amd/";
  require.config({ baseUrl: folder, waitSeconds: 0 }); // a slow line is no error
  script.setAttribute("data-jupyter-widgets-cdn", folder);
})();

// The widgets ask MathJax 2 to typeset their labels; the page has MathJax 3, which typesets the same elements.
// This script comes with live code, when MathJax is long there, or with a page that shows a widget, when it may not be.
(() => {
  const answer = () => {
    const mathjax = window.MathJax;
    if (!mathjax || mathjax.Hub) return;
    const typeset = ([action, , element]) =>
      action === "Typeset" && element && mathjax.startup.promise.then(() => mathjax.typesetPromise([element]));
    mathjax.Hub = { Queue: (...requests) => requests.forEach(typeset) };
  };
  if (window.MathJax?.startup) answer();
  else addEventListener("load", answer);
})();
