// The book's only script: it makes the template's and the widgets' parts accessible.
// The sliders themselves work through ipywidgets' own links.
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

function mendWidgets(root) {
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
  document.querySelectorAll("pre, .math, .pst-scrollable-table-container").forEach((block) => {
    if (block.scrollWidth > block.clientWidth) block.setAttribute("tabindex", "0");
  });
}

document.addEventListener("DOMContentLoaded", () => {
  mendScrolling();
  mendWidgets(document);
  // Widgets arrive after the page; once they are there nothing else is added.
  const watcher = new MutationObserver(() => mendWidgets(document));
  document.querySelectorAll(".cell_output").forEach(
    (cell) => watcher.observe(cell, { childList: true, subtree: true }));
});
window.addEventListener("load", mendScrolling);
