// The map of the course: how many of each chapter's questions were answered in this browser. The
// index of systems: a field that leaves only the methods which hold what is typed.
"use strict";

const KEPT = "cvlab-answers:"; // as in questions.js, with the page's address
const marks = [...document.querySelectorAll(".cvlab-done")];

function answersOf(mark) {
  const place = mark.closest("li").querySelector("a").pathname;
  const keys = mark.dataset.keys.split(" ").filter(Boolean);
  let kept = {};
  try {
    kept = Object(JSON.parse(localStorage.getItem(KEPT + place)));
  } catch { /* no storage: nothing is known */ }
  return { place, asked: keys.length, answered: keys.filter((key) => key in kept).length };
}

function showProgress() {
  let all = 0;
  marks.forEach((mark) => {
    const { asked, answered } = answersOf(mark);
    mark.textContent = answered ? `${answered} of ${asked} answered` : "";
    all += answered;
  });
  return all;
}

function forgetAll() {
  marks.forEach((mark) => {
    try {
      localStorage.removeItem(KEPT + answersOf(mark).place);
    } catch { /* there was nothing */ }
  });
}

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

if (marks.length) {
  const status = make("span", { role: "status" });
  const button = make("button", { type: "button", textContent: "Clear all my answers" });
  const say = () => {
    const all = showProgress();
    const noun = all === 1 ? "question" : "questions";
    button.hidden = all === 0;
    status.textContent = all ? `${all} ${noun} answered.` : "No question answered yet.";
  };
  button.addEventListener("click", () => {
    forgetAll();
    say();
  });
  document.querySelector(".cvlab-map").after(
    make("p", { className: "cvlab-clear" }, status, " ", button));
  say();
  addEventListener("pageshow", say); // back from a chapter

  // The arcs of the chapter that the pointer or the focus is on.
  const arcs = [...document.querySelectorAll(".cvlab-map path")];
  const show = (chapter) => arcs.forEach((arc) => {
    arc.classList.toggle("cvlab-shown", arc.dataset.chapter === chapter);
  });
  document.querySelectorAll(".cvlab-map li").forEach((row) => {
    for (const comes of ["pointerenter", "focusin"]) {
      row.addEventListener(comes, () => show(row.dataset.chapter ?? ""));
    }
    for (const leaves of ["pointerleave", "focusout"]) row.addEventListener(leaves, () => show(""));
  });
}

const methods = document.querySelector("#index-of-systems");
if (methods) {
  const field = make("input", { type: "search", autocomplete: "off" });
  const count = make("span", { role: "status" });
  const label = make("label", {}, "Only methods with", field);
  const sections = [...methods.querySelectorAll(":scope > section")];
  const narrow = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    sections.forEach((section) => {
      const title = section.querySelector("h2").textContent.toLowerCase();
      const rows = [...section.querySelectorAll("tbody tr")];
      rows.forEach((row) => {
        const text = `${title} ${row.textContent.toLowerCase()}`;
        row.hidden = !words.every((word) => text.includes(word));
      });
      const found = rows.filter((row) => !row.hidden).length;
      section.hidden = found === 0;
      left += found;
    });
    count.textContent = words.length ? `${left} found.` : "";
  };
  field.addEventListener("input", narrow);
  methods.querySelector(":scope > p").after(
    make("p", { className: "cvlab-filter" }, label, " ", count));
}
