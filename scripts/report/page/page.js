"use strict";
const search = document.getElementById("route-search");
const guard = document.getElementById("route-guard");
const shown = document.getElementById("route-count");
const rows = [...document.querySelectorAll(".routes tbody tr")];
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let number = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const state = row.querySelector("[data-guard]").dataset.guard;
    row.hidden = !(words.every((word) => text.includes(word)) && (!guard.value || state === guard.value));
    if (!row.hidden) number += 1;
  }
  shown.textContent = number + " of " + rows.length + " shown";
}
document.querySelector(".controls").hidden = false;
search.addEventListener("input", filter);
guard.addEventListener("change", filter);

for (const box of document.querySelectorAll("[data-box]")) {
  const picture = box.closest("svg");
  const ends = [...picture.querySelectorAll("[data-ends]")].filter((line) => line.dataset.ends.split(" ").includes(box.dataset.box));
  box.addEventListener("mouseenter", () => { picture.classList.add("near"); ends.forEach((line) => line.classList.add("lit")); });
  box.addEventListener("mouseleave", () => { picture.classList.remove("near"); ends.forEach((line) => line.classList.remove("lit")); });
}

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
