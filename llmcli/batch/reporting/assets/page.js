// The page of `llmcli report`: plots of the figures, and rows that are unpacked, searched and shown as they are needed.
"use strict";
const $ = (id) => document.getElementById(id);
const about = JSON.parse($("about").textContent);
const two = about.comparison !== null;
const nameOf = (run) => run.outs.join(", ");
const number = (value, digits = 0) =>
  value === null || value === undefined ? "unknown" : value.toLocaleString("en", { maximumFractionDigits: digits });
const counting = (count, one, more) => number(count) + " " + (count === 1 ? one : more);
const seconds = (ms) => (ms === null || ms === undefined ? "unknown" : number(ms / 1000, 2) + " s");
const dollars = (usd) => {
  if (usd === null || usd === undefined) return "price unknown";
  const digits = usd > 0 && usd < 5e-7 ? 1 - Math.floor(Math.log10(usd)) : 6; // never nothing for what is little
  return "$" + usd.toFixed(Math.min(digits, 20));
};

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text; // never markup: answers are anybody's
  if (className) made.className = className;
  return made;
}

// --- Figures and plots ---------------------------------------------------------------------------------------------

function showFigures() {
  const figures = [
    ["rows", (run) => number(run.rows)],
    ["failed", (run) => number(run.failed)],
    ["cost", (run) => dollars(run.cost_usd)],
    ["tokens in", (run) => number(run.tokens.in)],
    ["tokens out", (run) => number(run.tokens.out)],
    ["latency, median", (run) => seconds(run.latency_ms.p50)],
    ["latency, 99 %", (run) => seconds(run.latency_ms.p99)],
    ["time", (run) => (run.seconds === null ? "none" : number(run.seconds) + " s")],
    ["rows/s", (run) => number(run.rows_per_second, 1)],
    ["models", (run) => Object.keys(run.models).join(", ") || "none"],
    ["finish reasons", (run) => counted(run.finish_reasons)],
    ["labels", (run) => counted(run.labels)],
  ];
  for (const [name, of] of figures) {
    const texts = about.runs.map(of);
    if (texts.every((text) => text === "")) continue;
    const box = element("div");
    texts.forEach((text, at) => box.append(element("b", text, two ? "ab"[at] : "")));
    box.append(element("span", name));
    $("figures").append(box);
  }
  document.body.classList.toggle("two", two);
  $("title").replaceChildren(...about.runs.map((run, at) => element("span", nameOf(run), two ? "ab"[at] : "")));
  document.title = "llmcli report: " + about.runs.map(nameOf).join(", ");
}

const counted = (counts) => Object.entries(counts).map(([name, count]) => name + " " + number(count)).join(", ");

// A bar is [from, to, value]; those of two runs stand on one axis.
function plot(title, unit, runs) {
  const shape = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const bars = runs.flatMap((run) => run.bars);
  const most = Math.max(...bars.map((bar) => bar[2]), 0), end = Math.max(...bars.map((bar) => bar[1]), 0);
  if (!most) return;
  const picture = shape("svg", { viewBox: "0 0 600 90", preserveAspectRatio: "none", role: "img", "aria-label": title });
  for (const { bars, kind } of runs)
    for (const [from, to, value] of bars) {
      if (!value) continue;
      const x = (from / end) * 600, width = Math.max(((to - from) / end) * 600 - 1, 0.5);
      const height = Math.max((value / most) * 84, 1);
      picture.append(shape("rect", { x, y: 90 - height, width, height, class: kind }));
    }
  const figure = element("figure");
  figure.append(element("figcaption", `${title}, at most ${short(most)}; 0 to ${short(end)} ${unit}`), picture);
  $("plots").append(figure);
}

const short = (value) => number(value, value < 1 ? 6 : value < 100 ? 2 : 0);

function showPlots() {
  const kinds = two ? ["a both", "b both"] : ["a"];
  const over = (value, kind) =>
    about.runs.map((run, at) => {
      const step = run.over_time.seconds;
      const bars = run.over_time.parts.map((part) => [part.begin, part.begin + step, value(part, step)]);
      return { bars, kind: kind ?? kinds[at] };
    });
  plot("Rows/s over time", "s", over((part, step) => part.rows / step));
  plot("Failures/s over time", "s", over((part, step) => part.failed / step, two ? undefined : "bad"));
  plot("Latency over time, mean ms", "s", over((part) => part.latency_ms ?? 0));
  plot("Tokens/s over time", "s", over((part, step) => part.tokens / step));
  plot("Cost over time, $/s", "s", over((part, step) => part.cost / step));
  const spread = (name) => about.runs.map((run, at) => ({ bars: run.bars[name], kind: kinds[at] }));
  plot("Rows by latency", "ms", spread("latency_ms"));
  plot("Rows by tokens of the answer", "tokens", spread("tokens"));
  plot("Rows by cost", "$", spread("cost_usd"));
}

function showTable(section, title, head, rows) {
  if (!rows.length) return;
  section.hidden = false;
  const table = element("table");
  const line = (cells, tag) => {
    const made = element("tr");
    made.append(...cells.map((cell) => element(tag, String(cell))));
    return made;
  };
  table.append(line(head, "th"), ...rows.map((cells) => line(cells, "td")));
  const part = element("div");
  part.append(element("h2", title), table);
  section.append(part);
}

function showTables() {
  const failures = about.runs.flatMap((run) =>
    Object.entries(run.failures).map(([code, each]) =>
      [number(each.count), code, each.custom_id, each.message, ...(two ? [nameOf(run)] : [])]),
  );
  showTable($("failures"), "Failures", ["rows", "code", "such as", "message", ...(two ? ["run"] : [])], failures);
  if (!two) return;
  const { label_changes: changes, ...kinds } = about.comparison;
  const rows = Object.entries(kinds).map(([kind, count]) => [number(count), kind.replaceAll("_", " ")]);
  showTable($("comparison"), "Rows of both runs", ["rows", ""], rows);
  if (about.share !== null)
    $("comparison").append(
      element("p", `${number(about.share * 100, 1)} % of the answers to the very same request differ: less than that says nothing of a change.`),
    );
  showTable($("comparison"), "Labels", ["rows", "from", "to"], changes.map((each) => [number(each.count), each.from ?? "none", each.to ?? "none"]));
}

// --- Rows: blocks are unpacked in the background, and parsed when they are shown -------------------------------------

const ROWS = 500;
const blocks = []; // their JSON, by number
const parsed = new Map();
let index = { kinds: [], labels: [], kind: [], label: [] };
let known = 0; // rows of the blocks that are there
let found = null; // numbers of the rows that pass the filter; null: all
let at = 0;
let search = 0; // the search that counts

async function unpacked(text) {
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const pause = () => new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = resolve; port2.postMessage(0); });
const frame = () => new Promise((resolve) => setTimeout(resolve, 16));

async function unpackAll() {
  for (let next = 0; ; next++) {
    let packed = document.getElementsByClassName("rows");
    while (packed.length <= next && document.readyState === "loading") await frame();
    if (packed.length <= next) break;
    blocks.push(await unpacked(packed[next].textContent));
    packed[next].textContent = "";
    known = blocks.length * ROWS;
    if (next === 0) {
      known = rowsOf(0).length;
      index = JSON.parse(await unpacked($("index").textContent));
      offer();
      draw();
    } else if (next % 8 === 0) {
      drawSoon();
      await pause();
    }
  }
  known = blocks.length ? (blocks.length - 1) * ROWS + rowsOf(blocks.length - 1).length : 0;
  said();
  await filter();
  document.documentElement.dataset.ready = "all";
}

function said() {
  const end = JSON.parse($("end").textContent);
  const words = [];
  if (end.rows) words.push(`${counting(end.rows, "row is", "rows are")} left out: a page has at most 100 MB.`);
  if (end.cells) words.push(`${counting(end.cells, "cell is", "cells are")} cut after 2 kB.`);
  if (!end.prompts && known) words.push("No prompts are in the records: run the batch with --keep all, or give the report its --input ROWS.");
  $("notice").textContent = words.join(" ");
}

function rowsOf(block) {
  let rows = parsed.get(block);
  if (!rows) {
    rows = JSON.parse(blocks[block]);
    parsed.set(block, rows);
    if (parsed.size > 40) parsed.delete(parsed.keys().next().value);
  }
  return rows;
}

const rowAt = (row) => rowsOf(Math.floor(row / ROWS))[row % ROWS];

// --- Filter and search -----------------------------------------------------------------------------------------------

function offer() {
  const option = (text, value) => { const made = element("option", text); made.value = value; return made; };
  $("kind").append(option("all states", ""), ...index.kinds.map((kind, value) => option(kind, value)));
  $("label").append(option("all labels", ""), ...index.labels.map((label, value) => option(label, value + 1)));
  $("label").hidden = !index.labels.length;
}

async function filter() {
  const mine = ++search;
  const text = $("search").value;
  const kind = $("kind").value, label = $("label").value;
  at = 0;
  $("scroll").scrollTop = 0;
  if (!text && kind === "" && label === "") {
    found = null;
    draw();
    return;
  }
  const hits = [];
  const sought = anyCase(text), inJson = anyCase(JSON.stringify(text).slice(1, -1));
  let since = performance.now();
  for (let block = 0; block < blocks.length; block++) {
    if (text && !inJson.test(blocks[block])) continue;
    const begin = block * ROWS, end = Math.min(begin + ROWS, known);
    const rows = text ? JSON.parse(blocks[block]) : null;
    for (let row = begin; row < end; row++) {
      if (kind !== "" && index.kind[row] !== +kind) continue;
      if (label !== "" && index.label[row] !== +label) continue;
      if (text && !mentions(rows[row - begin], sought)) continue;
      hits.push(row);
    }
    if (performance.now() - since > 30) {
      found = hits;
      draw();
      await pause();
      if (mine !== search) return;
      since = performance.now();
    }
  }
  found = hits;
  draw();
}

const anyCase = (text) => new RegExp(text.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&"), "iu");

function mentions([id, , prompt, ...runs], sought) {
  return sought.test(id) || sought.test(prompt) || runs.some((run) => run && (sought.test(run[1]) || sought.test(run[0])));
}

// --- What is on the screen ---------------------------------------------------------------------------------------------

const TALLEST = 10_000_000; // px that every browser scrolls
const height = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
const count = () => (found === null ? known : found.length);
let drawing = false;

function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function place() {
  const row = height(), view = $("scroll").clientHeight, whole = count() * row;
  const tall = Math.min(whole, TALLEST);
  const share = tall > view ? $("scroll").scrollTop / (tall - view) : 0;
  const top = tall === whole ? $("scroll").scrollTop : share * (whole - view);
  return { row, view, tall, top };
}

function draw() {
  const { row, view, tall, top } = place();
  const first = Math.max(0, Math.floor(top / row) - 3), last = Math.min(count(), Math.ceil((top + view) / row) + 3);
  $("room").style.height = Math.max(tall, 1) + "px";
  $("rows").style.transform = `translateY(${$("scroll").scrollTop - (top - first * row)}px)`;
  const shown = [];
  for (let position = first; position < last; position++) shown.push(drawn(position));
  $("rows").replaceChildren(...shown);
  const total = found === null ? count() : about.total;
  $("count").textContent = (found === null ? "" : number(count()) + " of ") + counting(total, "row", "rows");
}

function drawn(position) {
  const row = found === null ? position : found[position];
  const [id, kind, prompt, ...runs] = rowAt(row);
  const made = element("div", undefined, position === at ? "row at" : "row");
  made.setAttribute("role", "listitem");
  made.dataset.row = row;
  made.append(element("div", id, "id"), element("div", prompt, "prompt"));
  for (const run of runs) made.append(element("div", run ? (run[0] === "ok" ? run[1] : run[0] + ": " + run[1]) : "—", run && run[0] !== "ok" ? "failed" : "answer"));
  if (!two) made.append(element("div", runs[0] ? [runs[0][6], seconds(runs[0][2]), dollars(runs[0][3])].filter(Boolean).join(" · ") : "", "about"));
  made.onclick = () => { at = position; open(row); };
  return made;
}

function open(row) {
  const [id, kind, prompt, ...runs] = rowAt(row);
  const content = $("content");
  content.replaceChildren(element("h2", id + (two ? ": " + index.kinds[kind] : "")));
  if (prompt) content.append(element("h2", "Prompt"), element("pre", prompt));
  runs.forEach((run, each) => {
    const name = two ? nameOf(about.runs[each]) + ": " : "";
    if (!run) { content.append(element("h2", name + "no such row")); return; }
    const facts = [run[0], run[6], run[7], seconds(run[2]), dollars(run[3]), `${number(run[4])} + ${number(run[5])} tokens`];
    content.append(element("h2", name + facts.filter(Boolean).join(" · ")), element("pre", run[1], run[0] === "ok" ? "" : "bad"));
  });
  $("whole").showModal();
}

function move(step) {
  at = Math.max(0, Math.min(count() - 1, at + step));
  const { row, view, tall, top } = place(), wanted = at * row;
  const scale = (pixels) => (count() * row === tall ? pixels : (pixels / (count() * row - view)) * (tall - view));
  if (wanted < top) $("scroll").scrollTop = scale(wanted);
  else if (wanted + row > top + view) $("scroll").scrollTop = scale(wanted + row - view);
  draw();
}

let typing;
$("search").oninput = () => { clearTimeout(typing); typing = setTimeout(filter, 120); };
$("kind").onchange = $("label").onchange = filter;
$("filter").onsubmit = (event) => { event.preventDefault(); filter(); };
$("scroll").onscroll = drawSoon;
addEventListener("resize", drawSoon);
$("scroll").onkeydown = (event) => {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (step) { event.preventDefault(); move(step); }
  if (event.key === "Enter" && count()) {
    event.preventDefault(); // or it would press the button that closes what it opened
    open(found === null ? at : found[at]);
  }
};
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT|SELECT/.test(document.activeElement.tagName)) { event.preventDefault(); $("search").focus(); }
});

showFigures();
showPlots();
showTables();
unpackAll();
