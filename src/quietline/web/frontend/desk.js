// The agent's page: joins the parts. What the server says is the truth; the page only draws it.
import { Api } from "./api.js";
import { banners, bannersKey, bar, barKey } from "./bar.js";
import { Card } from "./card.js";
import { announce, h, region } from "./dom.js";
import { Events } from "./events.js";
import { Note } from "./note.js";
import { Phone } from "./phone.js";
import { unfit } from "./readiness.js";
import { Ringer } from "./ringer.js";
import { signInPage } from "./signin.js";
import { drawArc, stage, stageKey } from "./stage.js";
import { Store, atDesk, clock, mode, serverNow } from "./state.js";
import { Tabs } from "./tabs.js";
import { WrapUp } from "./wrapup.js";
import { problemText } from "./words.js";

const TICK_MS = 250;
const SAID = {
  ready: "You are ready.",
  away: "You are away.",
  on_call: "Connected.",
  wrap_up: "The call has ended. Customer details are closed.",
};

const app = document.getElementById("app");
const store = new Store();
const ringer = new Ringer();
const api = new Api(document.querySelector('meta[name="csrf"]').content, () => signedOut("Your session has ended. Sign in again."));
const phone = new Phone({ credential: () => api.get("/api/phone"), onChange: phoneChanged });
const events = new Events({
  onState: learn,
  onFault: controllerLost,
  onLink: (link) => store.set({ link }),
  onEnd: () => signedOut("Your session has ended. Sign in again."),
  stillSignedIn,
});
const act = {
  ready, leave, away, ringAt, answer, decline, mute, hold, hangUp, done, signOut, unblock,
  openTransfer, closeTransfer, transfer, consult, complete: () => settle("complete"), takeBack: () => settle("take-back"),
};
let tabs = null;
let parts = null; // of the desk, while somebody is signed in

// -- signing in and out

async function boot() {
  try {
    await begin(await api.get("/api/me"));
  } catch (problem) {
    showSignIn(problem.status === 401 ? "" : problemText(problem));
  }
}

async function begin(session) {
  if (session.second === "set-up") return location.assign("/security");
  api.csrf = session.csrf;
  showDesk();
  store.set({ booted: true, session });
  tabs = new Tabs(session.agent, { onLead: lead, onMessage: fromTab });
  tabs.start();
  await api.get("/api/state").then(learn, () => store.set({ controller: "lost" }));
}

async function signOut() {
  if (mode(store.state) === "talking" && !confirm("You are on a call. Sign out and end it?")) return;
  tabs?.tell({ kind: "signed-out" });
  await api.delete("/api/session").catch(() => null); // it ends here in any case
  signedOut("");
}

function signedOut(notice) {
  if (!store.state.session) return;
  api.csrf = null;
  wipe();
  events.stop();
  phone.stop();
  ringer.stop();
  tabs.stop();
  tabs = null;
  store.reset();
  document.title = "Quietline";
  showSignIn(notice);
}

async function stillSignedIn() {
  try {
    await api.get("/api/me");
    return true;
  } catch (problem) {
    return problem.status !== 401;
  }
}

// -- what is on the page

function showSignIn(notice) {
  parts = null;
  app.replaceChildren(signInPage(api, begin, notice));
}

function showDesk() {
  const hosts = {
    bar: h("header", { class: "bar" }),
    banners: h("div", { class: "banners" }),
    stage: h("section", { class: "stage", "aria-label": "Call" }),
    card: h("section", { class: "card-body", "aria-label": "Customer" }),
    wrapUp: h("section", { class: "card-body", "aria-label": "Wrap-up" }),
    note: h("section", { class: "note", "aria-label": "Note" }),
  };
  const main = h("main", { class: "desk", id: "main", tabindex: "-1" }, hosts.stage, hosts.card, hosts.wrapUp, hosts.note);
  const note = new Note({ host: hosts.note, api });
  app.replaceChildren(hosts.bar, hosts.banners, main);
  parts = {
    main,
    card: new Card({ host: hosts.card, api, onVault: (vault) => store.set({ vault }), onVerify: verify }),
    wrapUp: new WrapUp({ host: hosts.wrapUp, api, onNote: (text) => note.recall(text) }),
    note,
    regions: [
      region(hosts.bar, barKey, (state) => bar(state, act)),
      region(hosts.banners, bannersKey, (state) => banners(state, act)),
      region(hosts.stage, stageKey, (state) => stage(state, act)),
    ],
  };
}

store.listen((state, before) => {
  if (!parts || !state.session) return;
  const now = mode(state);
  parts.main.dataset.mode = now;
  parts.regions.forEach((draw) => draw(state));
  if (state.view !== before.view) {
    parts.card.follow(state.view);
    parts.wrapUp.follow(state.view);
    parts.note.follow(state.view);
  }
  if (state.targets && (now !== "talking" || state.view.call !== before.view?.call)) store.set({ targets: null });
  if (now !== mode(before) || state.view?.state !== before.view?.state) arrived(now, state);
  tick();
});

/** A new state is said, rung, and given the keyboard. */
function arrived(now, state) {
  if (state.leaving && state.view?.state !== "ready") store.set({ leaving: false });
  document.title = now === "ringing" ? "Ringing · Quietline" : "Quietline";
  if (now !== "talking" && state.vault !== "ok") store.set({ vault: "ok" }); // what the last call found is over
  if (now === "ringing") {
    if (!atDesk(state)) ringer.start();
    const how = atDesk(state) ? "Pick up your desk phone." : "Enter answers, Escape declines.";
    announce(`Incoming call. ${state.view.alias}, ${state.view.queue}. ${how}`, "alarm");
    document.getElementById("answer")?.focus();
  } else {
    ringer.stop();
    if (SAID[state.view?.state]) announce(SAID[state.view.state]);
    if (now === "talking") parts.main.focus({ preventScroll: true });
    if (now === "wrap-up") (document.getElementById("note") ?? document.getElementById("done"))?.focus();
  }
}

function tick() {
  const now = serverNow(store.state);
  for (const node of app.querySelectorAll("[data-left]")) node.textContent = clock(Number(node.dataset.left) - now + 0.99);
  for (const node of app.querySelectorAll("[data-since]")) node.textContent = clock(now - Number(node.dataset.since));
  for (const arc of app.querySelectorAll("[data-arc]")) drawArc(arc, now);
  const blocked = store.state.view?.state === "ready" && store.state.leader && !atDesk(store.state) && ringer.blocked;
  if (blocked !== Boolean(store.state.ringerBlocked)) store.set({ ringerBlocked: blocked });
}

/** Every customer value leaves the page. */
function wipe() {
  parts?.card.wipe();
  parts?.wrapUp.wipe();
  parts?.note.wipe();
}

// -- what the server and the other tabs say

function learn(view) {
  const old = store.state.view;
  if (old && view.revision < old.revision) return; // answers and events may overtake each other
  const skew = view.now - Date.now() / 1000;
  store.set({ view, skew, controller: "ok", problem: null });
  if (store.state.leader) tabs?.tell({ kind: "view", view });
}

/** What it says next is newer than anything of its earlier life. */
function controllerLost() {
  const { view } = store.state;
  store.set({ controller: "lost", view: view && { ...view, revision: 0 } });
}

function lead() {
  store.set({ leader: true });
  events.start();
  phone.start();
}

function phoneChanged(status) {
  const ended = store.state.phone.talking && !status.talking;
  store.set({ phone: status });
  tabs?.tell({ kind: "phone", status });
  if (ended) callEnded();
}

/** Our own phone knows of the hang-up before the server's word arrives: the card goes at once. */
function callEnded() {
  parts?.card.close(store.state.view?.call);
  refresh();
}

async function refresh() {
  await api.get("/api/state").then(learn, () => null);
}

function fromTab(message) {
  const { leader, phone: known, view } = store.state;
  switch (message.kind) {
    case "hello":
      if (!leader) break;
      tabs.tell({ kind: "phone", status: known });
      if (view) tabs.tell({ kind: "view", view: { ...view, now: serverNow(store.state) } });
      break;
    case "view":
      store.set({ link: "open" });
      learn(message.view);
      break;
    case "phone":
      if (known.talking && !message.status.talking) callEnded();
      store.set({ phone: message.status });
      break;
    case "do":
      if (leader) phone[message.verb](...message.values);
      break;
    case "signed-out":
      signedOut("You signed out in another tab.");
      break;
  }
}

/** The phone is the leader's: in any other tab, ask it. */
function onPhone(verb, ...values) {
  if (store.state.leader) phone[verb](...values);
  else tabs.tell({ kind: "do", verb, values });
}

// -- what the agent does

async function ready() {
  if (store.state.wish) return;
  store.set({ wish: "ready", problem: null });
  ringer.wake();
  const problem = (atDesk(store.state) ? undefined : await unfit(store)) ?? (await setState("ready"));
  store.set({ wish: null, problem });
  if (problem) announce(problem, "alarm");
}

/** "tab" or "desk": asked of the server, and then the leader's phone begins anew. */
async function ringAt(ring) {
  const problem = await api.post("/api/phone", { ring }).then(() => void onPhone("restart"), problemText);
  store.set({ problem });
  announce(problem ?? (ring === "desk" ? "Calls ring on your desk phone." : "Calls ring in this tab."), problem ? "alarm" : undefined);
}

/** A reason is asked for; the agent stays ready until it is given. */
function leave(leaving) {
  store.set({ leaving });
}

async function away(reason) {
  const problem = await setState("away", { reason });
  store.set({ leaving: false, ...(problem && { problem }) });
}

async function setState(state, more = {}) {
  const phone = atDesk(store.state) ? "sip" : "browser";
  return api.post("/api/state", { state, phone, ...more }).then((view) => void learn(view), problemText);
}

function answer() {
  if (atDesk(store.state)) return;
  ringer.wake();
  onPhone("answer");
}

function decline() {
  onPhone("decline");
}

function mute(muted) {
  onPhone("mute", muted);
}

function hold(held) {
  onPhone("hold", held);
}

async function hangUp() {
  const { call } = store.state.view;
  parts.card.close(call);
  onPhone("hangUp");
  await api.post(`/api/calls/${call}/hang-up`).then(learn, refresh);
}

async function openTransfer() {
  if (store.state.targets) return closeTransfer();
  const { call } = store.state.view;
  await api.get(`/api/calls/${call}/targets`).then((targets) => store.set({ targets }), refused);
}

function closeTransfer() {
  store.set({ targets: null });
}

/** At once: the card closes now, and the phone ends by itself. */
async function transfer(to) {
  const { call } = store.state.view;
  await api.post(`/api/calls/${call}/transfer`, to).then((view) => {
    parts.card.close(call);
    closeTransfer();
    learn(view);
  }, refused);
}

async function consult(colleague) {
  const { call } = store.state.view;
  await api.post(`/api/calls/${call}/consult`, { colleague }).then((view) => {
    closeTransfer();
    learn(view);
  }, refused);
}

async function settle(how) {
  const { call } = store.state.view;
  await api.post(`/api/calls/${call}/${how}`).then(learn, refused);
}

function refused(problem) {
  const said = problemText(problem);
  announce(said, "alarm");
  if (store.state.targets) store.set({ targets: { ...store.state.targets, problem: said } });
}

async function verify(call) {
  await api.post(`/api/calls/${call}/verify`).then(learn, (problem) => announce(problemText(problem), "alarm"));
}

async function done() {
  const { call } = store.state.view;
  if (parts.note.unsaved && !(await parts.note.save())) return;
  await api.post(`/api/calls/${call}/wrap-up`).then(learn, refresh);
}

function unblock() {
  ringer.wake().then(() => store.set({ ringerBlocked: false }));
  onPhone("unblock");
}

// -- keys, and leaving

const SHORTCUTS = {
  KeyM: () => mute(!store.state.phone.muted),
  KeyH: () => hold(!store.state.phone.held),
  KeyX: hangUp,
  KeyT: openTransfer,
};

document.addEventListener("keydown", (event) => {
  const now = mode(store.state);
  if (now === "ringing" && event.key === "Escape") {
    event.preventDefault();
    decline();
  } else if (now === "ringing" && (event.key === "Enter" || event.key === " ") && !event.target.closest("button")) {
    event.preventDefault();
    answer();
  } else if (now === "talking" && event.altKey && SHORTCUTS[event.code]) {
    event.preventDefault();
    SHORTCUTS[event.code]();
  }
});

addEventListener("beforeunload", (event) => {
  if (store.state.leader && store.state.phone.talking) event.preventDefault();
});

// The page may be kept for the back button: it must not keep a customer, nor a call that nobody would hear.
addEventListener("pagehide", () => {
  wipe();
  events.stop();
  if (store.state.leader) phone.stop();
});
addEventListener("pageshow", (event) => event.persisted && location.reload());

setInterval(tick, TICK_MS);
boot();
