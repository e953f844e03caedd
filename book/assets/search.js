// The search page: sections found by MiniSearch in an index that was made with the book. It is
// loaded as a script, for a page that was opened from a folder may read nothing else. The build
// reads the options from here, so that words are made alike in the index and in a question.
"use strict";

const NOT_TELLING = new Set(("a an and are as at be by can do does for from has have how i in into is it its my no not " +
  "of on or our so than that the their then this to was we what when where which why will with you your").split(" "));

// One form for the spellings of a word: optimizer and optimiser, color and colours, center, centre.
function asIndexed(term) {
  const word = term.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "").replace(/['’]s$/, "");
  if (NOT_TELLING.has(word) || !/\p{L}/u.test(word)) return null;
  return word
    .replaceAll("z", "s")
    .replaceAll("our", "or")
    .replaceAll("grey", "gray")
    .replace(/([^aeiou])re$/, "$1er")
    .replace(/ll(ed|ing|er)$/, "l$1")
    .replace(/([^aeious])s$/, "$1");
}

const options = {
  fields: ["title", "heading", "text"],
  processTerm: asIndexed,
  searchOptions: {
    boost: { title: 6, heading: 4, text: 1 },
    prefix: (term) => term.length > 2,
    fuzzy: (term) => (term.length > 4 ? 0.2 : false),
    maxFuzzy: 2,
    weights: { fuzzy: 0.3, prefix: 0.5 },
  },
};

// Who looks for a method wants the chapter that teaches it, not a mistake in old notes about it.
const WEIGHTS = { chapters: 3, exercises: 0.7, glossary: 0.3, errata: 0.3, systems: 0.1, bibliography: 0.1 };

// Pages with their sections, best first.
function ranked(index, pages, sections, question) {
  const found = index.search(question);
  const most = Math.max(0, ...found.map(({ queryTerms }) => queryTerms.length));
  const scored = found.map(({ id, score, queryTerms }) => (
    { id, score: score * (queryTerms.length / most) ** 3 })); // a section with all the words first
  scored.sort((a, b) => b.score - a.score);
  const byPage = new Map();
  for (const { id, score } of scored) {
    const number = sections[id][0];
    if (!byPage.has(number)) byPage.set(number, { number, score: 0, places: [] });
    const page = byPage.get(number);
    // A page's further sections say less and less.
    page.score += (score * (WEIGHTS[pages[number][2]] ?? 1)) / 2 ** page.places.length;
    page.places.push(id);
  }
  return [...byPage.values()].sort((a, b) => b.score - a.score);
}

if (typeof module !== "undefined") module.exports = { options, ranked };
else {
  const made = (name, texts = {}, ...children) => {
    const element = Object.assign(document.createElement(name), texts);
    element.append(...children);
    return element;
  };
  const MOST = 20; // pages that are listed
  const KINDS = { chapters: "chapter", exercises: "exercise" };

  const start = () => {
    const place = document.getElementById("search-results");
    const field = [...document.querySelectorAll("form.bd-search input")].find(
      (input) => input.closest(".bd-search-container")) ?? document.querySelector("form.bd-search input");
    const status = made("p", { className: "search-summary" });
    status.setAttribute("role", "status");
    const list = made("ol", { className: "cvlab-found" });
    place.append(status, list);
    const root = document.documentElement.dataset.content_root ?? "./";

    window.cvlabSearch = ({ pages, sections, index }) => {
      const mini = MiniSearch.loadJS(index, options);

      const show = () => {
        const question = field.value.trim();
        list.replaceChildren();
        status.textContent = "";
        if (!question) return;
        const found = ranked(mini, pages, sections, question);
        const number = found.length === 1 ? "One page" : `${found.length || "No"} pages`;
        status.textContent = found.length
          ? `${number} for “${question}”${found.length > MOST ? `, the best ${MOST} of them here` : ""}.`
          : `No page for “${question}”: try another word, or look into the glossary.`;
        const marked = `?highlight=${encodeURIComponent(question)}`;
        for (const page of found.slice(0, MOST)) {
          const [name, title, kind] = pages[page.number];
          const address = `${root}${name}.html${marked}`;
          const places = page.places.slice(0, 3).filter((id) => sections[id][1]);
          const inside = places.map((id) => made("li", {},
            made("a", { href: `${address}#${sections[id][1]}`, textContent: sections[id][2] }),
            made("p", { textContent: sections[id][3] })));
          list.append(made("li", {},
            made("a", { href: address, textContent: title, className: "cvlab-found-page" }),
            made("span", { textContent: KINDS[kind] ? ` ${KINDS[kind]}` : "" }),
            made("ul", {}, ...inside)));
        }
      };

      field.value = new URLSearchParams(location.search).get("q") ?? "";
      field.addEventListener("input", () => {
        show();
        history.replaceState(null, "", `?q=${encodeURIComponent(field.value)}`);
      });
      field.form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
      show();
    };

    const index = document.createElement("script");
    index.src = new URL("search/index.js", scriptAddress).href;
    index.onerror = () => { status.textContent = "The index of the search could not be loaded; reload the page."; };
    document.head.append(index);
  };
  const scriptAddress = document.currentScript.src;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
}
