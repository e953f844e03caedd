// The sliders of a page without a kernel. Every frame was drawn when the book was built; the
// controls choose among them. The frames of a figure lie in a file of their own, which is fetched
// when the figure comes near: a script, for a page opened from a folder may read nothing else.
"use strict";

(() => {
  const folder = new URL("frames/", document.currentScript.src);
  const arrived = new Map(); // name of a file -> what to do with its frames
  window.cvlabFrames = (name, frames) => arrived.get(name)?.(frames);

  function fetchFrames(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(`${name}.js`, folder).href;
      script.onerror = () => { script.remove(); reject(new Error(script.src)); };
      arrived.set(name, resolve);
      document.head.append(script);
    });
  }

  // The elements of a figure's frames, in the order of the positions, the last control fastest.
  async function framesOf(explorer) {
    const inside = explorer.querySelector("script.cvlab-frames");
    const texts = inside ? JSON.parse(inside.textContent) : await fetchFrames(explorer.dataset.frames);
    return texts.map((text) => {
      const parsed = document.createElement("template");
      parsed.innerHTML = text;
      return document.importNode(parsed.content, true).firstElementChild;
    });
  }

  const position = (control) => {
    const chosen = control.querySelector("input[type=range], input:checked, select");
    return Number(chosen.value);
  };
  const count = (control) => {
    const slider = control.querySelector("input[type=range]");
    return slider ? Number(slider.max) + 1 : control.querySelectorAll("input, option").length;
  };

  function bring(explorer) {
    const controls = [...explorer.querySelectorAll(".cvlab-control")];
    const picture = explorer.querySelector(".cvlab-picture");
    let frames = null; // a promise, from when they are first needed
    let wanted = 0;

    const load = () => {
      frames ??= framesOf(explorer);
      frames.catch(() => { frames = null; }); // the next move tries again
      return frames;
    };

    async function show() {
      const index = controls.reduce((sum, control) => sum * count(control) + position(control), 0);
      wanted = index;
      let frame;
      try {
        frame = (await load())[index];
        await frame.querySelector("img").decode().catch(() => {}); // no flicker in between
      } catch {
        frame = document.createElement("p");
        frame.setAttribute("role", "alert");
        frame.textContent = "The pictures of this figure could not be loaded; move the control again.";
      }
      if (wanted === index) picture.replaceChildren(frame); // or the reader has moved on
    }

    explorer.addEventListener("input", (event) => {
      const slider = event.target;
      if (slider.dataset.values) {
        const text = JSON.parse(slider.dataset.values)[slider.value];
        slider.setAttribute("aria-valuetext", text);
        slider.parentElement.querySelector(".cvlab-readout").textContent = text;
      }
      show();
    });
    const near = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      near.disconnect();
      load().catch(() => {}); // said when the reader moves a control
    }, { rootMargin: "400px" });
    near.observe(explorer);
  }

  const start = () => document.querySelectorAll(".cvlab-explore").forEach(bring);
  document.documentElement.classList.add("cvlab-scripts"); // shows the controls
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
