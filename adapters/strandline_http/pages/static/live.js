// Refreshes the figures of the page every five seconds, while somebody looks at it and has not paused it.
"use strict";

const figures = document.getElementById("figures");
const pause = document.getElementById("pause");
const told = document.getElementById("told");
let paused = false;

function tell(text) {
  if (told.textContent !== text) told.textContent = text;
}

async function refresh() {
  const answer = await fetch(figures.dataset.from, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const held = document.activeElement && figures.contains(document.activeElement);
  if (!paused && !held) figures.replaceChildren(...page.body.childNodes);
}

async function turn() {
  if (!paused && !document.hidden) {
    try {
      await refresh();
      tell("");
    } catch {
      tell("The figures cannot be refreshed now; they are tried again.");
    }
  }
  setTimeout(turn, 5000);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Go on" : "Pause";
  tell(paused ? "Paused." : "");
});
pause.hidden = false;
setTimeout(turn, 5000);
