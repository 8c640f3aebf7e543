"What a page's formulas look like at some width, asked in an open tab."

# Formulas that still scroll on a phone, by page. All others fit, the long ones broken into lines (formulas.js).
SCROLLING = {}

FIT = "async () => { await window.MathJax?.startup?.promise; window.dlnFitFormulas?.(); }"

FORMULAS = r"""() => {
    const seen = (element) => element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) && element.getClientRects().length > 0;
    const article = document.querySelector('article'), found = { cut: [], scrolls: [], unsaid: [], alone: [] };
    for (const formula of article ? article.querySelectorAll('mjx-container') : []) {
        if (!seen(formula)) continue;
        const box = formula.closest('div.math'), name = box?.id || formula.textContent;
        const cut = formula.scrollWidth > formula.clientWidth + 1 && (formula.hasAttribute('display') || formula.classList.contains('dln-wide'));
        if (cut && !formula.closest('table')) {
            found.cut.push(name);
            (box?.classList.contains('dln-scrolls') && getComputedStyle(box, '::after').content.includes('scrolls') ? found.scrolls : found.unsaid).push(name);
        }
        const next = formula.nextSibling ?? formula.parentElement.nextSibling;
        if (formula.hasAttribute('display') || next?.nodeType !== Node.TEXT_NODE || !/^[.,;:!?)]/.test(next.data)) continue;
        const sign = document.createRange();
        sign.setStart(next, 0);
        sign.setEnd(next, 1);
        const at = sign.getBoundingClientRect(), before = formula.getBoundingClientRect();
        if (at.width && at.left < before.right - 3 && at.top > before.top + 3) found.alone.push(formula.parentElement.closest('p, li, td, dd')?.textContent.slice(0, 80));
    }
    return found;
}"""
