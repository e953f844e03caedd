// The speaker's window: the notes of the slide that the audience sees, the next title, the time.
"use strict";

(() => {
  const began = Date.now();
  const two = (number) => String(number).padStart(2, "0");
  const element = (name) => document.getElementById(name);

  addEventListener("message", (event) => {
    if (event.source !== opener) return;
    element("place").textContent = event.data.place;
    element("title").textContent = event.data.title;
    element("next").textContent = event.data.next;
    element("notes").innerHTML = event.data.notes;
    element("notes").scrollTop = 0;
  });
  addEventListener("keydown", (event) => {
    const forward = ["ArrowRight", "PageDown", " ", "n"];
    const back = ["ArrowLeft", "PageUp", "p"];
    if (forward.includes(event.key)) opener?.postMessage("next", "*");
    else if (back.includes(event.key)) opener?.postMessage("previous", "*");
    else return;
    event.preventDefault();
  });
  setInterval(() => {
    const seconds = Math.floor((Date.now() - began) / 1000);
    element("clock").textContent = `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  }, 500);
  if (opener) opener.postMessage("ready", "*");
  else element("notes").textContent = "Open the slides and press S there.";
})();
