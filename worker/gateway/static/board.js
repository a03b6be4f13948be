// Keeps the board live: replaces the ward when it has changed, and says so when it can no longer be trusted.
"use strict";

const ward = document.getElementById("ward");
const live = document.getElementById("live");
const QUIET_MS = 40000;
let heard = Date.now();
let waiting = null;

function say(isLive) {
  const text = isLive ? live.dataset.live : live.dataset.down;
  if (live.textContent !== text) live.textContent = text;
  live.classList.toggle("down", !isLive);
}

function inUse() {
  const focused = document.activeElement;
  return ward.contains(focused) && focused.matches("input, select, textarea");
}

function show(html) {
  if (inUse()) {
    waiting = html;
    return;
  }
  waiting = null;
  const focused = document.activeElement && document.activeElement.id;
  const unfolded = [...ward.querySelectorAll("details[open]")].map((element) => element.id);
  ward.innerHTML = html;
  for (const id of unfolded) {
    const element = document.getElementById(id);
    if (element) element.open = true;
  }
  const again = focused && document.getElementById(focused);
  if (again) again.focus({ preventScroll: true });
}

const source = new EventSource("/board/events");
source.addEventListener("open", () => { heard = Date.now(); });
source.addEventListener("board", (event) => {
  heard = Date.now();
  show(event.data);
  say(true);
});
source.addEventListener("still", () => { heard = Date.now(); });
source.addEventListener("down", () => { heard = Date.now(); say(false); });
source.addEventListener("end", () => { source.close(); location.reload(); });
source.addEventListener("error", () => say(false));
ward.addEventListener("focusout", () => { if (waiting !== null) setTimeout(() => waiting !== null && show(waiting), 0); });
setInterval(() => { if (Date.now() - heard > QUIET_MS) say(false); }, 5000);
