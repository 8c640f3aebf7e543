// What scripts do to the article: once when the page is loaded, and again whenever navigate.js has put another one in its place.
(() => {
  const wakers = [], fitters = [];
  const loaded = new Promise((resolve) => addEventListener("load", resolve, { once: true }));

  window.dlnPage = {
    notebook: null, // the chapter whose Python is live (live/notebook.js)

    // Bring the article to life: now, and each one that comes.
    wake(waker) {
      wakers.push(waker);
      waker();
    },

    // Have a look at the article once its formulas are typeset.
    fit(fitter) {
      fitters.push(fitter);
      loaded.then(() => window.MathJax?.startup?.promise).then(fitter);
    },

    // There is another article.
    async arrive() {
      for (const waker of wakers) waker();
      await new Promise((resolve) => setTimeout(resolve)); // it can be read while its formulas are typeset
      if (window.MathJax?.startup) {
        await MathJax.startup.promise;
        MathJax.typesetClear(); // the formulas of the last one
        await MathJax.typesetPromise([document.querySelector("article")]);
      }
      for (const fitter of fitters) fitter();
    },
  };
})();
