// The sign-in page.
import { h } from "./dom.js";
import { mark } from "./icons.js";
import { problemText } from "./words.js";

/** `enter(login, password)` signs in or throws a Problem. */
export function signInPage(enter, notice) {
  const said = h("p", { class: "form-said", role: "alert" }, notice ?? "");
  const login = h("input", { id: "login", name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false", maxlength: "200" });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: "1000" });
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
      await enter(login.value.trim(), password.value);
    } catch (problem) {
      if (problem.code === "forged") return location.reload();
      said.textContent = problem.code === "unavailable" ? "Signing in is not possible right now. Try again shortly." : problemText(problem);
      password.focus();
    } finally {
      password.value = "";
      button.disabled = false;
    }
  }

  queueMicrotask(() => login.focus());
  return h("main", { class: "signin", id: "main" },
    h("div", { class: "signin-card" },
      h("div", { class: "brand" }, mark(), h("h1", { class: "brand-name" }, "Quietline")),
      h("p", { class: "signin-lead" }, "Just enough of the customer, for just as long as the call."),
      form));
}
