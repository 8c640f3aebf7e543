// Widget modules come from the book's own folder. The attribute below replaces the widgets' default CDN.
(() => {
  const script = document.currentScript;
  const folder = script.src.replace(/[^/]*$/, "") + "amd/";
  require.config({ baseUrl: folder });
  script.setAttribute("data-jupyter-widgets-cdn", folder);
})();
