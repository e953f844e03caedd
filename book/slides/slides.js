// Starts reveal.js, fits what is on each slide into it, and keeps the speaker's window in step.
"use strict";

(() => {
  const WIDTH = 1280;
  const HEIGHT = 720;
  const MARGIN = 40; // below and beside what is shown
  const LARGEST = {
    code: 1.25, figure: 2, formula: 1.6, list: 1.15, output: 1.3, question: 1.2, quiz: 1.15,
    slider: 1.8, table: 1.5,
  };
  const SMALLEST = 0.4;
  const HALVINGS = 5; // of what is between the two
  const ROOM_TO_ANSWER = 90; // for what appears below a question

  // Whether a slide's content stays inside; in the slide's own pixels, however it is scaled.
  function fits(slide) {
    const sheet = slide.querySelector(".sheet");
    const outer = slide.getBoundingClientRect();
    const scale = outer.width / WIDTH;
    const spare = slide.dataset.kind === "quiz" ? ROOM_TO_ANSWER : 0;
    const inner = (sheet.querySelector(".item") ?? sheet.firstChild).getBoundingClientRect();
    return sheet.getBoundingClientRect().bottom - outer.top <= (HEIGHT - MARGIN / 2 - spare) * scale
      && inner.right - outer.left <= (WIDTH - MARGIN) * scale
      && inner.left - outer.left >= 0;
  }

  function fit(slide) {
    const item = slide.querySelector(".item");
    const part = item ?? slide.querySelector(".sheet");
    const folds = [...slide.querySelectorAll(".item details:not([open])")];
    slide.style.display = "block";
    folds.forEach((fold) => { fold.open = true; });
    const fitsAt = (zoom) => {
      part.style.zoom = zoom;
      return fits(slide);
    };
    let least = SMALLEST;
    let most = item ? LARGEST[slide.dataset.kind] : 1;
    if (!fitsAt(most)) {
      for (let step = 0; step < HALVINGS; step += 1) {
        const middle = (least + most) / 2;
        if (fitsAt(middle)) least = middle;
        else most = middle;
      }
      part.style.zoom = least;
    }
    folds.forEach((fold) => { fold.open = false; });
    slide.style.display = "";
  }

  let speaker = null; // a window

  function tell() {
    const deck = Reveal.getSlides();
    const slide = Reveal.getCurrentSlide();
    const index = deck.indexOf(slide);
    const title = (one) => one?.querySelector("h1, h2").textContent ?? "the end";
    speaker?.postMessage({
      place: `${index + 1} / ${deck.length}`,
      title: title(slide),
      next: `${title(deck[index + 1])} (${deck[index + 1]?.dataset.kind ?? ""})`,
      notes: slide.querySelector("aside.notes").innerHTML,
    }, "*");
  }

  addEventListener("message", (event) => {
    if (!speaker || event.source !== speaker) return;
    if (event.data === "next") Reveal.next();
    if (event.data === "previous") Reveal.prev();
    tell();
  });

  // A presenter's remote sends these; they turn the page even while a slider has the focus.
  addEventListener("keydown", (event) => {
    const turn = { PageDown: Reveal.next, PageUp: Reveal.prev }[event.key];
    if (!turn) return;
    event.preventDefault();
    event.stopPropagation();
    turn();
  }, { capture: true });

  addEventListener("load", async () => {
    // Formulas have their width only with their letters.
    await Promise.all([...document.fonts].map((font) => font.load().catch(() => {})));
    document.querySelectorAll(".slides > section").forEach(fit);
    await Reveal.initialize({
      width: WIDTH, height: HEIGHT, margin: 0, center: false, hash: true, slideNumber: "c/t",
      transition: "none", controls: false, pdfSeparateFragments: false,
    });
    Reveal.addKeyBinding({ keyCode: 83, key: "S", description: "Speaker's notes" }, () => {
      speaker = window.open("speaker.html", "cvlab-speaker", "width=1000,height=700");
    });
    Reveal.on("slidechanged", () => {
      document.activeElement?.blur();
      tell();
    });
    document.documentElement.classList.add("cvlab-shown");
  });
})();
