// The customer card: what is shown, what is masked, and the asking. It alone ever touches a customer's value, keeps it in its
// own part of the page and nowhere else, and lets go of everything in `wipe`.
import { Caller } from "./caller.js";
import { announce, h } from "./dom.js";
import { icon } from "./icons.js";
import { ASSURANCE, REASONS, WITHOUT, problemText, reasonLabel } from "./words.js";

const MASK = "•••";
const RETRY_MS = 3_000; // the vault is asked again while a call lacks its card

/** Why there is no card yet, or at all. */
function without({ vault, callback, consult }) {
  if (callback) return WITHOUT.callback;
  return WITHOUT[consult === "asked" ? "asked" : vault] ?? WITHOUT.unavailable;
}

export class Card {
  /** `host` is ours to draw in. `onVault` hears whether the vault answered. */
  constructor({ host, api, onVault, onVerify }) {
    Object.assign(this, { host, api, onVault, onVerify });
    this.call = null;
    this.over = null;
    this.caller = new Caller({ api, onChange: () => this.call && this.#load(true) });
  }

  /** Keep in step with the agent's view. Loads when a call begins, its assurance rises, or the vault is back. */
  follow(view) {
    const live = view?.state === "on_call" && view.call !== this.over ? view : null;
    if (!live) {
      this.wipe();
      return;
    }
    const key = `${live.call} ${live.assurance} ${live.vault} ${live.callback} ${live.consult}`;
    if (this.call !== live.call) this.wipe();
    this.topic = live.topic;
    if (this.key === key) return this.#drawVerify(live);
    Object.assign(this, { key, call: live.call, view: live });
    if (live.vault === "ok") this.#load();
    else if (!this.rows) this.#drawNote(without(live));
  }

  /** Every value leaves the page now, and no answer still under way will be drawn. */
  wipe() {
    if (!this.call && !this.host.firstChild) return;
    this.abort?.abort();
    clearTimeout(this.timer);
    this.caller.wipe();
    this.host.replaceChildren();
    Object.assign(this, { call: null, key: null, view: null, rows: null, abort: null, verify: null, reason: null });
  }

  /** This call is over, whatever a late answer says. */
  close(call) {
    this.over = call;
    this.wipe();
  }

  retry() {
    if (this.call) this.#load();
  }

  async #load(quietly = false) {
    this.abort?.abort();
    clearTimeout(this.timer);
    const { signal } = (this.abort = new AbortController());
    if (!this.rows && !quietly) this.#drawNote("Opening the order…");
    try {
      const about = this.reason ? `?reason=${this.reason}` : "";
      const card = await this.api.get(`/api/calls/${this.call}/card${about}`, { signal });
      if (signal.aborted) return;
      this.onVault("ok");
      this.#draw(card);
    } catch (problem) {
      if (!signal.aborted) this.#failed(problem);
    }
  }

  #failed(problem) {
    this.rows = null;
    if (problem.status === 0 || problem.status >= 500) this.#vaultAway();
    this.#drawNote(problemText(problem), h("button", { class: "button", onclick: () => this.retry() }, "Try again"));
  }

  /** Said until the vault answers again, which we ask. */
  #vaultAway() {
    this.onVault("unavailable");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.call && this.#load(true), RETRY_MS);
  }

  #drawNote(text, ...more) {
    this.host.replaceChildren(h("div", { class: "card-note" }, icon("lock", "large"), h("p", {}, text), ...more));
  }

  // -- drawing

  #draw(card) {
    const fields = new Map(card.fields.map((field) => [field.name, field]));
    const kept = this.rows ?? new Map();
    this.rows = new Map();
    this.verify = h("div", { class: "verify" });
    const known = card.known !== false && (fields.size > 0 || this.reason);
    const rest = card.fields.filter((field) => !isMinimum(field));
    const rows = rest.map((field) => this.#row(field, kept.get(field.name)));
    this.host.replaceChildren(
      known ? this.#order(fields, card.assurance) : this.#unknown(),
      this.verify,
      this.caller.host,
      known ? this.#about() : "",
      rows.length ? h("div", { class: "rows" }, rows) : "",
    );
    this.assurance = card.assurance;
    this.#drawVerify(this.view);
    this.caller.load(this.call);
  }

  #order(fields, assurance) {
    const value = (name) => (fields.get(name)?.state === "shown" ? fields.get(name).value : null);
    const items = (value("order.items") ?? "").split("\n").filter(Boolean);
    return h("div", { class: "order" },
      h("div", { class: "order-head" },
        h("div", {}, h("p", { class: "overline" }, "Order"),
          h("p", { class: "reference", "data-value": "order.reference" }, value("order.reference") ?? MASK)),
        badge(assurance)),
      h("p", { class: "order-status", "data-value": "order.status" }, value("order.status") ?? MASK),
      items.length ? h("ul", { class: "items", "data-value": "order.items" }, items.map((item) => h("li", {}, item))) : "");
  }

  /** What the call is about. Once it is chosen, the card holds only what that needs. */
  #about() {
    const options = [["", "not chosen yet: everything is listed"], ...REASONS].map(([code, label]) =>
      h("option", { value: code, selected: code === (this.reason ?? "") ? "" : null }, label));
    const chosen = (event) => {
      this.reason = event.target.value || null;
      this.#load(true).then(() => this.host.querySelector("#about")?.focus());
    };
    return h("div", { class: "about" },
      h("h2", { class: "overline" }, "More, when the call needs it"),
      h("label", { for: "about" }, "This call is about"),
      h("select", { id: "about", onchange: chosen }, options));
  }

  #unknown() {
    return h("div", { class: "order" },
      h("div", { class: "order-head" }, h("div", {}, h("p", { class: "overline" }, "Customer"),
        h("p", { class: "reference" }, "Not known")), badge(0)),
      h("p", { class: "order-status" }, "No customer record belongs to this call. Help as you would in the store."));
  }

  #drawVerify(view) {
    this.view = view;
    if (!this.verify) return;
    const drawn = `${view.verifying} ${view.assurance}`;
    if (this.verify.dataset.drawn === drawn) return;
    const focused = this.verify.contains(document.activeElement);
    if (this.verify.dataset.drawn && view.verifying === "failed") this.caller.load(view.call);
    this.verify.dataset.drawn = drawn;
    this.verify.replaceChildren(...verifyStrip(view, () => this.onVerify(view.call)));
    if (focused) this.verify.querySelector("button")?.focus();
  }

  #row(field, kept) {
    const row = kept ?? h("div", { class: "row", "data-field": field.name });
    this.rows.set(field.name, row);
    const busy = row.dataset.state === "open" || row.dataset.state === "asking";
    if (!busy || field.state === "refused") this.#drawClosed(row, field);
    return row;
  }

  #drawClosed(row, field, refusal = null) {
    row.dataset.state = field.state;
    row.replaceChildren(
      h("span", { class: "row-label" }, field.label),
      field.state === "refused" && !refusal ? refusedValue(field) : maskedValue(),
      h("span", { class: "row-action" }, this.#showButton(row, field)),
      refusal ? h("p", { class: "row-why", id: whyId(field), "data-refusal": field.name }, icon("lock"), refusal) : "",
    );
  }

  #showButton(row, field) {
    const props = { class: "button quiet", "data-show": field.name, onclick: () => this.#ask(row, field) };
    return h("button", { ...props, "aria-describedby": field.state === "refused" ? whyId(field) : null },
      icon("eye"), "Show", h("span", { class: "visually-hidden" }, ` ${field.label}`));
  }

  /** The reason picker: 1 to 5 choose and open at once, arrows and Enter as usual, Esc leaves. */
  #ask(row, field) {
    row.dataset.state = "asking";
    const allowed = (code) => !field.reasons?.length || field.reasons.includes(code);
    const first = allowed(this.topic) ? this.topic : REASONS.find(([code]) => allowed(code))?.[0];
    const choices = REASONS.map(([code, label], index) => choice(field, code, label, index, code === first, allowed(code)));
    const form = h("form", { class: "picker", onsubmit: (event) => this.#submit(event, row, field) },
      h("fieldset", {}, h("legend", {}, "Why is this needed?", h("span", { class: "visually-hidden" }, ` ${field.label}`)), h("div", { class: "choices" }, choices)),
      h("div", { class: "picker-actions" },
        h("button", { class: "button primary", type: "submit" }, icon("eye"), "Show and log"),
        h("button", { class: "button quiet", type: "button", onclick: () => this.#close(row, field) }, "Cancel")));
    form.addEventListener("keydown", (event) => this.#pickerKey(event, form, row, field));
    row.replaceChildren(h("span", { class: "row-label" }, field.label), form);
    (form.querySelector("input:checked") ?? form.querySelector("input")).focus();
  }

  #pickerKey(event, form, row, field) {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.#close(row, field);
      return;
    }
    const radio = form.querySelectorAll("input")[Number(event.key) - 1];
    if (!radio || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    radio.checked = true;
    form.requestSubmit();
  }

  #close(row, field, refusal = null) {
    this.#drawClosed(row, field, refusal);
    row.querySelector("button")?.focus();
  }

  #submit(event, row, field) {
    event.preventDefault();
    const reason = new FormData(event.target).get("reason");
    event.target.querySelectorAll("button, input").forEach((each) => (each.disabled = true));
    this.#open(row, field, reason);
  }

  async #open(row, field, reason) {
    const { call, abort } = this;
    try {
      const path = `/api/calls/${call}/fields/${field.name}`;
      const opened = await this.api.post(path, { reason }, { signal: abort.signal });
      if (this.call !== call) return;
      this.#drawOpen(row, field, opened.value, reason);
      announce(`${field.label} shown. Logged as ${reasonLabel(reason)}.`);
    } catch (problem) {
      if (this.call !== call || problem.name === "AbortError") return;
      if (problem.status >= 500) this.#vaultAway();
      this.#close(row, field, problemText(problem));
      announce(`${field.label} not shown. ${problemText(problem)}`);
    }
  }

  #drawOpen(row, field, value, reason) {
    row.dataset.state = "open";
    const hide = () => this.#close(row, { ...field, state: "masked" });
    row.replaceChildren(
      h("span", { class: "row-label" }, field.label),
      h("span", { class: "row-value", "data-value": field.name, tabindex: "-1" }, value),
      h("span", { class: "row-action" }, h("button", { class: "button quiet", onclick: hide }, "Hide", h("span", { class: "visually-hidden" }, ` ${field.label}`))),
      h("p", { class: "row-why logged" }, icon("check"), `Logged as ${reasonLabel(reason).toLowerCase()}. Closes when the call ends.`,
        h("button", { class: "button quiet", "data-mistake": field.name, onclick: () => this.#mistaken(row, field) }, "Opened by mistake")),
    );
    row.querySelector("button").focus();
  }

  /** Closed on the page first, then said to the vault: the value is gone even where the ledger is not. */
  async #mistaken(row, field) {
    this.#close(row, { ...field, state: "masked" });
    try {
      await this.api.post(`/api/calls/${this.call}/fields/${field.name}/mistake`);
      announce(`${field.label} closed. Logged as opened by mistake.`);
    } catch {
      announce(`${field.label} closed. That it was a mistake could not be logged.`, "alarm");
    }
  }
}

const isMinimum = (field) => ["order.reference", "order.status", "order.items"].includes(field.name);
const maskedValue = () => h("span", { class: "row-value masked" }, h("span", { "aria-hidden": "true" }, MASK), h("span", { class: "visually-hidden" }, "hidden"));
const refusedValue = (field) => h("span", { class: "row-value refused", id: whyId(field) }, icon("lock"), field.advice || "Not for this call.");
const whyId = (field) => `why-${field.name.replace(".", "-")}`;

function choice(field, code, label, index, checked, fits) {
  const id = `reason-${field.name.replace(".", "-")}-${index}`;
  return h("label", { class: "choice", for: id, "data-fits": String(fits) },
    h("input", { type: "radio", name: "reason", value: code, id, checked }),
    h("kbd", { "aria-hidden": "true" }, String(index + 1)), label);
}

function badge(assurance) {
  const level = Math.min(3, Math.max(0, assurance));
  return h("span", { class: "badge", "data-level": String(level) }, icon(level >= 2 ? "verified" : "shield"), ASSURANCE[level]);
}

/** The step-up: a keyed one-time code raises what policy may open (NIST SP 800-63B §5.1.3 for its limits). */
function verifyStrip(view, start) {
  const button = (label, kind = "") => h("button", { class: `button ${kind}`.trim(), onclick: start, "data-focus": "verify" }, label);
  if (view.assurance >= 2) {
    return view.verifying === "passed" ? [strip("verified", "Verified.", "The caller keyed in the code. Contact and delivery details can be shown.", null)] : [];
  }
  switch (view.verifying) {
    case "sent":
      return [strip("shield", "Code sent.", "Waiting for the caller to key it in. You will not hear the keys.", h("span", { class: "waiting", "aria-hidden": "true" }))];
    case "failed":
      return [strip("alert", "The code did not match.", "The caller may try again with a new one.", button("Send a new code", "primary"))];
    default:
      return [strip("shield", view.assurance ? "Known by number only." : "Not verified.", "Contact and delivery details need a code that the caller keys in.", button("Verify caller", "primary"))];
  }
}

function strip(name, title, text, action) {
  return h("div", { class: "strip", "data-kind": name }, icon(name), h("p", {}, h("strong", {}, title), " ", text), action ?? "");
}
