// Who is calling: what speaks for it, what is left to try, and what to say when it failed. It is told closed words and sends
// what the agent types; the answers on record never come here, and what was typed is gone once it was sent.
import { announce, h } from "./dom.js";
import { icon } from "./icons.js";
import { ATTESTATION, CALLER, problemText, reasonLabel } from "./words.js";

export class Caller {
  /** `onChange` hears that the caller is better known than before. */
  constructor({ api, onChange }) {
    Object.assign(this, { api, onChange, host: h("section", { class: "caller-proof", "aria-label": "Who is calling" }) });
  }

  /** Look anew. What is being typed stays. */
  async load(call) {
    if (this.call !== call) this.wipe();
    this.call = call;
    this.abort?.abort();
    const { signal } = (this.abort = new AbortController());
    try {
      const view = await this.api.get(`/api/calls/${call}/assurance`, { signal });
      if (!signal.aborted) this.#draw(view);
    } catch (problem) {
      if (!signal.aborted) this.host.replaceChildren(); // the card says what is wrong
    }
  }

  wipe() {
    this.abort?.abort();
    this.call = null;
    this.drawn = null;
    this.host.replaceChildren();
  }

  #draw(view) {
    const drawn = JSON.stringify(view);
    if (this.drawn === drawn && this.host.firstChild) return;
    this.drawn = drawn;
    const focus = this.host.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
    this.host.replaceChildren(...[
      view.failed && script(view.script),
      view.code.state === "contact-new" && line("alert", CALLER.contactNew, view.code.advice),
      view.helper.length && line("shield", CALLER.helper, `${CALLER.helperFor} ${view.helper.map(reasonLabel).join(", ")}.`),
      carrier(view.attestation),
      view.shared && !view.known && line("alert", CALLER.shared, CALLER.sharedHint),
      view.claims_left > 0 && this.#claim(view),
      view.questions.length > 0 && this.#question(view),
      this.#relay(view),
    ].filter(Boolean));
    if (focus) this.host.querySelector(`[data-focus="${focus}"]`)?.focus();
  }

  #claim(view) {
    const by = h("select", { id: "claim-by", name: "by" }, Object.entries(CALLER.by).map(([value, label]) => h("option", { value }, label)));
    const value = h("input", { id: "claim-value", name: "value", maxlength: "64", autocomplete: "off", required: true, "data-focus": "claim" });
    const send = () => this.#send("claim", { by: by.value, value: value.value }, value, CALLER.found);
    return form(send, CALLER.claim, [h("label", { for: "claim-by" }, CALLER.claimBy), by, h("label", { for: "claim-value" }, CALLER.claimValue), value],
      CALLER.find, `${view.claims_left} ${CALLER.triesLeft}`);
  }

  /** Typed blind: the field shows dots, and no answer is shown before or after. */
  #question(view) {
    const which = h("select", { id: "question", name: "question" }, view.questions.map(({ name, label }) => h("option", { value: name }, label)));
    const answer = h("input", { id: "answer", name: "answer", type: "password", maxlength: "128", autocomplete: "off", required: true, "data-focus": "answer-blind" });
    const send = () => this.#send("answer", { question: which.value, answer: answer.value }, answer, CALLER.right);
    return form(send, CALLER.question, [h("label", { for: "question" }, CALLER.ask), which, h("label", { for: "answer" }, CALLER.answer), answer],
      CALLER.compare, `${view.answers_left} ${CALLER.answersLeft}`);
  }

  #relay(view) {
    const toggle = () => this.#post("relayed", { relayed: !view.relayed }).then(() => this.load(this.call), (problem) => announce(problemText(problem)));
    return h("div", { class: "relay" },
      h("button", { class: "button quiet", "aria-pressed": String(view.relayed), "data-focus": "relayed", onclick: toggle }, CALLER.relayed),
      view.relayed ? h("p", { class: "hint" }, CALLER.relayedHint) : "");
  }

  async #send(route, body, input, said) {
    input.value = "";
    const { call } = this;
    try {
      await this.#post(route, body);
      announce(said);
      if (this.call === call) this.onChange();
    } catch (problem) {
      if (this.call !== call) return;
      announce(problemText(problem));
      await this.load(call);
      this.host.querySelector(`[data-said="${route}"]`)?.replaceChildren(problemText(problem));
    }
  }

  #post(route, body) {
    return this.api.post(`/api/calls/${this.call}/${route}`, body);
  }
}

function line(name, title, text) {
  return h("div", { class: "strip", "data-kind": name }, icon(name), h("p", {}, h("strong", {}, title), " ", text));
}

function script(lines) {
  return h("div", { class: "strip script", "data-kind": "alert", role: "status" }, icon("alert"),
    h("div", {}, h("p", {}, h("strong", {}, CALLER.failed)), h("ul", {}, lines.map((each) => h("li", {}, each)))));
}

/** The carrier's word on the number, as a grade; nothing where there is none. */
function carrier(word) {
  if (word === "absent") return null;
  const [grade, text] = ATTESTATION[word] ?? [CALLER.unsigned, `${CALLER.unsignedHint} (${word})`];
  return h("p", { class: "attested", "data-attestation": word }, icon(ATTESTATION[word] ? "check" : "alert"), h("strong", {}, grade), " ", text);
}

function form(send, title, fields, label, left) {
  const submit = (event) => (event.preventDefault(), send());
  const route = title === CALLER.claim ? "claim" : "answer";
  return h("form", { class: "proof", onsubmit: submit, "aria-label": title },
    h("p", { class: "overline" }, title), h("div", { class: "proof-fields" }, fields, h("button", { class: "button", type: "submit" }, label)),
    h("p", { class: "hint", "data-said": route }, left));
}
