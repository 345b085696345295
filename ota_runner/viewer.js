// SPDX-License-Identifier: GPL-3.0-or-later
//
// Pictures of one scene, zoomed and moved together. Without this they are plain pictures.
"use strict";

const FARTHEST = 32, KEY_STEP = 0.1;

for (const viewer of document.querySelectorAll(".viewer")) {
  const frames = [...viewer.querySelectorAll(".frame")].filter(frame => frame.querySelector("img"));
  if (frames.length) watch(viewer, frames);
}

function watch(viewer, frames) {
  // The upper left corner of what is seen, in shares of the picture, and how much it is enlarged.
  const view = {x: 0, y: 0, scale: 1};
  const tools = viewer.querySelector(".tools");
  const said = tools.querySelector("output");

  function show() {
    const most = 1 - 1 / view.scale;
    view.x = Math.min(Math.max(view.x, 0), most);
    view.y = Math.min(Math.max(view.y, 0), most);
    for (const [name, value] of Object.entries(view)) viewer.style.setProperty("--" + name, value);
    viewer.classList.toggle("zoomed", view.scale > 1);
    const [image] = frames[0].getElementsByTagName("img");
    const pixels = view.scale * image.clientWidth / (image.naturalWidth || 1);
    viewer.classList.toggle("pixels", pixels > 2);
    said.textContent = view.scale.toFixed(view.scale < 10 ? 1 : 0) + "×";
  }

  function zoom(factor, at = {x: 0.5, y: 0.5}) {
    const scale = Math.min(Math.max(view.scale * factor, 1), FARTHEST);
    view.x += at.x / view.scale - at.x / scale;
    view.y += at.y / view.scale - at.y / scale;
    view.scale = scale;
    show();
  }

  function move(x, y) {
    view.x -= x / view.scale;
    view.y -= y / view.scale;
    show();
  }

  function whole() {
    view.scale = 1;
    show();
  }

  const keys = {
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": whole,
    ArrowLeft: () => move(KEY_STEP, 0), ArrowRight: () => move(-KEY_STEP, 0),
    ArrowUp: () => move(0, KEY_STEP), ArrowDown: () => move(0, -KEY_STEP),
  };
  const buttons = {out: keys["-"], in: keys["+"], whole};
  for (const button of tools.querySelectorAll("button")) {
    button.addEventListener("click", buttons[button.value]);
  }
  const wipe = tools.querySelector("input");
  if (wipe) wipe.addEventListener("input", () => uncover(viewer, frames, wipe.value));
  for (const frame of frames) listen(frame, view, {zoom, move, whole, keys});
  tools.hidden = false;
  show();
}

function listen(frame, view, {zoom, move, whole, keys}) {
  const at = event => {
    const box = frame.getBoundingClientRect();
    return {x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height};
  };
  frame.tabIndex = 0;
  frame.addEventListener("keydown", event => {
    const action = event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key];
    const moves = event.key.startsWith("Arrow");
    if (!action || (moves && view.scale === 1)) return;
    event.preventDefault();
    action();
  });
  // The wheel scrolls the page until somebody has turned to this picture.
  frame.addEventListener("wheel", event => {
    const asked = event.ctrlKey || event.metaKey || document.activeElement === frame;
    if (!asked || (view.scale === 1 && event.deltaY > 0 && !event.ctrlKey)) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), at(event));
  }, {passive: false});
  frame.addEventListener("dblclick", event => (view.scale > 1 ? whole() : zoom(4, at(event))));

  const fingers = new Map();
  frame.addEventListener("pointerdown", event => {
    fingers.set(event.pointerId, at(event));
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", event => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    fingers.set(event.pointerId, now);
    const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    if (others.length) {
      const apart = place => Math.hypot(place.x - others[0].x, place.y - others[0].y);
      const middle = {x: (now.x + others[0].x) / 2, y: (now.y + others[0].y) / 2};
      zoom(apart(now) / Math.max(apart(before), 0.01), middle);
    }
    const share = 1 / (1 + others.length);
    if (view.scale > 1) move((now.x - before.x) * share, (now.y - before.y) * share);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    frame.addEventListener(end, event => fingers.delete(event.pointerId));
  }
}

// Lays the first picture over those received, from the left as far as the slider says.
function uncover(viewer, [sent, ...others], percent) {
  viewer.style.setProperty("--wipe", percent + "%");
  viewer.classList.toggle("wiping", percent > 0);
  for (const frame of others.filter(other => other.dataset.wipe !== undefined)) {
    if (frame.querySelector(".over")) continue;
    const over = document.createElement("div");
    over.className = "over";
    over.append(sent.querySelector("img").cloneNode());
    over.firstChild.alt = "";
    frame.append(over);
  }
}
