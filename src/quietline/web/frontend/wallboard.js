// The parts of the live view, from the server's board. Seconds and shares come as numbers; words are made here.
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { clock } from "./state.js";
import { AWAY_REASONS } from "./words.js";

const STATES = { ready: "Ready", ringing: "Ringing", on_call: "On a call", wrap_up: "Wrap-up", away: "Away" };
const ORDER = Object.keys(STATES);
const AWAY = { ...Object.fromEntries(AWAY_REASONS), chosen: "by choice", no_answer: "missed a call", declined: "declined a call", phone_lost: "lost the phone" };

const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);
const total = (rows, name) => rows.reduce((sum, each) => sum + each[name], 0);

/** Rounded, so that the page is not drawn anew for tenths of a second. */
function about(seconds) {
  if (seconds === null) return "nobody";
  if (seconds < 10) return "at once";
  if (seconds < 60) return `${Math.round(seconds / 10) * 10} s`;
  return `${Math.round(seconds / 60)} min`;
}

export function tiles({ queues, agents, now }) {
  const longest = Math.max(0, ...queues.map((each) => each.longest_wait));
  const late = queues.some((each) => each.alerts.includes("wait") || each.alerts.includes("nobody"));
  const ready = agents.filter((each) => each.state === "ready").length;
  return h("dl", { class: "tiles" },
    tile("Waiting now", total(queues, "waiting"), late),
    tile("Longest wait", longest ? h("span", { "data-since": now - longest }, clock(longest)) : "–", late),
    tile("Ready", [String(ready), h("small", {}, ` of ${agents.length} here`)]),
    tile("Today", [String(total(queues, "answered")), h("small", {}, " answered "), String(total(queues, "abandoned")), h("small", {}, " lost")]));
}

function tile(name, value, alert = false) {
  return h("div", { class: "tile", "data-kind": alert ? "alert" : "plain" }, h("dt", {}, name), h("dd", {}, value));
}

const SAYS = {
  nobody: (queue) => "nobody in service may take its calls.",
  wait: (queue) => `a caller has waited longer than ${queue.aim_seconds} s.`,
  level: (queue) => `${percent(queue.service_level)} answered within ${queue.aim_seconds} s today; the aim is ${percent(queue.aim)}.`,
};

/** One line for each alert: { kind, text }. */
export function alertTexts({ queues }) {
  return queues.flatMap((queue) => queue.alerts.map((kind) => ({ kind, text: `${queue.name}: ${SAYS[kind]?.(queue) ?? kind}` })));
}

export function alertsList(board) {
  const found = alertTexts(board);
  return found.length ? h("ul", { class: "alerts" }, found.map(({ kind, text }) => h("li", { "data-kind": kind }, icon("alert"), h("span", {}, text)))) : [];
}

export function queuesPanel({ queues, now }) {
  const head = ["Queue", "Waiting", "Longest wait", "Expected wait", "In time today", "Answered", "Lost"];
  const kinds = ["", "number", "number", "number", "", "number", "number"];
  return panel("Queues", [],
    h("table", { class: "board" },
      h("thead", {}, h("tr", {}, head.map((name, place) => h("th", { scope: "col", class: kinds[place] }, name)))),
      h("tbody", {}, queues.map((queue) => queueRow(queue, now)))));
}

function queueRow(queue, now) {
  const late = queue.alerts.includes("wait") || queue.alerts.includes("nobody");
  return h("tr", { "data-alert": String(late) },
    h("th", { scope: "row" }, queue.name),
    h("td", { class: "number strong", "data-label": "Waiting" }, String(queue.waiting)),
    h("td", { class: "number", "data-label": "Longest wait" }, queue.waiting ? h("span", { "data-since": now - queue.longest_wait }, clock(queue.longest_wait)) : "–"),
    h("td", { class: "number", "data-label": "Expected wait" }, about(queue.expected_wait)),
    h("td", { class: "wide", "data-label": "In time today" }, level(queue)),
    h("td", { class: "number", "data-label": "Answered" }, String(queue.answered)),
    h("td", { class: "number", "data-label": "Lost" }, String(queue.abandoned)));
}

function level({ service_level: share, aim, aim_seconds: seconds }) {
  const bar = h("span", { class: "level-bar" });
  bar.style.width = `${Math.round((share ?? 0) * 100)}%`;
  const line = h("span", { class: "level-aim" });
  line.style.left = `${aim * 100}%`;
  const title = `Aim: ${percent(aim)} within ${seconds} s`;
  return h("div", { class: "level", title, "data-under": String(share !== null && share < aim) },
    h("span", {}, percent(share)), h("span", { class: "level-track", "aria-hidden": "true" }, bar, line));
}

export function agentsPanel({ agents, offline }, filter, choose) {
  const shown = agents.filter((each) => !filter || each.state === filter).sort(byState);
  const button = (state, name, count) =>
    h("button", { class: "filter", "aria-pressed": String(filter === state), "data-focus": `filter-${state}`, onclick: () => choose(state) }, `${name} ${count}`);
  const present = ORDER.filter((state) => state === filter || agents.some((each) => each.state === state));
  const filters = h("div", { class: "filters", role: "group", "aria-label": "Show people who are" },
    button("", "All", agents.length),
    present.map((state) => button(state, STATES[state], agents.filter((each) => each.state === state).length)));
  const rest = offline === 1 ? "One person is not signed in." : `${offline} people are not signed in.`;
  return panel("People", filters,
    shown.length ? agentsTable(shown) : h("p", { class: "nothing" }, filter ? "Nobody at this moment." : "Nobody is here."),
    offline ? h("p", { class: "nothing" }, rest) : "");
}

function byState(one, other) {
  return ORDER.indexOf(one.state) - ORDER.indexOf(other.state) || one.since - other.since || one.name.localeCompare(other.name);
}

function agentsTable(agents) {
  return h("table", { class: "board people" },
    h("thead", {}, h("tr", {}, ["Name", "State", "For", "Queue or reason", "Store"].map((name) => h("th", { scope: "col", class: name === "For" ? "number" : "" }, name)))),
    h("tbody", {}, agents.map(agentRow)));
}

function agentRow({ name, state, since, queue, reason, store }) {
  const chip = h("span", { class: "chip", "data-kind": state }, h("span", { class: "chip-dot", "aria-hidden": "true" }), STATES[state] ?? state);
  return h("tr", {},
    h("th", { scope: "row" }, name),
    h("td", { "data-label": "State" }, chip),
    h("td", { class: "number", "data-label": "For" }, h("span", { "data-since": since }, "")),
    h("td", { "data-label": "Queue or reason", class: "soft" }, (state === "away" ? AWAY[reason] ?? reason : queue) || "–"),
    h("td", { "data-label": "Store", class: "soft" }, store || "–"));
}

function panel(title, extra, ...children) {
  return h("div", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, title), extra), ...children);
}
