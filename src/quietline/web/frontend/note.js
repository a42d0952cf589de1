// The note of a call: written by hand, saved on the agent's word only. Nothing of it is kept in the browser.
import { announce, h } from "./dom.js";
import { icon } from "./icons.js";
import { problemText } from "./words.js";

const LONGEST = 2_000; // characters, as on the server

export class Note {
  constructor({ host, api }) {
    Object.assign(this, { host, api, call: null });
  }

  /** The box stays through the call and its wrap-up, and goes when they are over. */
  follow(view) {
    const call = ["on_call", "wrap_up"].includes(view?.state) ? view.call : null;
    if (call === this.call) return;
    this.wipe();
    this.call = call;
    if (call) this.#draw();
  }

  wipe() {
    this.call = null;
    if (this.box) this.box.value = "";
    this.box = null;
    this.said = null;
    this.saved = "";
    this.host.replaceChildren();
  }

  #draw() {
    this.box = h("textarea", { id: "note", rows: "4", maxlength: String(LONGEST), autocomplete: "off", spellcheck: "false",
      placeholder: "What was agreed. No card numbers.", "aria-describedby": "note-hint", onkeydown: (event) => this.#key(event) });
    this.said = h("p", { class: "note-said", id: "note-hint" }, "Sealed with the customer when you save.");
    this.host.replaceChildren(
      h("label", { class: "overline", for: "note" }, "Note"),
      this.box,
      h("div", { class: "note-foot" }, this.said,
        h("button", { class: "button", onclick: () => this.save() }, "Save note", h("kbd", {}, "Ctrl Enter"))),
    );
  }

  #key(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    this.save();
  }

  /** The saved note of this call, for a page that was loaded anew. */
  recall(text) {
    if (!this.box || this.box.value) return;
    this.box.value = this.saved = text;
    this.#say("Saved and sealed.", "ok");
  }

  /** Whether something is written that was not saved. */
  get unsaved() {
    return Boolean(this.box?.value.trim()) && this.box.value.trim() !== this.saved;
  }

  /** True when saved; otherwise the page has said why. */
  async save() {
    const { call, box } = this;
    const text = box.value.trim();
    if (!text) {
      this.#say("There is nothing to save yet.", "");
      return false;
    }
    try {
      await this.api.post(`/api/calls/${call}/note`, { text });
      this.saved = text;
      if (this.call === call) this.#say("Saved and sealed.", "ok");
      return true;
    } catch (problem) {
      if (this.call === call) this.#say(problemText(problem), "bad");
      return false;
    }
  }

  #say(text, kind) {
    this.said.replaceChildren(kind === "ok" ? icon("check") : "", text);
    this.said.dataset.kind = kind;
    announce(text);
  }
}
