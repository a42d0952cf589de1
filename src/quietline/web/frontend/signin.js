// The sign-in page.
import { h } from "./dom.js";
import { mark } from "./icons.js";
import { problemText } from "./words.js";

/** `enter(login, password, chosen)` signs in or throws a Problem; `chosen`: a new password, with a one-time word. */
export function signInPage(enter, notice) {
  const said = h("p", { class: "form-said", id: "signin-said", role: "alert" }, notice ?? "");
  const login = h("input", { id: "login", name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false", maxlength: "200" });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: "1000" });
  const chosen = h("input", { id: "chosen", name: "new-password", type: "password", autocomplete: "new-password", minlength: "12", maxlength: "1000", required: true, "aria-describedby": "signin-said" });
  const choosing = h("div", { class: "field" }, h("label", { for: "chosen" }, "New password"), chosen);
  const button = h("button", { class: "button primary wide", type: "submit" }, "Sign in");
  const form = h("form", { class: "signin-form", onsubmit: (event) => submit(event) },
    h("div", { class: "field" }, h("label", { for: "login" }, "Login"), login),
    h("div", { class: "field" }, h("label", { for: "password" }, "Password"), password),
    said, button);

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    said.textContent = "";
    try {
      await enter(login.value.trim(), password.value, chosen.value);
    } catch (problem) {
      if (problem.code === "forged") return location.reload();
      if (choose(problem)) return;
      said.textContent = problem.code === "unavailable" ? "Signing in is not possible right now. Try again shortly." : problemText(problem);
      forget();
      password.focus();
    } finally {
      button.disabled = false;
    }
  }

  /** A one-time word fits, and waits for a password of one's own: both are sent together. */
  function choose(problem) {
    if (problem.reason !== "choose-password") return false;
    said.textContent = problemText(problem);
    said.before(choosing);
    chosen.focus();
    return true;
  }

  function forget() {
    password.value = chosen.value = "";
    choosing.remove();
  }

  queueMicrotask(() => login.focus());
  return h("main", { class: "signin", id: "main" },
    h("div", { class: "signin-card" },
      h("div", { class: "brand" }, mark(), h("h1", { class: "brand-name" }, "Quietline")),
      h("p", { class: "signin-lead" }, "Just enough of the customer, for just as long as the call."),
      form));
}
