// Makes the template's parts accessible, and opens the folds that a link, a search or the printer
// needs.
"use strict";

// A wide block that scrolls must be reachable by keyboard.
function mendScrolling() {
  const blocks = "pre, .math, .katex-display, .pst-scrollable-table-container";
  document.querySelectorAll(blocks).forEach((block) => {
    if (block.scrollWidth > block.clientWidth) block.setAttribute("tabindex", "0");
  });
}

// A link may lead to a section that is folded, or into it: open every fold around its target.
function revealTarget() {
  const target = document.querySelector(":target");
  if (!target) return;
  // A section is around its fold, and so are the further anchors that it may have.
  const section = target.matches("section") ? target : target.parentElement;
  const own = section.querySelector(":scope > details.cvlab-deeper");
  let opened = false;
  let fold = own || target.closest("details");
  while (fold) {
    opened ||= !fold.open;
    fold.open = true;
    fold = fold.parentElement.closest("details");
  }
  if (opened) target.scrollIntoView();
}

// What the theme's buttons do, for no script may stand in the markup.
const clicks = {
  "window.print": () => window.print(),
  "toggleFullScreen": () => window.toggleFullScreen(),
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-click]");
  if (button) clicks[button.dataset.click]();
});

// Mark the words that a search led here for, and open the folds that hold them. Sphinx would mark
// them in the sidebar as well; it leaves that to a page that has a search of its own.
window.Search ??= null;

function revealFound() {
  if (typeof _highlightText === "undefined" || document.getElementById("search-results")) return;
  let terms = new URLSearchParams(location.search).get("highlight");
  try {
    terms = localStorage.getItem("sphinx_highlight_terms") || terms;
    localStorage.removeItem("sphinx_highlight_terms");
  } catch { /* nothing is remembered in a private window */ }
  const words = (terms || "").toLowerCase().split(/\s+/).filter(Boolean);
  words.forEach((word) => _highlightText(document.querySelector("article"), word, "highlighted"));
  document.querySelectorAll("details.cvlab-deeper").forEach((fold) => {
    fold.open ||= fold.querySelector(":scope > :not(summary) .highlighted") !== null;
  });
}

// Figures wait until they are near; once the reader moves they all come, for paper and for trains.
function fetchFigures() {
  document.querySelectorAll("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
}
for (const sign of ["scroll", "pointermove", "touchstart", "keydown", "beforeprint"]) {
  addEventListener(sign, fetchFigures, { once: true, passive: true });
}

// Paper cannot be unfolded.
let openedToPrint = [];
addEventListener("beforeprint", () => {
  const closed = document.querySelectorAll(".bd-content details:not([open])");
  openedToPrint = [...closed];
  openedToPrint.forEach((fold) => { fold.open = true; });
});
addEventListener("afterprint", () => {
  openedToPrint.forEach((fold) => { fold.open = false; });
  openedToPrint = [];
});

// The sentence of a term covers text below it: Escape closes it, until the pointer comes anew.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll(".cvlab-term:is(:hover, :focus-within)").forEach((term) => {
    term.classList.add("cvlab-closed");
    const open = () => term.classList.remove("cvlab-closed");
    for (const leaves of ["pointerleave", "focusout"]) {
      term.addEventListener(leaves, open, { once: true });
    }
  });
});

addEventListener("hashchange", revealTarget);
// A second click on the same link changes no address.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href*='#']");
  if (link && link.href === location.href) setTimeout(revealTarget);
});
// What a fold holds has its width only when it is open.
document.addEventListener("toggle", mendScrolling, { capture: true });

// The theme's buttons: their names must contain the text that they show.
function mendTheme() {
  document.querySelectorAll(".search-button-field").forEach((button) => {
    button.setAttribute("aria-label", button.textContent.replace(/\s+/g, " ").trim());
  });
  document.querySelectorAll(".theme-switch-button").forEach((button) => {
    button.querySelectorAll("[title]").forEach((icon) => icon.removeAttribute("title"));
    button.setAttribute("aria-label", `Colour mode ${button.textContent.trim()}`.trim());
  });
  document.querySelectorAll(".bd-sidebar details > summary").forEach((summary) => {
    const link = summary.parentElement.parentElement.querySelector("a");
    if (link) summary.setAttribute("aria-label", `Pages below ${link.textContent.trim()}`);
  });
}

document.addEventListener("DOMContentLoaded", () => {
  mendTheme();
  mendScrolling();
});

window.addEventListener("load", () => {
  revealTarget(); // only now does the browser know the target of the page's own address
  revealFound();
  mendTheme(); // once more: the icons have become pictures with titles
  mendScrolling();
});
