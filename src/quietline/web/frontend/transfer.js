// Handing the caller on: the list to choose from, and the word with a colleague. Names of colleagues, never of a customer.
import { h } from "./dom.js";
import { icon } from "./icons.js";

/** What stands under the controls of a call: nothing, the list, or the consultation. */
export function handover(state, act) {
  const { view, targets } = state;
  if (view.consult === "asked") return asked();
  if (view.consult) return consulting(view, act);
  return targets ? list(targets, act) : "";
}

export function transferButton({ view, targets }, act) {
  if (view.consult || view.callback) return "";
  return h("button", { class: "control wide", "data-focus": "transfer", "aria-expanded": String(Boolean(targets)), onclick: act.openTransfer },
    icon("out"), h("span", {}, "Transfer"), h("kbd", {}, "Alt T"));
}

function list({ queues, colleagues, problem }, act) {
  return h("section", { class: "transfer", "aria-label": "Transfer" },
    problem ? h("p", { class: "form-said", role: "alert" }, problem) : "",
    h("h2", { class: "overline" }, "Ready colleagues"),
    colleagues.length ? h("ul", {}, colleagues.map((each) => colleague(each, act))) : h("p", { class: "hint" }, "Nobody is ready."),
    h("h2", { class: "overline" }, "Queues"),
    h("ul", {}, queues.map((each) => queue(each, act))),
    h("button", { class: "button quiet", "data-focus": "transfer-close", onclick: act.closeTransfer }, "Keep the call"));
}

function colleague({ id, name }, act) {
  return h("li", {}, h("span", {}, name),
    h("button", { class: "button", "data-focus": `ask-${id}`, "aria-label": `Ask ${name} first`, onclick: () => act.consult(id) }, "Ask first"),
    h("button", { class: "button", "data-focus": `to-${id}`, "aria-label": `Transfer to ${name}`, onclick: () => act.transfer({ colleague: id }) }, "Transfer"));
}

function queue({ id, name }, act) {
  return h("li", {}, h("span", {}, name),
    h("button", { class: "button", "data-focus": `to-${id}`, "aria-label": `Transfer to ${name}`, onclick: () => act.transfer({ queue: id }) }, "Transfer"));
}

function consulting({ consult }, act) {
  const talking = consult === "talking";
  return h("section", { class: "transfer", "aria-label": "Consultation" },
    h("p", { class: "line-note", role: "status" }, icon("pause"), talking ? "You talk to your colleague. The caller hears music." : "Your colleague is rung. The caller hears music."),
    h("div", { class: "actions" },
      talking ? h("button", { class: "button primary", "data-focus": "complete", onclick: act.complete }, icon("out"), "Hand over") : "",
      h("button", { class: "button", "data-focus": "take-back", onclick: act.takeBack }, icon("play"), "Take the caller back")));
}

function asked() {
  return h("section", { class: "transfer", "aria-label": "Consultation" },
    h("p", { class: "line-note", role: "status" }, icon("headset"), "A colleague asks you about this caller, who hears music. The order opens if you take over."));
}
