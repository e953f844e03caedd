// Makes the template's and the widgets' parts accessible, and opens the folds that a link, a search
// or the printer needs. The sliders themselves work through ipywidgets' own links.
"use strict";

// Read by require.js when it starts: html-manager's fonts lie in the book, not beside the page.
if (window.cvlabVendor && typeof window.require === "undefined") {
  window.require = { baseUrl: new URL(window.cvlabVendor, document.baseURI).href };
}

// html-manager calls MathJax 2's queue, which MathJax 3 lacks: whatever becomes MathJax gets one.
// Labels and frames hold no formulas, so it has nothing to do.
let mathJax = withQueue(window.MathJax);
Object.defineProperty(window, "MathJax", {
  configurable: true,
  get: () => mathJax,
  set: (value) => { mathJax = withQueue(value); },
});

function withQueue(value) {
  if (value && !value.Hub) value.Hub = { Queue() {} };
  return value;
}

// ipywidgets gives a slider's handle no accessible name and no readable value.
function nameSlider(slider) {
  const label = slider.querySelector(".widget-label");
  const readout = slider.querySelector(".widget-readout");
  const handle = slider.querySelector(".noUi-handle");
  if (!label || !handle) return;
  handle.setAttribute("aria-label", label.textContent.trim());
  label.removeAttribute("title"); // html-manager writes the word "null"
  if (readout) handle.setAttribute("aria-valuetext", readout.textContent.trim());
}

// Nor are the options of a list of radio buttons a group that has a name.
function nameGroup(radio) {
  const box = radio.querySelector(".widget-radio-box");
  if (!box) return;
  box.setAttribute("role", "radiogroup");
  box.setAttribute("aria-label", radio.querySelector(".widget-label").textContent.trim());
}

function mendWidgets(root) {
  root.querySelectorAll(".cvlab-explore .widget-radio").forEach(nameGroup);
  root.querySelectorAll(".cvlab-explore .widget-slider").forEach((slider) => {
    nameSlider(slider);
    if (slider.dataset.cvlab) return;
    slider.dataset.cvlab = "named";
    const readout = slider.querySelector(".widget-readout");
    if (readout) {
      readout.contentEditable = "false"; // an unnamed text field that offers no more than the slider
      new MutationObserver(() => nameSlider(slider)).observe(
        readout, { childList: true, characterData: true, subtree: true });
    }
  });
}

// A wide block that scrolls must be reachable by keyboard.
function mendScrolling() {
  const blocks = "pre, .math, mjx-container[display], .pst-scrollable-table-container";
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

// Mark the words that a search led here for, and open the folds that hold them. Sphinx leaves this
// out where its search is loaded, which the theme does on every page.
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

// Paper cannot be unfolded. Code that was folded away stays so: it draws and checks.
let openedToPrint = [];
addEventListener("beforeprint", () => {
  const closed = document.querySelectorAll(".bd-content details:not(.hide):not([open])");
  openedToPrint = [...closed];
  openedToPrint.forEach((fold) => { fold.open = true; });
});
addEventListener("afterprint", () => {
  openedToPrint.forEach((fold) => { fold.open = false; });
  openedToPrint = [];
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
  mendWidgets(document);
  // Widgets arrive after the page; once they are there nothing else is added.
  const watcher = new MutationObserver(() => mendWidgets(document));
  document.querySelectorAll(".cell_output").forEach(
    (cell) => watcher.observe(cell, { childList: true, subtree: true }));
});

window.addEventListener("load", () => {
  revealTarget(); // only now does the browser know the target of the page's own address
  revealFound();
  mendTheme(); // once more: the icons have become pictures with titles
  mendScrolling();
  const typeset = window.MathJax && window.MathJax.startup && window.MathJax.startup.promise;
  if (typeset) typeset.then(mendScrolling); // only now have formulas their width
});
