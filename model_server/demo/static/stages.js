// Shows what both stages answered: times, a table each, and lines between the places of an item.

import { element, itemLabel } from "./elements.js";

const SHOWN = 20;
const TIMED = [
  ["retrieve", "Retriever"],
  ["rank", "Ranker"],
  ["serving_default", "Both stages in one call"],
];

/** Returns the ids of all the items that `showStages` will show. */
export function shownIds(answer) {
  const shown = [answer.retrieved, answer.ranked].flatMap((items) => items.slice(0, SHOWN));
  return [...new Set(shown.map((item) => item.id))];
}

/** Fills the section: `answer` as of `recommend`, `titles` a Map of ids, `targets` a Set of ids. */
export function showStages(answer, titles, targets) {
  const first = places(answer.retrieved);
  const second = places(answer.ranked);
  document.getElementById("times").replaceChildren(
    ...TIMED.map(([signature, name]) =>
      element(
        "div",
        {},
        element("dt", {}, name, " ", element("code", {}, signature)),
        element("dd", {}, `${answer.milliseconds[signature].toFixed(1)} ms`),
      ),
    ),
  );
  const same = answer.served.every((id, place) => answer.ranked[place]?.id === id);
  document.getElementById("served-note").textContent = same
    ? `One call through both stages answers the ranker's first ${answer.served.length}.`
    : "One call through both stages answers other items than the two calls.";
  const context = { titles, targets };
  fill("retrieved", "Retriever", "Ranker", answer.retrieved, (item, place) => [place, second.get(item.id)], context);
  fill("ranked", "Ranker", "Retriever", answer.ranked, (item, place) => [first.get(item.id), place], context);
  drawLines();
}

function places(items) {
  return new Map(items.map((item, index) => [item.id, index + 1]));
}

function fill(id, stage, otherStage, items, placesOf, { titles, targets }) {
  const other = stage === "Retriever" ? 1 : 0;
  const rows = items.slice(0, SHOWN).map((item, index) => {
    const both = placesOf(item, index + 1);
    const hit = targets.has(item.id) ? [" ", element("span", { class: "hit" }, "came next")] : [];
    const label = itemLabel({ id: item.id, title: titles.get(item.id) ?? item.id });
    return element(
      "tr",
      { "data-id": item.id },
      element("td", { class: "number" }, `${index + 1}`),
      element("th", { scope: "row" }, ...label, ...hit),
      element("td", { class: "number" }, scoreText(item.score)),
      element("td", { class: "number" }, `${both[other]} `, change(both[0] - both[1])),
    );
  });
  const headings = ["Place", "Item", "Score", `${otherStage}'s place`];
  document.getElementById(id).replaceChildren(
    element("caption", {}, `${stage}: ${rows.length} of ${items.length} candidates`),
    element("thead", {}, element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows),
  );
}

function change(up) {
  if (up === 0) {
    return element("span", { class: "change" }, element("span", { "aria-hidden": "true" }, "="));
  }
  const [way, arrow] = up > 0 ? ["up", "▲"] : ["down", "▼"];
  return element(
    "span",
    { class: `change ${way}` },
    element("span", { "aria-hidden": "true" }, `${arrow} ${Math.abs(up)}`),
    element("span", { class: "only-spoken" }, `, the ranker moves it ${way} by ${Math.abs(up)}`),
  );
}

function scoreText(score) {
  // The lowest float stands for no score.
  return score < -1e38 ? "–" : score.toFixed(3);
}

/** Draws the lines anew, from the places of the rows on the screen. */
function drawLines() {
  const svg = document.getElementById("lines");
  const box = svg.getBoundingClientRect();
  svg.replaceChildren();
  if (!box.width) {
    return;
  }
  const rights = new Map([...document.querySelectorAll("#ranked tbody tr")].map((row) => [row.dataset.id, row]));
  for (const left of document.querySelectorAll("#retrieved tbody tr")) {
    const right = rights.get(left.dataset.id);
    if (right) {
      const [from, to] = [left, right].map((row) => middle(row) - box.top);
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const half = box.width / 2;
      line.setAttribute("d", `M0 ${from}C${half} ${from} ${half} ${to} ${box.width} ${to}`);
      line.setAttribute("class", left.querySelector(".change").className);
      svg.append(line);
    }
  }
}

function middle(row) {
  const box = row.getBoundingClientRect();
  return box.top + box.height / 2;
}

new ResizeObserver(drawLines).observe(document.getElementById("stages"));
