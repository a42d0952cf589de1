// The bar at the top, and the banners that say what is wrong.
import { h } from "./dom.js";
import { icon, mark } from "./icons.js";
import { mode, vaultAway } from "./state.js";
import { isDark, toggleTheme } from "./themes.js";
import { PHONE } from "./words.js";

const PRESENCE = { ready: "Ready", away: "Away", offline: "Away", ringing: "Ringing", on_call: "On a call", wrap_up: "Wrap-up" };

export const barKey = (state) => [state.session?.name, state.view?.state, state.phone.status, mode(state) === "talking"];

export function bar(state, act) {
  const { session, view, phone } = state;
  return [
    h("div", { class: "brand" }, mark(), h("span", { class: "brand-name" }, "Quietline")),
    h("div", { class: "bar-middle" },
      h("span", { class: "chip", "data-kind": view?.state ?? "offline" }, h("span", { class: "chip-dot", "aria-hidden": "true" }), PRESENCE[view?.state] ?? "Connecting"),
      h("span", { class: "chip plain", "data-kind": `phone-${phone.status}` }, icon("phone"), PHONE[phone.status])),
    h("div", { class: "bar-end" },
      session.role === "supervisor" && h("a", { class: "text-link", href: "/floor", "data-focus": "floor" }, "Live floor"),
      h("a", { class: "who", href: "/security", title: "My security", "data-focus": "security" }, session.name),
      themeButton(),
      h("button", { class: "icon-button", title: "Sign out", "aria-label": "Sign out", "data-focus": "sign-out", onclick: act.signOut }, icon("out"))),
  ];
}

export function themeButton() {
  const button = h("button", { class: "icon-button", title: "Light or dark", "aria-label": "Dark appearance", "data-focus": "theme",
    onclick: () => { toggleTheme(); draw(); } });
  const draw = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    button.replaceChildren(icon(isDark() ? "sun" : "moon"));
  };
  draw();
  return button;
}

export const bannersKey = (state) => [state.controller, state.link, vaultAway(state), state.phone.sound, state.phone.status, state.ringerBlocked, mode(state)];

/** Each says what is wrong, what still works, and what to do. */
export function banners(state, act) {
  const found = [];
  const busy = mode(state) !== "idle";
  if (state.link === "lost") found.push(banner("bad", "The desk lost its connection.", "A call in progress goes on. Reconnecting…"));
  else if (state.controller === "lost") found.push(banner("bad", "Call control does not answer.", "A call in progress goes on. Nothing has to be done; it is being restarted."));
  if (vaultAway(state)) {
    const text = busy ? "The call goes on. Nothing can be shown until it is back." : "Calls still arrive. Nothing can be shown until it is back.";
    found.push(banner("warn", "Customer data unavailable.", text));
  }
  if (state.phone.status === "lost") found.push(banner("warn", "Your phone lost its connection.", "It reconnects by itself within a few seconds."));
  if (state.phone.sound === "blocked" || state.ringerBlocked) {
    const button = h("button", { class: "button", onclick: act.unblock, "data-focus": "unblock" }, icon("sound"), "Turn sound on");
    found.push(banner("warn", "The browser blocks sound.", "You would not hear the ring or the caller.", button));
  }
  return found;
}

function banner(kind, title, text, action = "") {
  return h("div", { class: "banner", "data-kind": kind, role: "alert" }, icon("alert"), h("p", {}, h("strong", {}, title), " ", text), action);
}
