// The search page: asks this node's own paths, writes text as text, needs nothing from elsewhere.
"use strict";

const find = (id) => document.getElementById(id);
const state = find("state"), table = find("files"), rows = table.tBodies[0], more = find("more");
let asked = 0;     // number of the newest question; answers to older ones are dropped
let cursor = null; // where the next page of the list begins

const units = ["B", "KiB", "MiB", "GiB", "TiB"];
function sizeText(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit++; }
  return (unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)) + " " + units[unit];
}

function cell(row, content, className) {
  const td = row.insertCell();
  if (className) td.className = className;
  td.append(content);
  return td;
}

function element(name, text, attributes) {
  const made = document.createElement(name);
  made.textContent = text;
  Object.assign(made, attributes);
  return made;
}

function show(file, holders) {
  const row = rows.insertRow();
  const url = "/download/" + file.path.split("/").map(encodeURIComponent).join("/");
  cell(row, element("a", file.path, { href: url }));
  cell(row, sizeText(file.size), "n");
  cell(row, String(holders), "n");
  cell(row, new Date(file.mtime * 1000).toLocaleDateString());
  cell(row, file.sha256 ? element("code", file.sha256.slice(0, 12) + "…", { title: file.sha256 })
                        : "being read");
  table.hidden = false;
}

// Reads NDJSON and returns [lines, the end line]. An error's text comes from the node.
async function lines(path) {
  const answer = await fetch(path);
  const text = await answer.text();
  const values = text.split("\n").filter(Boolean).map(JSON.parse);
  if (!answer.ok) throw new Error(values[0] ? values[0].error : "HTTP " + answer.status);
  return [values.filter((value) => !value.end), values.find((value) => value.end) || {}];
}

// One row per name and content, with the number of nodes that have it.
function merge(results) {
  const merged = new Map();
  for (const file of results) {
    const key = file.sha256 + "\n" + file.path;
    const seen = merged.get(key);
    if (seen) seen.nodes.add(file.node);
    else merged.set(key, { file, nodes: new Set([file.node]) });
  }
  return [...merged.values()];
}

async function search(text) {
  const [results, end] = await lines("/v1/search?q=" + encodeURIComponent(text));
  return { files: merge(results).map(({ file, nodes }) => [file, nodes.size]), truncated: end.truncated };
}

async function list(after) {
  const [files, end] = await lines("/v1/list?limit=200" + (after ? "&after=" + encodeURIComponent(after) : ""));
  return { files: files.map((file) => [file, file.holders]), next: end.next };
}

function say(count, text, answer) {
  if (!count) return text ? "Nothing found." : "No files yet. Put one into a shared folder.";
  const plural = count === 1 ? " file" : " files";
  return count + (answer.next || answer.truncated ? " or more" : "") + plural;
}

async function ask(keep) {
  const mine = ++asked;
  const text = find("query").value.trim();
  try {
    const answer = text ? await search(text) : await list(keep ? cursor : null);
    if (mine !== asked) return;
    if (!keep) { rows.replaceChildren(); table.hidden = true; }
    for (const [file, holders] of answer.files) show(file, holders);
    cursor = answer.next || null;
    more.hidden = !cursor;
    state.textContent = say(rows.rows.length, text, answer);
  } catch (error) {
    if (mine === asked) state.textContent = "This node does not answer: " + error.message;
  }
}

async function about() {
  const stats = await (await fetch("/v1/stats")).json();
  const text = [stats.name, stats.role, "version " + stats.version];
  if (stats.nodes !== undefined) text.push(stats.nodes + (stats.nodes === 1 ? " node" : " nodes"));
  find("node").textContent = text.filter(Boolean).join(" · ");
  if (stats.role === "peer") {
    find("form").hidden = true;
    find("node").append(" · its own share; search on the index");
  }
}

let timer = 0;
find("query").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 150); });
find("form").addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); ask(); });
more.addEventListener("click", () => ask(true));
about().catch(() => {});
ask();
