// The left of the desk: what the agent's phone is doing, and the few things to do about it.
import { h, svg } from "./dom.js";
import { icon } from "./icons.js";
import { atDesk, mode } from "./state.js";
import { handover, transferButton } from "./transfer.js";
import { AWAY, AWAY_REASONS, CLASSES } from "./words.js";

const KEY = "kbd";
const RING = 2 * Math.PI * 54;

/** What the drawing depends on; nothing else makes it new. */
export function stageKey(state) {
  const { view, phone, wish, leaving, microphone, problem, leader, ringerBlocked } = state;
  const ofCall = [view?.call, view?.alias, view?.queue, view?.deadline, view?.callback, view?.consult, state.targets];
  return [mode(state), view?.state, view?.since, view?.reason, view?.lapsed, ofCall, phone, wish, leaving, microphone, problem, leader, ringerBlocked];
}

export function stage(state, act) {
  switch (mode(state)) {
    case "ringing":
      return ringing(state, act);
    case "talking":
      return talking(state, act);
    case "wrap-up":
      return wrapUp(state, act);
    default:
      return idle(state, act);
  }
}

function idle(state, act) {
  const ready = state.view?.state === "ready";
  return h("div", { class: "idle", "data-ready": String(ready) },
    h("div", { class: "halo", "aria-hidden": "true" }, h("span"), icon("headset", "huge")),
    h("h1", { class: "display" }, ready ? "Ready" : "Away"),
    h("p", { class: "lead" }, ready ? "The next caller is yours. Keep this page open." : awayText(state)),
    h("div", { class: "actions center" }, readyButton(state, ready, act)),
    state.problem ? h("p", { class: "form-said", role: "alert" }, state.problem) : "",
    state.phone.own && !ready ? line(state, act) : "",
    checks(state),
    lapsed(state.view));
}

function awayText({ view }) {
  return AWAY[view?.reason] ?? "No calls are offered to you.";
}

function readyButton(state, ready, act) {
  if (ready) return state.leaving ? reasons(act) : leaveButton(act);
  const checking = state.wish === "ready";
  const props = { class: "button large primary", "data-focus": "presence", onclick: act.ready, "aria-disabled": checking ? "true" : null };
  return h("button", props, icon("check"), checking ? "Checking your phone…" : "Go ready");
}

const leaveButton = (act) => h("button", { class: "button large", "data-focus": "presence", onclick: () => act.leave(true) }, icon("pause"), "Go away");

/** Why: the supervisor's view shows it, and reports count it. */
function reasons(act) {
  const key = (event) => event.key === "Escape" && (event.stopPropagation(), act.leave(false));
  return h("div", { class: "actions center", role: "group", "aria-label": "Why are you away?", onkeydown: key },
    AWAY_REASONS.map(([reason, label], place) => h("button", { class: "button", "data-focus": place ? `away-${reason}` : "presence", onclick: () => act.away(reason) }, label)),
    h("button", { class: "button quiet", onclick: () => act.leave(false) }, "Stay ready"));
}

/** Where calls ring: only for who has a hardware phone, and only between calls. */
function line(state, act) {
  const chosen = atDesk(state) ? "desk" : "tab";
  const choice = ([where, picture, label]) =>
    h("label", { class: "choice" },
      h("input", { type: "radio", name: "line", value: where, "data-focus": `line-${where}`, checked: where === chosen, onchange: () => act.ringAt(where) }),
      icon(picture), label);
  return h("fieldset", { class: "line" }, h("legend", {}, "Calls ring"),
    h("div", { class: "choices" }, [["tab", "headset", "In this tab"], ["desk", "phone", "On my desk phone"]].map(choice)));
}

function checks(state) {
  if (atDesk(state)) return h("dl", { class: "checks" }, check("phone", "Phone", ["ok", "Your desk phone"]));
  const { microphone, phone, leader, ringerBlocked } = state;
  const mic = { unknown: ["idle", "Checked when you go ready"], ok: ["ok", microphone.label || "Works"] }[microphone.status];
  const line = { ready: ["ok", leader ? "Registered in this tab" : "Registered in another tab"], refused: ["bad", "Refused. Trying again"],
    lost: ["bad", "Reconnecting"], connecting: ["idle", "Connecting"], off: ["idle", "Not connected"] }[phone.status];
  return h("dl", { class: "checks" },
    check("mic", "Microphone", mic ?? ["bad", microphone.status]),
    check("phone", "Phone", line),
    check("sound", "Sound", ringerBlocked ? ["bad", "Blocked until you click"] : ["ok", "On"]));
}

function check(name, label, [kind, text]) {
  return h("div", { class: "check", "data-kind": kind }, icon(name), h("dt", {}, label), h("dd", {}, text));
}

function lapsed(view) {
  if (!view?.lapsed?.length) return "";
  const classes = view.lapsed.map((each) => CLASSES[each] ?? each).join(", ");
  return h("p", { class: "hint" }, icon("alert"), `Your certificate for ${classes} has lapsed, so such calls are not offered. Ask your supervisor for the course.`);
}

function ringing(state, act) {
  const { view, phone } = state;
  return h("div", { class: "ringing", role: "group", "aria-label": "Incoming call" },
    h("div", { class: "countdown" }, ring(view), h("span", { class: "countdown-text", "data-left": String(view.deadline) })),
    h("p", { class: "overline" }, view.queue),
    h("h1", { class: "display" }, view.alias),
    atDesk(state) ? h("p", { class: "lead" }, "Pick up your desk phone.") : answerOrDecline(act),
    h("p", { class: "hint" }, ringingHint(view, phone)));
}

const answerOrDecline = (act) => h("div", { class: "actions center" },
  h("button", { class: "button large primary", "data-focus": "answer", id: "answer", onclick: act.answer }, icon("phone"), "Answer", h(KEY, {}, "Enter")),
  h("button", { class: "button large", "data-focus": "decline", onclick: act.decline }, "Decline", h(KEY, {}, "Esc")));

function ringingHint(view, phone) {
  if (view.callback) return "A callback: the customer is rung once you answer.";
  if (view.consult) return "A colleague asks you about a caller.";
  return phone.offer || phone.talking || phone.status === "desk" ? "The order appears when you answer." : "Your phone is being rung…";
}

function ring(view) {
  const circle = (name) => svg("circle", { cx: "60", cy: "60", r: "54", class: name });
  const arc = circle("arc");
  arc.setAttribute("stroke-dasharray", String(RING));
  arc.dataset.arc = `${view.since} ${view.deadline}`;
  return svg("svg", { viewBox: "0 0 120 120", class: "ring", "aria-hidden": "true" }, circle("track"), arc);
}

/** Called by the ticker: how much of the ring is left. */
export function drawArc(arc, now) {
  const [since, deadline] = arc.dataset.arc.split(" ").map(Number);
  const left = Math.min(1, Math.max(0, (deadline - now) / Math.max(1, deadline - since)));
  arc.setAttribute("stroke-dashoffset", String(RING * (1 - left)));
}

function caller(view, what, more) {
  return h("div", { class: "caller" }, h("p", { class: "overline" }, what), h("h1", { class: "alias" }, view.alias), h("p", { class: "queue" }, view.queue), more);
}

function talking(state, act) {
  const { view, phone } = state;
  const desk = atDesk(state);
  const note = view.callback ? "Ringing the customer…" : desk ? "On your desk phone. Mute and hold are there." : phone.held ? "On hold. The caller hears music." : phone.muted ? "You are muted." : phone.talking ? "Connected, encrypted." : "Connecting the audio…";
  return h("div", { class: "talking" },
    caller(view, view.callback ? "Callback" : view.consult === "asked" ? "Asked by a colleague" : "On a call", h("p", { class: "timer", "data-since": String(view.since), role: "timer" })),
    h("p", { class: "line-note", "data-held": String(phone.held || phone.muted) }, icon(phone.held ? "pause" : "lock"), note),
    h("div", { class: "controls" },
      !desk && toggle("mute", phone.muted ? "muted" : "mic", phone.muted ? "Unmute" : "Mute", phone.muted, "Alt M", () => act.mute(!phone.muted)),
      !desk && toggle("hold", phone.held ? "play" : "pause", phone.held ? "Resume" : "Hold", phone.held, "Alt H", () => act.hold(!phone.held)),
      transferButton(state, act),
      h("button", { class: "control danger", "data-focus": "hang-up", onclick: act.hangUp }, icon("end"), h("span", {}, "Hang up"), h(KEY, {}, "Alt X"))),
    handover(state, act));
}

function toggle(name, picture, label, pressed, key, onclick) {
  return h("button", { class: "control", "data-focus": name, "aria-pressed": String(pressed), onclick }, icon(picture), h("span", {}, label), h(KEY, {}, key));
}

function wrapUp({ view }, act) {
  return h("div", { class: "talking" },
    caller(view, "Wrap-up", h("p", { class: "timer", "data-left": String(view.deadline), role: "timer" })),
    h("p", { class: "line-note" }, icon("lock"), "The customer's details are closed."),
    h("button", { class: "button large primary wide", "data-focus": "done", id: "done", onclick: act.done }, icon("check"), "Done"),
    h("p", { class: "hint" }, "You are ready again when the time is up."));
}
