// My security: how one signs in, and where one is signed in. Every change asks for proof that is minutes old.
import { Api } from "./api.js";
import { themeButton } from "./bar.js";
import { announce, h } from "./dom.js";
import { icon, mark } from "./icons.js";
import { canPasskey, makePasskey, usePasskey } from "./passkeys.js";
import { signInPage } from "./signin.js";
import { problemText } from "./words.js";

const METHODS = { password: "password", totp: "app", recovery: "recovery code", passkey: "passkey", oidc: "your organisation", "oidc-second": "second factor there" };

const app = document.getElementById("app");
const api = new Api(document.querySelector('meta[name="csrf"]').content, () => leave("Your session has ended. Sign in again."));
let session = null;
let shown = null; // what stands in the page, once somebody is signed in

async function boot() {
  try {
    await begin(await api.get("/api/me"));
  } catch (problem) {
    leave(problem.status === 401 ? "" : problemText(problem));
  }
}

async function begin(found) {
  session = found;
  api.csrf = found.csrf;
  shown = { said: h("p", { class: "form-said", role: "alert", id: "security-said" }), panels: h("div", { class: "security-panels" }) };
  const main = h("main", { class: "security", id: "main", tabindex: "-1" }, h("h1", { class: "security-title" }, "My security"), needed(), shown.said, shown.panels);
  app.replaceChildren(bar(), main);
  await draw();
}

function leave(notice) {
  session = shown = api.csrf = null;
  app.replaceChildren(signInPage(api, begin, notice));
}

function bar() {
  return h("header", { class: "bar" },
    h("div", { class: "brand" }, mark(), h("span", { class: "brand-name" }, "Quietline")),
    h("div", { class: "bar-middle" }),
    h("div", { class: "bar-end" },
      h("a", { class: "text-link", href: "/" }, "My desk"),
      h("span", { class: "who" }, session.name),
      themeButton(),
      h("button", { class: "icon-button", title: "Sign out", "aria-label": "Sign out", onclick: signOut }, icon("out"))));
}

function needed() {
  if (session.second !== "set-up") return "";
  return h("div", { class: "banner", "data-kind": "warn" }, icon("shield"),
    h("p", {}, h("strong", {}, "Set up a second factor."), " Your role decides about other people’s data: it needs a passkey or an authenticator app."));
}

async function draw(codes = []) {
  const [factors, { sessions }] = await Promise.all([api.get("/api/me/factors"), api.get("/api/me/sessions")]);
  shown.panels.replaceChildren(...[codes.length && codesPanel(codes), passkeysPanel(factors), appPanel(factors), recoveryPanel(factors), passwordPanel(), sessionsPanel(sessions)].filter(Boolean));
}

// -- panels

function panel(name, title, lead, ...children) {
  return h("section", { class: "security-panel", "aria-labelledby": `${name}-title` },
    h("h2", { id: `${name}-title` }, title), lead && h("p", { class: "security-lead" }, lead), ...children);
}

function codesPanel(codes) {
  return panel("codes", "Your recovery codes", "Each signs you in once, in place of the app or the passkey. Print them or write them down now: they are not shown again.",
    h("ul", { class: "codes" }, codes.map((code) => h("li", {}, code))),
    h("div", { class: "actions" }, h("button", { class: "button primary", type: "button", id: "codes-kept", onclick: () => act(async () => []) }, icon("check"), "I have kept them")));
}

function passkeysPanel({ passkeys }) {
  const label = h("input", { id: "label", maxlength: "40", placeholder: "Such as: my laptop", autocomplete: "off" });
  const add = h("button", { class: "button primary", type: "button", id: "add-passkey", onclick: () => act(() => addPasskey(label.value)) }, icon("lock"), "Add a passkey");
  return panel("passkeys", "Passkeys", "A passkey stays in your device or security key, and opens with your finger, face or PIN. It replaces the password, and cannot be phished.",
    passkeys.length > 0 && h("ul", { class: "security-list" }, passkeys.map((each) => h("li", {},
      h("div", {}, h("strong", {}, each.label), h("span", {}, `Added ${day(each.made)}${each.used ? `, last used ${day(each.used)}` : ", not used yet"}`)),
      remove(`Remove passkey ${each.label}`, () => api.delete(`/api/me/passkeys/${encodeURIComponent(each.id)}`))))),
    canPasskey()
      ? h("div", { class: "security-add" }, h("div", { class: "field" }, h("label", { for: "label" }, "Name of the new passkey"), label), add)
      : h("p", {}, "This browser knows no passkeys."));
}

function appPanel({ app: since }) {
  return panel("app", "Authenticator app", "Six digits that change every half minute, beside your password.",
    since
      ? h("ul", { class: "security-list" }, h("li", {}, h("div", {}, h("strong", {}, "Set up"), h("span", {}, `Since ${day(since)}`)), remove("Remove the authenticator app", () => api.delete("/api/me/app"))))
      : h("div", { class: "actions" }, h("button", { class: "button", type: "button", id: "add-app", onclick: () => act(beginApp) }, icon("phone"), "Set up an app")));
}

function recoveryPanel({ recovery, passkeys, app: since }) {
  if (!passkeys.length && !since) return "";
  return panel("recovery", "Recovery codes", `${recovery} of 10 are left. New ones make the old ones void.`,
    h("div", { class: "actions" }, h("button", { class: "button", type: "button", id: "new-codes", onclick: () => act(async () => (await api.post("/api/me/recovery")).codes) }, "Make new codes")));
}

function passwordPanel() {
  const chosen = h("input", { id: "new-password", type: "password", autocomplete: "new-password", minlength: "12", maxlength: "1000", required: true });
  const form = h("form", { class: "security-add", onsubmit: (event) => { event.preventDefault(); act(async () => { await api.post("/api/me/password", { password: chosen.value }); announce("Your password is changed."); return []; }); } },
    h("div", { class: "field" }, h("label", { for: "new-password" }, "New password"), chosen),
    h("button", { class: "button", type: "submit" }, "Change it"));
  return panel("password", "Password", "12 characters or more. Everywhere else you are signed out.", form);
}

function sessionsPanel(sessions) {
  const rows = sessions.map((each) => h("li", {},
    h("div", {},
      h("strong", {}, each.own ? "This browser" : `Signed in ${moment(each.opened)}`),
      h("span", {}, `With ${each.methods.map((word) => METHODS[word] ?? word).join(" and ")}; last seen ${moment(each.seen)}`)),
    each.own ? h("span", { class: "badge", "data-level": "2" }, "Now") : remove("End this session", () => api.delete(`/api/me/sessions/${each.id}`), "End")));
  return panel("sessions", "Where you are signed in", "",
    h("ul", { class: "security-list" }, rows),
    sessions.length > 1 && h("div", { class: "actions" }, h("button", { class: "button", type: "button", onclick: () => act(async () => { await api.delete("/api/me/sessions"); return []; }) }, "End all others")));
}

function remove(label, how, word = "Remove") {
  return h("button", { class: "button quiet", type: "button", "aria-label": label, onclick: () => act(async () => { await how(); return []; }) }, word);
}

// -- acts

/** `how` answers with recovery codes to show, or with null where it drew the page itself. Old proof is renewed on the way. */
async function act(how) {
  shown.said.textContent = "";
  try {
    const codes = await renewed(how);
    if (codes && shown) await draw(codes);
  } catch (problem) {
    if (shown) shown.said.textContent = problemText(problem);
  }
}

async function renewed(how) {
  try {
    return await how();
  } catch (problem) {
    if (problem.reason !== "step-up-needed") throw problem;
    await stepUp();
    return how();
  }
}

async function addPasskey(label) {
  const answer = await makePasskey(await api.post("/api/me/passkeys/options"));
  return (await api.post("/api/me/passkeys", { answer, label })).codes;
}

async function beginApp() {
  const { secret, address } = await api.post("/api/me/app");
  const code = h("input", { id: "app-code", inputmode: "numeric", autocomplete: "one-time-code", maxlength: "12", required: true });
  const form = h("form", { class: "security-add", onsubmit: (event) => { event.preventDefault(); act(async () => (await api.post("/api/me/app/confirm", { code: code.value })).codes); } },
    h("div", { class: "field" }, h("label", { for: "app-code" }, "Code that the app shows"), code),
    h("button", { class: "button primary", type: "submit" }, "Confirm"));
  shown.panels.prepend(panel("app-new", "Set up the app", "Type this key into your authenticator app, then the code that it shows.",
    h("p", { class: "secret", id: "secret" }, secret.match(/.{1,4}/g).join(" ")),
    h("p", {}, h("a", { class: "text-link", href: address }, "Open the app on this device")), form));
  code.focus();
  return null;
}

/** Prove it again: with a passkey where there is one, else with the password and a code. */
async function stepUp() {
  const { passkey, code } = await api.post("/api/me/step-up/options");
  if (passkey.challenge && canPasskey()) {
    return api.post("/api/me/step-up", { answer: await usePasskey(passkey) });
  }
  return ask(code);
}

function ask(withCode) {
  const password = h("input", { id: "again", type: "password", autocomplete: "current-password", maxlength: "1000", required: true });
  const code = h("input", { id: "again-code", autocomplete: "one-time-code", maxlength: "40", required: true });
  const said = h("p", { class: "form-said", role: "alert" });
  return new Promise((done, failed) => {
    const close = () => { dialog.close(); dialog.remove(); };
    const submit = async (event) => {
      event.preventDefault();
      try {
        await api.post("/api/me/step-up", { password: password.value, ...(withCode && { code: code.value }) });
        close();
        done();
      } catch (problem) {
        said.textContent = problemText(problem);
      }
    };
    const cancel = () => { close(); failed({ advice: "Nothing was changed." }); };
    const dialog = h("dialog", { class: "security-dialog", "aria-labelledby": "again-title", oncancel: cancel },
      h("form", { class: "signin-form", onsubmit: submit },
        h("h2", { id: "again-title" }, "Is it still you?"),
        h("div", { class: "field" }, h("label", { for: "again" }, "Password"), password),
        withCode && h("div", { class: "field" }, h("label", { for: "again-code" }, "Code"), code),
        said,
        h("div", { class: "actions" },
          h("button", { class: "button primary", type: "submit" }, "Go on"),
          h("button", { class: "button", type: "button", onclick: cancel }, "Cancel"))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function signOut() {
  await api.delete("/api/session").catch(() => null); // it ends here in any case
  leave("");
}

const day = (seconds) => new Date(seconds * 1000).toLocaleDateString();
const moment = (seconds) => new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

boot();
