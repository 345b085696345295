// SPDX-License-Identifier: GPL-3.0-or-later
//
// Draws the figures of the page in its colours, once the library packed beside them is there.
"use strict";

async function unpack(text) {
  const packed = Uint8Array.from(atob(text), character => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function draw(figures) {
  const style = getComputedStyle(document.documentElement);
  const [text, line, card] = ["--text", "--line", "--card"].map(name => style.getPropertyValue(name));
  figures.forEach((figure, index) => {
    const layout = structuredClone(figure.layout);
    layout.font = {color: text, family: "system-ui, sans-serif", size: 12};
    layout.hoverlabel = {bgcolor: card, bordercolor: line, font: {color: text}};
    for (const axis of Object.keys(layout).filter(key => /^[xy]axis/.test(key))) {
      Object.assign(layout[axis], {gridcolor: line, zerolinecolor: line, linecolor: line});
    }
    Plotly.react("plot" + index, figure.data, layout, {displayModeBar: false});
  });
}

async function begin() {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const library = document.createElement("script");
  library.textContent = await unpack(document.getElementById("plotly").textContent.trim());
  document.head.append(library);
  draw(figures);
  const resized = new ResizeObserver(entries =>
    entries.forEach(entry => Plotly.Plots.resize(entry.target)));
  document.querySelectorAll(".plot").forEach(plot => resized.observe(plot));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(figures));
}

begin().catch(error => {
  for (const plot of document.querySelectorAll(".plot")) {
    plot.textContent = `This figure needs a browser of 2023 or later (${error.message}).`;
  }
});
