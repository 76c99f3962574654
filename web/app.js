// The search page: asks this node's own paths, writes text as text, needs nothing from elsewhere.
"use strict";

const find = (id) => document.getElementById(id);
const state = find("state"), table = find("files"), rows = table.tBodies[0], more = find("more");
let asked = 0;     // number of the newest question; answers to older ones are dropped
let cursor = null; // where the next page of the list begins
let files = [];    // what is shown: {path, size, mtime, sha256, holders, names}
let order = { key: "path", down: false };
let total = 0;     // contents that the node knows, 0: it does not say

const units = ["B", "KiB", "MiB", "GiB", "TiB"];
function sizeText(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit++; }
  return (unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)) + " " + units[unit];
}

function dateText(seconds) {
  const date = new Date(seconds * 1000);
  return isNaN(date) ? "" : date.toISOString().slice(0, 10);
}

function element(name, text, attributes) {
  const made = document.createElement(name);
  made.textContent = text;
  Object.assign(made, attributes);
  return made;
}

function cell(row, content, className) {
  const td = row.insertCell();
  if (className) td.className = className;
  td.append(content);
  return td;
}

function show(file) {
  const row = rows.insertRow();
  const url = "/download/" + file.path.split("/").map(encodeURIComponent).join("/");
  cell(row, element("a", file.path, { href: url }));
  cell(row, sizeText(file.size), "n");
  cell(row, String(file.holders), "n").title = file.names.join(", ");
  cell(row, dateText(file.mtime), "soft");
  cell(row, file.sha256 ? element("code", file.sha256, { title: file.sha256 })
                        : element("span", "being read"), "soft");
}

// Shows all files, by the chosen column; equal ones by name.
function draw() {
  const sign = order.down ? -1 : 1;
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  files.sort((a, b) => sign * compare(a[order.key], b[order.key]) || compare(a.path, b.path));
  rows.replaceChildren();
  files.forEach(show);
  table.hidden = !files.length;
  for (const head of table.tHead.rows[0].cells) {
    const chosen = head.dataset.key === order.key;
    head.ariaSort = !chosen ? "none" : order.down ? "descending" : "ascending";
  }
}

// Reads NDJSON and returns [lines, the end line]. An error's text comes from the node.
async function lines(path) {
  const answer = await fetch(path);
  const values = (await answer.text()).split("\n").filter(Boolean).map(JSON.parse);
  if (!answer.ok) throw new Error(values[0] ? values[0].error : "HTTP " + answer.status);
  return [values.filter((value) => !value.end), values.find((value) => value.end) || {}];
}

// One entry per name and content, with the nodes that have it.
function merge(results) {
  const merged = new Map();
  for (const file of results) {
    const key = file.sha256 + "\n" + file.path;
    if (!merged.has(key)) merged.set(key, { ...file, nodes: new Map() });
    merged.get(key).nodes.set(file.node, file.name);
  }
  return [...merged.values()].map((file) => ({ ...file, holders: file.nodes.size, names: [...file.nodes.values()] }));
}

async function search(text) {
  const [results, end] = await lines("/v1/search?q=" + encodeURIComponent(text));
  return { files: merge(results), truncated: end.truncated };
}

async function list(after) {
  const [found, end] = await lines("/v1/list?limit=200" + (after ? "&after=" + encodeURIComponent(after) : ""));
  return { files: found.map((file) => ({ ...file, names: [] })), next: end.next };
}

function say(text, answer) {
  if (!files.length) return text ? "Nothing found." : "No files yet. Put one into a shared folder.";
  const count = files.length + (files.length === 1 ? " file" : " files");
  if (answer.next && total > files.length) return count + " of " + total;
  return answer.next || answer.truncated ? "The first " + count : count;
}

async function ask(on) {
  const mine = ++asked;
  const text = find("query").value.trim();
  try {
    const answer = text ? await search(text) : await list(on ? cursor : null);
    if (mine !== asked) return;
    files = on ? files.concat(answer.files) : answer.files;
    cursor = answer.next || null;
    more.hidden = !cursor;
    draw();
    state.textContent = say(text, answer);
    history.replaceState(null, "", text ? "/?q=" + encodeURIComponent(text) : "/");
  } catch (error) {
    if (mine === asked) state.textContent = "No answer: " + error.message;
  }
}

const nodes = find("nodes");
function sayNodes(count) {
  nodes.hidden = false;
  nodes.firstElementChild.textContent = count + (count === 1 ? " node" : " nodes");
}

// Each node that is there, with a link to its own page.
async function listNodes() {
  const [found] = await lines("/v1/nodes");
  const living = found.filter((node) => node.state !== "left").sort((a, b) => (a.name < b.name ? -1 : 1));
  const body = nodes.querySelector("tbody");
  sayNodes(living.length);
  body.replaceChildren();
  for (const node of living) {
    const row = body.insertRow(), address = (node.addresses || [])[0];
    cell(row, address ? element("a", node.name, { href: "http://" + address + "/" }) : node.name);
    cell(row, address || "", "soft");
    cell(row, node.offers + (node.offers === 1 ? " file" : " files"), "n");
    cell(row, node.state, "soft");
  }
}

async function about() {
  const stats = await (await fetch("/v1/stats")).json();
  const text = [stats.name, stats.role, "version " + stats.version];
  if (stats.nodes !== undefined) sayNodes(stats.nodes);
  find("node").textContent = text.filter(Boolean).join(" · ");
  document.title = stats.name + " · p2p";
  total = stats.contents || 0;
  if (stats.role !== "peer") return;
  find("node").append(" · its own share");
  for (const index of stats.indexes || []) {
    const host = index.replace(/^(127\.[0-9.]+|localhost|\[::1\])(?=:)/, location.hostname); // as seen from here
    find("node").append(" · ", element("a", "search the network on " + host, { href: "http://" + host + "/" }));
  }
}

let timer = 0;
find("query").value = new URLSearchParams(location.search).get("q") || "";
find("query").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 150, false); });
find("form").addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); ask(false); });
more.addEventListener("click", () => ask(true));
nodes.addEventListener("toggle", () => { if (nodes.open) listNodes().catch(() => {}); });
table.tHead.addEventListener("click", (event) => {
  const head = event.target.closest("th");
  if (!head) return;
  order = { key: head.dataset.key, down: head.dataset.key === order.key ? !order.down : head.className === "n" };
  draw();
});
about().catch(() => {}).then(() => ask(false));
