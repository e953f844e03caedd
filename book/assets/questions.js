// Questions that answer. As it comes, a question is a list (or nothing, where a number is asked)
// and a fold with the answer; this script makes it a form that tells the reason for each choice.
// What was answered stays in the browser's local storage.
"use strict";

const ANSWERS = `cvlab-answers:${location.pathname}`;

// Storage may be missing or throw, as in some private windows: then nothing is remembered.
function storedAnswers() {
  try {
    return Object(JSON.parse(localStorage.getItem(ANSWERS)));
  } catch {
    return {};
  }
}

function store(key, answer) {
  try {
    localStorage.setItem(ANSWERS, JSON.stringify({ ...storedAnswers(), [key]: answer }));
  } catch { /* answered, but not remembered */ }
}

function forgetAnswers() {
  try {
    localStorage.removeItem(ANSWERS);
  } catch { /* there was nothing */ }
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Read what somebody types as a number: the number, or a sentence on what to type.
function readNumber(text) {
  const typed = text.replace(/[−–]/g, "-").replace(/[\s%]/g, "").replace(/^\+/, "");
  if (!typed) return { fault: "Type a number first." };
  if (/^-?\d{1,3}(,\d{3})+(\.\d+)?(e[+-]?\d+)?$/i.test(typed)) {
    return { value: Number(typed.replaceAll(",", "")) };
  }
  if (/^-?\d+,\d+$/.test(typed)) {
    const meant = typed.replace(",", ".").replace("-", "−");
    return { fault: `A comma separates thousands here; for a decimal point type ${meant}.` };
  }
  if (/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(typed)) return { value: Number(typed) };
  return { fault: "Type one number in digits, such as 1234, 0.25 or 1e-6." };
}

// The slack is for numbers that binary fractions only approximate.
function isNear(value, wanted, margin) {
  return Math.abs(value - wanted) <= Number(margin) + 1e-9 * Math.abs(wanted);
}

// A copy without what must stand on a page only once.
function copies(source) {
  const copy = source.cloneNode(true);
  copy.querySelectorAll("[id]").forEach((part) => part.removeAttribute("id"));
  return [...copy.childNodes];
}

class Question {
  constructor(place) {
    this.place = place;
    this.fold = place.querySelector(":scope > details");
    this.status = element("div", { className: "cvlab-status" });
    this.status.setAttribute("role", "status");
    this.form = element("form", { noValidate: true });
    const fieldset = element("fieldset");
    const ask = place.querySelector(":scope > .cvlab-ask");
    // A legend holds words; code or a picture of the question follows it.
    const [first, ...rest] = ask.children;
    fieldset.append(element("legend", {}, ...first.childNodes), ...rest);
    this.choices = place.querySelector(":scope > .cvlab-choices");
    fieldset.append(this.choices ? this.radios() : this.field());
    fieldset.append(element("button", { type: "submit", textContent: "Check" }));
    this.form.append(fieldset, this.status);
    ask.replaceWith(this.form);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.check(true);
    });
  }

  radios() {
    this.inputs = [...this.choices.children].map((item, index) => {
      const input = element("input", {
        type: "radio", name: this.place.id, value: String(index + 1) });
      const paragraphs = item.querySelectorAll(":scope > p");
      if (paragraphs.length === 1) paragraphs[0].replaceWith(...paragraphs[0].childNodes);
      item.append(element("label", {}, input,
        element("span", {}, ...[...item.childNodes].filter((child) => child !== input))));
      return input;
    });
    return this.choices;
  }

  field() {
    const input = element("input", { type: "text", inputMode: "text", autocomplete: "off" });
    this.inputs = [input];
    return element("label", { className: "cvlab-number" }, "Your number: ", input);
  }

  get answer() {
    if (!this.choices) return this.inputs[0].value.trim();
    return this.inputs.find((input) => input.checked)?.value ?? "";
  }

  set answer(value) {
    if (this.choices) this.inputs.forEach((input) => { input.checked = input.value === value; });
    else this.inputs[0].value = value;
  }

  // What to say of an answer: whether it is right (undefined where it is none), and the reason.
  judged() {
    const { right, margin } = this.place.dataset;
    const reasons = [...this.fold.querySelectorAll(".cvlab-reasons > li")];
    if (this.choices) {
      if (!this.answer) return { reason: ["Choose an answer first."] };
      return {
        right: this.answer === right, reason: copies(reasons[Number(this.answer) - 1]) };
    }
    const { value, fault } = readNumber(this.answer);
    if (fault) return { reason: [fault] };
    if (isNear(value, Number(right), margin)) {
      return { right: true, reason: copies(this.fold.querySelector(".cvlab-answer")) };
    }
    // A rounded slip such as 0 stands for much: of those that fit, the nearest is meant.
    const distance = (item) => Math.abs(value - Number(item.dataset.value));
    const [slip] = reasons
      .filter((item) => isNear(value, Number(item.dataset.value), item.dataset.margin))
      .sort((one, other) => distance(one) - distance(other));
    return {
      right: false, reason: slip ? copies(slip) : ["Try again, or look at the answer below."] };
  }

  // `asked`: by the reader; otherwise a remembered answer is shown again.
  check(asked) {
    const { right, reason } = this.judged();
    const verdict = right === undefined ? "" : right ? "✓ Right." : "✗ Not right.";
    this.status.replaceChildren(element("strong", { textContent: verdict }), " ", ...reason);
    this.place.dataset.verdict = right === undefined ? "" : right ? "right" : "wrong";
    if (right !== undefined && asked) store(this.place.dataset.key, this.answer);
    if (right) this.fold.open = true; // now the other reasons give nothing away
  }

  restore() {
    const answer = storedAnswers()[this.place.dataset.key];
    if (answer === undefined || this.answer) return;
    this.answer = answer;
    this.check(false);
  }

  clear() {
    this.answer = "";
    this.status.replaceChildren();
    delete this.place.dataset.verdict;
    this.fold.open = false;
  }
}

const questions = [...document.querySelectorAll(".cvlab-question")].map(
  (place) => new Question(place));

if (questions.length) {
  const done = element("span", { className: "cvlab-cleared" });
  done.setAttribute("role", "status");
  const button = element("button", {
    type: "button", textContent: "Clear my answers on this page" });
  button.addEventListener("click", () => {
    forgetAnswers();
    questions.forEach((question) => question.clear());
    done.textContent = "Cleared.";
  });
  questions.at(-1).place.after(
    element("p", { className: "cvlab-clear" }, button, " ", done));
  questions.forEach((question) => question.restore());
}
