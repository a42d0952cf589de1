// A call's receipt, for the customer: who looked at what, the proof of it, and what may be kept.
import { Api } from "./api.js";
import { announce, h } from "./dom.js";
import { icon, mark } from "./icons.js";

const ROLES = { agent: "Agent", seasonal_agent: "Seasonal agent", supervisor: "Supervisor", store_manager: "Store manager", privacy_officer: "Privacy officer" };
const KINDS = { contact: "your contact details", delivery: "your delivery details", invoice: "your order", service: "notes on your case", consent: "what you agreed to", recording: "a recording" };
const REASONS = { order_status: "to say where your order is", delivery_change: "to change a delivery", return_refund: "for a return or refund", product_advice: "for advice on a product", complaint: "for your complaint" };
const ACTIONS = { card: "shown when the call was answered", wrap_up: "to finish the call", listen: "listened in on the call, for training" };

const link = location.pathname.split("/").pop();
const path = `/api/receipts/${encodeURIComponent(link)}`;
const app = document.getElementById("app");
const api = new Api("", () => {});

async function boot() {
  app.replaceChildren(header(), h("main", { class: "receipt", id: "main", tabindex: "-1" }, h("div", { class: "receipt-loading" }, h("span", { class: "waiting", "aria-hidden": "true" }), "Putting your receipt together…")));
  try {
    show(await api.get(path));
  } catch (problem) {
    refuse(problem);
  }
}

function header() {
  return h("header", { class: "receipt-bar" }, mark(), h("span", { class: "brand-name" }, "Privacy receipt"));
}

function refuse(problem) {
  const texts = {
    403: ["This link is no longer good", "Receipts can be opened for 30 days. It has expired, or a part of the address is missing: open it from the message once more."],
    429: ["One moment, please", "This page was asked for many times. Wait a minute, then load it again."],
    422: ["This link is not whole", "A part of the address is missing. Open it from the message once more."],
  };
  const [title, text] = texts[problem.status] ?? ["Your receipt cannot be shown now", "Nothing is lost. Try again in a few minutes."];
  const main = h("main", { class: "receipt", id: "main", tabindex: "-1" }, h("div", { class: "receipt-none" }, icon("lock", "huge"), h("h1", { class: "receipt-title" }, title), h("p", { class: "lead" }, text)));
  app.replaceChildren(header(), main);
}

function show(receipt) {
  const main = h("main", { class: "receipt", id: "main", tabindex: "-1" }, intro(receipt), looks(receipt), choices(receipt), proof(receipt));
  app.replaceChildren(header(), main, h("footer", { class: "receipt-foot" }, h("p", {}, `This page can be opened until ${date(receipt.call.until)}. Only who has its address can see it.`)));
}

function intro({ call, lines }) {
  const where = call.store ? ` with ${call.store}` : "";
  const count = lines.length === 0 ? "Nobody looked at your data" : lines.length === 1 ? "Your data was looked at once" : `Your data was looked at ${lines.length} times`;
  return h("div", { class: "receipt-intro" },
    h("p", { class: "overline" }, `Your call${where}, ${date(call.at)}, ${time(call.at)}`),
    h("h1", { class: "receipt-title large" }, count),
    h("p", { class: "lead" }, "Every time somebody at our desk sees something about you, it is written down before they see it. This is what was written down on that call."));
}

function looks({ lines, call }) {
  if (!lines.length) return null;
  return h("section", { class: "receipt-panel", "aria-labelledby": "looks" },
    h("h2", { id: "looks" }, "Who looked, and at what"),
    h("ol", { class: "look-list" }, ...lines.map((line) => look(line, call.stores?.[line.store] ?? line.store))));
}

function look(line, store) {
  const what = line.kinds.map((kind) => KINDS[kind] ?? "other data").join(", ") || "the call";
  const why = REASONS[line.reason] ?? ACTIONS[line.action] ?? "for your case";
  return h("li", { class: "look" },
    h("time", { datetime: new Date(line.at * 1000).toISOString() }, time(line.at)),
    h("div", {}, h("p", { class: "look-what" }, capital(what)), h("p", { class: "look-why" }, `${ROLES[line.role] ?? "Staff"}, ${store || "our desk"} · ${why}`)));
}

function choices(receipt) {
  const panel = h("section", { class: "receipt-panel", "aria-labelledby": "choices" }, h("h2", { id: "choices" }, "What you allow"), h("p", { class: "receipt-note" }, "You get the same service either way. Change it here as often as you like."));
  const rows = h("div", { class: "choice-rows" }, ...receipt.choices.map(choiceRow));
  panel.append(rows);
  return panel;
}

function choiceRow(choice) {
  const state = h("span", { class: "switch-state", "aria-hidden": "true" });
  const button = h("button", { class: "switch", role: "switch", "aria-labelledby": `choice-${choice.purpose}`, onclick: () => choose(choice, draw, said, button) }, h("span", { class: "switch-knob", "aria-hidden": "true" }));
  const said = h("p", { class: "form-said", role: "alert" });
  const draw = () => {
    button.setAttribute("aria-checked", String(choice.given));
    state.textContent = choice.given ? "Allowed" : "Not allowed";
  };
  draw();
  return h("div", { class: "choice-row" }, h("p", { id: `choice-${choice.purpose}` }, choice.wording), h("div", { class: "choice-set" }, state, button), said);
}

async function choose(choice, draw, said, button) {
  button.disabled = true;
  said.textContent = "";
  try {
    const answer = await api.post(`${path}/choices`, { purpose: choice.purpose, given: !choice.given });
    choice.given = answer.choices.find((each) => each.purpose === choice.purpose).given;
    announce(choice.given ? "Allowed. Kept." : "Not allowed. Kept.");
  } catch {
    said.textContent = "This could not be kept. Nothing has changed. Try again in a moment.";
  }
  button.disabled = false;
  draw();
  button.focus();
}

function proof({ lines, ledger_key: key }) {
  if (!lines.length) return null;
  return h("section", { class: "receipt-panel quiet", "aria-labelledby": "proof" },
    h("h2", { id: "proof" }, icon("verified"), "Proof"),
    h("p", { class: "receipt-note" }, "Each line above stands in a log that nobody can quietly change, us included. The file holds a proof for every line; anybody can check it without asking us."),
    h("a", { class: "button", href: `${path}/file`, download: "receipt.json" }, "Save the file with its proofs"),
    h("details", { class: "proof-more" }, h("summary", {}, "Numbers of the entries"),
      h("p", {}, lines.map((line) => line.index).join(", ")), h("p", { class: "proof-key" }, `Key of the log: ${key}`)));
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const date = (at) => new Date(at * 1000).toLocaleDateString(undefined, { day: "numeric", month: "long", year: "numeric" });
const time = (at) => new Date(at * 1000).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

boot();
