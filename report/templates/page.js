"use strict";
const all = (selector, under = document) => [...under.querySelectorAll(selector)];
const data = JSON.parse(document.getElementById("data").textContent);

// Which agents and tasks are shown: every element that belongs to one says so by data-a or data-task.
const hidden = new Set();
const search = document.getElementById("tasks");

function show() {
  const wanted = search.value.trim().toLowerCase();
  for (const one of all("[data-a], [data-task]")) {
    const { a, task } = one.dataset;
    const off = hidden.has(a) || (task !== undefined && !task.toLowerCase().includes(wanted));
    if (one instanceof SVGElement) one.style.display = off ? "none" : "";
    else one.hidden = off;
  }
  for (const table of all("table.scores")) merge(table);
}

function toggle(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", on);
  if (on) hidden.delete(button.dataset.agent);
  else hidden.add(button.dataset.agent);
  show();
}

// Sorting: a column's button sorts, again turns it round. Rows without a value stay at the end.
function sort(button) {
  const th = button.closest("th"), table = th.closest("table"), body = table.tBodies[0];
  const column = th.cellIndex, numbers = button.dataset.sort === "number";
  const before = th.getAttribute("aria-sort");
  const down = before ? before === "ascending" : numbers; // numbers begin with the largest, names with A
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => {
    const cell = row.cells[column];
    return numbers ? parseFloat(cell.dataset.v) : cell.textContent.trim();
  };
  const order = (a, b) => {
    if (numbers && (isNaN(a[0]) || isNaN(b[0]))) return isNaN(a[0]) - isNaN(b[0]);
    const sign = numbers ? a[0] - b[0] : a[0].localeCompare(b[0], "en");
    return down ? -sign : sign;
  };
  const rows = [...body.rows].map((row) => [value(row), row]).sort(order);
  body.append(...rows.map((pair) => pair[1]));
  merge(table);
}

// A task's name stands once above its rows; how many rows are shown is said above the table.
function merge(table) {
  if (!table.classList.contains("scores")) return;
  let last = "";
  const rows = [...table.tBodies[0].rows], shown = rows.filter((row) => !row.hidden);
  for (const row of shown) {
    row.classList.toggle("same", row.dataset.task === last);
    last = row.dataset.task;
  }
  table.parentElement.previousElementSibling.querySelector(".shown").textContent =
    shown.length < rows.length ? `${shown.length} of ${rows.length} rows shown.` : "";
}

// Values on hover: the nearest point of every line that is shown.
const tip = document.createElement("div");
tip.className = "tip";

const text = (value) => {
  const size = Math.abs(value);
  return value.toLocaleString("en", size >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
};

function values(plot, event) {
  const card = data.cards[plot.parentElement.id], svg = plot.querySelector("svg");
  const frame = svg.getBoundingClientRect(), scale = frame.width / svg.viewBox.baseVal.width;
  const [left, top, width, height] = card.box, [from, to] = card.limits;
  const along = ((event.clientX - frame.left) / scale - left) / width;
  if (along < -0.02 || along > 1.05 || !card.series.length) return tip.remove();
  const place = (x) => (card.log ? Math.log(x / from) / Math.log(to / from) : (x - from) / (to - from));
  const near = card.series
    .filter((one) => !hidden.has(String(one.a)))
    .map((one) => {
      let k = 0;
      for (let n = 1; n < one.x.length; n++)
        if (Math.abs(place(one.x[n]) - along) < Math.abs(place(one.x[k]) - along)) k = n;
      const within = place(one.x[0]) < along && along < place(one.x.at(-1));
      return { one, k, within, away: Math.abs(place(one.x[k]) - along) };
    })
    .filter((found) => found.within || found.away < 0.08)
    .sort((a, b) => b.one.y[b.k] - a.one.y[a.k]);
  if (!near.length) return tip.remove();
  const first = near.reduce((a, b) => (b.away < a.away ? b : a));
  tip.replaceChildren(
    ...near.map(({ one, k }) => {
      const line = document.createElement("div"), value = document.createElement("b");
      line.style.setProperty("--c", one.a === "quoted" ? "var(--muted)" : `var(--c${data.colours[one.a]})`);
      value.textContent = text(one.y[k]) + (one.band ? ` [${text(one.band[0][k])}, ${text(one.band[1][k])}]` : "");
      line.append(one.label + " ", value);
      return line;
    }),
  );
  const at = document.createElement("small");
  at.textContent = `at ${text(first.one.x[first.k])}`;
  tip.prepend(at);
  plot.append(tip);
  const x = (left + place(first.one.x[first.k]) * width) * scale;
  tip.style.setProperty("--x", `${x}px`);
  tip.style.top = `${top * scale}px`;
  tip.style.minHeight = `${height * scale}px`;
  tip.classList.toggle("flip", x > frame.width / 2);
}

// A link to a run opens the list it stands in.
function open() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const closed = target && target.closest("details");
  if (closed && !closed.open) {
    closed.open = true;
    target.scrollIntoView();
  }
}

if (innerWidth < 600) for (const box of all(".facts")) box.open = false;
if (search) {
  search.form.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", show);
  for (const button of all("[data-agent]")) button.addEventListener("click", () => toggle(button));
  for (const button of all("[data-sort]")) button.addEventListener("click", () => sort(button));
  for (const plot of all(".plot")) {
    plot.addEventListener("pointermove", (event) => values(plot, event));
    plot.addEventListener("pointerdown", (event) => values(plot, event));
    plot.addEventListener("pointerleave", () => tip.remove());
  }
  for (const table of all("table.scores")) merge(table);
  addEventListener("hashchange", open);
  open();
}
