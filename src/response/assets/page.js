"use strict";
const status = document.getElementById("status");
let spokenAt = 0;

// A screen reader hears of a new stage at once, and of progress every 10 s.
function speak(text, isNewStage) {
  if (isNewStage || Date.now() - spokenAt > 10000) {
    status.textContent = text;
    spokenAt = Date.now();
  }
}

function addCopyButtons() {
  for (const block of document.querySelectorAll("pre.command")) {
    const text = block.textContent;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.onclick = async () => {
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        // Without TLS there is no clipboard: the text is selected for Ctrl-C.
        getSelection().selectAllChildren(block);
        button.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl-C";
        return;
      }
      button.textContent = "Copied";
      speak("Copied.", true);
    };
    block.append(button);
  }
}

// Replaces the content by the current page. Starts the download if the program is built now.
async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = page.querySelector("main");
  // Not a page of gox-server: a proxy before it answers while it restarts.
  if (!main) {
    throw new Error(answer.status);
  }
  document.querySelector("main").replaceWith(main);
  document.title = page.title;
  const heading = document.querySelector("#build h2");
  if (heading) {
    speak(heading.textContent, true);
  }
  document.getElementById("download")?.click();
  start();
}

function watch(box) {
  let stage = "";
  let startedAt = Date.now();
  const line = box.querySelector("[data-text]");
  const bar = box.querySelector("progress");
  const clock = box.querySelector("[data-elapsed]");
  const name = document.title;
  const ticks = setInterval(() => {
    clock.textContent = stage === "building" ? `${Math.round((Date.now() - startedAt) / 1000)} s` : "";
  }, 1000);
  const finish = (delay) => {
    clearInterval(ticks);
    setTimeout(() => refresh().catch(() => finish(5000)), delay);
  };
  const source = new EventSource(box.dataset.events);
  source.onmessage = (event) => {
    const state = JSON.parse(event.data);
    if (state.stage !== "queued" && state.stage !== "building") {
      source.close();
      finish(0);
      return;
    }
    if (state.seconds !== undefined) {
      startedAt = Date.now() - state.seconds * 1000;
    }
    line.textContent = state.text;
    if (state.total) {
      bar.max = state.total;
      bar.value = state.done;
      document.title = `${state.done}/${state.total} ${name}`;
    }
    speak(state.text, state.stage !== stage);
    stage = state.stage;
  };
  source.onerror = () => {
    // Too many streams are open. Otherwise the browser connects again by itself.
    if (source.readyState === EventSource.CLOSED) {
      finish(3000);
    }
  };
}

function start() {
  addCopyButtons();
  const box = document.querySelector("[data-events]");
  if (box) {
    watch(box);
  }
}

start();
