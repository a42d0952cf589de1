// The supervisor's live view. It asks once a second and draws what it is told; nothing of a customer ever comes here.
import { Api } from "./api.js";
import { themeButton } from "./bar.js";
import { announce, h, region } from "./dom.js";
import { icon, mark } from "./icons.js";
import { signInPage } from "./signin.js";
import { clock } from "./state.js";
import { agentsPanel, alertTexts, alertsList, queuesPanel, tiles } from "./wallboard.js";
import { problemText } from "./words.js";

const EVERY_MS = 1_000;
const TICK_MS = 250;

const app = document.getElementById("app");
const api = new Api(document.querySelector('meta[name="csrf"]').content, () => leave("Your session has ended. Sign in again."));
let state = null; // { session, board, skew, filter, problem }
let regions = [];
let timer = 0;
let said = "";

async function boot() {
  try {
    begin(await api.get("/api/me"));
  } catch (problem) {
    app.replaceChildren(signInPage(api, begin, problem.status === 401 ? "" : problemText(problem)));
  }
}

function begin(session) {
  api.csrf = session.csrf;
  state = { session, board: null, skew: 0, filter: "", problem: "" };
  if (session.role !== "supervisor") return refuse();
  const hosts = {
    bar: h("header", { class: "bar" }),
    banners: h("div", { class: "banners" }),
    tiles: h("section", { "aria-label": "At a glance" }),
    alerts: h("section", { "aria-label": "Alerts" }),
    queues: h("section", { "aria-label": "Queues" }),
    people: h("section", { "aria-label": "People" }),
  };
  const title = h("h1", { class: "visually-hidden" }, "Live floor");
  const main = h("main", { class: "floor", id: "main", tabindex: "-1" }, title, hosts.tiles, hosts.alerts, hosts.queues, hosts.people);
  app.replaceChildren(hosts.bar, hosts.banners, main);
  regions = [
    region(hosts.bar, (now) => [now.session.name, Boolean(now.problem)], bar),
    region(hosts.banners, (now) => [now.problem], banners),
    region(hosts.tiles, (now) => [now.board?.queues, now.board?.agents.map((each) => each.state)], (now) => now.board && tiles(now.board)),
    region(hosts.alerts, (now) => [now.board && alertTexts(now.board)], (now) => now.board && alertsList(now.board)),
    region(hosts.queues, (now) => [now.board?.queues], (now) => now.board && queuesPanel(now.board)),
    region(hosts.people, (now) => [now.board?.agents, now.board?.offline, now.filter], (now) => now.board && agentsPanel(now.board, now.filter, choose)),
  ];
  draw();
  poll();
}

function bar({ session, problem }) {
  return [
    h("div", { class: "brand" }, mark(), h("span", { class: "brand-name" }, "Quietline")),
    h("div", { class: "bar-middle" },
      h("span", { class: "chip", "data-kind": problem ? "offline" : "ready" }, h("span", { class: "chip-dot", "aria-hidden": "true" }), problem ? "Not live" : "Live floor")),
    h("div", { class: "bar-end" },
      h("a", { class: "text-link", href: "/", "data-focus": "desk" }, "My desk"),
      h("span", { class: "who" }, session.name),
      themeButton(),
      h("button", { class: "icon-button", title: "Sign out", "aria-label": "Sign out", "data-focus": "sign-out", onclick: signOut }, icon("out"))),
  ];
}

function banners({ problem, board }) {
  if (!problem) return [];
  const then = board ? ` Figures are from ${new Date(board.now * 1000).toLocaleTimeString()}.` : "";
  return h("div", { class: "banner", "data-kind": "bad", role: "alert" }, icon("alert"), h("p", {}, h("strong", {}, "The floor does not answer."), ` Calls go on. Trying again…${then}`));
}

function refuse() {
  const main = h("main", { class: "floor", id: "main", tabindex: "-1" },
    h("div", { class: "refusal" },
      h("h1", { class: "floor-title" }, "This view is for supervisors"),
      h("p", { class: "lead" }, "Your account takes calls. Your own page is the desk."),
      h("a", { class: "button primary large", href: "/" }, "Go to my desk")));
  app.replaceChildren(main);
}

async function poll() {
  clearTimeout(timer);
  if (!state) return;
  if (!document.hidden) await ask();
  if (state) timer = setTimeout(poll, EVERY_MS);
}

async function ask() {
  try {
    const board = await api.get("/api/floor");
    if (state) state = { ...state, board, skew: board.now - Date.now() / 1000, problem: "" };
  } catch (problem) {
    if (!state) return;
    if (problem.status === 403) return void (refuse(), (state = null));
    state = { ...state, problem: problem.code };
  }
  draw();
  tell();
}

/** New alerts are said once. */
function tell() {
  const texts = state?.board ? alertTexts(state.board).map((each) => each.text) : [];
  const fresh = texts.filter((each) => !said.includes(each));
  said = texts.join("\n");
  if (fresh.length) announce(fresh.join(" "));
}

function draw() {
  if (state) for (const each of regions) each(state);
  tick();
}

function tick() {
  if (!state?.board) return;
  const now = Date.now() / 1000 + state.skew;
  for (const node of app.querySelectorAll("[data-since]")) node.textContent = clock(now - Number(node.dataset.since));
}

function choose(filter) {
  state = { ...state, filter };
  draw();
}

async function signOut() {
  await api.delete("/api/session").catch(() => null); // it ends here in any case
  leave("");
}

function leave(notice) {
  clearTimeout(timer);
  state = null;
  api.csrf = null;
  app.replaceChildren(signInPage(api, begin, notice));
}

document.addEventListener("visibilitychange", () => !document.hidden && state?.session && poll());
setInterval(tick, TICK_MS);
boot();
