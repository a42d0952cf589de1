// The sign-in page: a password, with the code of a second factor where there is one; a passkey; an identity provider.
import { h } from "./dom.js";
import { icon, mark } from "./icons.js";
import { canPasskey, usePasskey } from "./passkeys.js";
import { problemText } from "./words.js";

const CAME_BACK = { refused: "Sign-on was refused. Ask your administrator whether your account is linked.", unavailable: "Sign-on is not possible right now. Try again shortly." };

/** `begin(session)` is called once somebody has signed in. */
export function signInPage(api, begin, notice) {
  const said = h("p", { class: "form-said", id: "signin-said", role: "alert" }, notice || cameBack());
  const login = h("input", { id: "login", name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false", maxlength: "200" });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: "1000" });
  const chosen = h("input", { id: "chosen", name: "new-password", type: "password", autocomplete: "new-password", minlength: "12", maxlength: "1000", required: true, "aria-describedby": "signin-said" });
  const code = h("input", { id: "code", name: "code", autocomplete: "one-time-code", autocapitalize: "characters", spellcheck: "false", maxlength: "40", required: true, "aria-describedby": "signin-said" });
  const choosing = field("chosen", "New password", chosen);
  const proving = field("code", "Code", code);
  const button = h("button", { class: "button primary wide", type: "submit" }, "Sign in");
  const others = otherWays();
  const form = h("form", { class: "signin-form", onsubmit: (event) => submit(event) },
    field("login", "Login", login), field("password", "Password", password), said, button);

  function otherWays() {
    return [
      canPasskey() && h("button", { class: "button wide", type: "button", id: "passkey", onclick: () => tried(withPasskey) }, icon("lock"), "Use a passkey"),
      document.querySelector('meta[name="sign-on"]') && h("button", { class: "button wide", type: "button", id: "sign-on", onclick: () => tried(withProvider) }, icon("out"), "Sign on with your organisation"),
    ].filter(Boolean);
  }

  async function submit(event) {
    event.preventDefault();
    await tried(withPassword);
  }

  async function tried(way) {
    for (const each of [button, ...others]) each.disabled = true;
    said.textContent = "";
    try {
      await way();
    } catch (problem) {
      if (problem.code === "forged") return location.reload();
      if (asksFor(problem)) return;
      said.textContent = problem.code === "unavailable" ? "Signing in is not possible right now. Try again shortly." : problemText(problem);
      if (problem.reason === "proof-refused") return again();
      if (way === withPassword) forget();
    } finally {
      for (const each of [button, ...others]) each.disabled = false;
    }
  }

  async function withPassword() {
    const more = { ...(chosen.value && { new_password: chosen.value }), ...(code.value && { code: code.value }) };
    await begin(await api.post("/api/session", { login: login.value.trim(), password: password.value, ...more }));
  }

  async function withPasskey() {
    const answer = await usePasskey(await api.post("/api/passkey/options"));
    await begin(await api.post("/api/passkey/session", { answer }));
  }

  async function withProvider() {
    location.assign((await api.post("/api/sign-on")).address);
  }

  /** The password fits, and something goes with it: a password of one's own, a code. All is sent together. */
  function asksFor(problem) {
    const asked = { "choose-password": [choosing, chosen], "second-factor": [proving, code] }[problem.reason];
    if (!asked) return false;
    said.textContent = problemText(problem);
    said.before(asked[0]);
    asked[1].focus();
    return true;
  }

  function again() {
    code.value = "";
    code.focus();
  }

  function forget() {
    password.value = chosen.value = code.value = "";
    choosing.remove();
    proving.remove();
    password.focus();
  }

  queueMicrotask(() => login.focus());
  return h("main", { class: "signin", id: "main" },
    h("div", { class: "signin-card" },
      h("div", { class: "brand" }, mark(), h("h1", { class: "brand-name" }, "Quietline")),
      h("p", { class: "signin-lead" }, "Just enough of the customer, for just as long as the call."),
      form,
      others.length > 0 && h("div", { class: "signin-others" }, h("p", { class: "signin-or" }, "or"), ...others)));
}

function field(name, label, input) {
  return h("div", { class: "field" }, h("label", { for: name }, label), input);
}

/** What the identity provider's way back says in the address; it is taken out of there. */
function cameBack() {
  const word = new URLSearchParams(location.search).get("sign-on");
  if (word) history.replaceState(null, "", location.pathname);
  return CAME_BACK[word] ?? "";
}
