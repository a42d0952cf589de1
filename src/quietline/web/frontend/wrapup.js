// After the hang-up: the order reference and the note, nothing else.
import { h } from "./dom.js";
import { icon } from "./icons.js";

export class WrapUp {
  constructor({ host, api, onNote }) {
    Object.assign(this, { host, api, onNote, call: null });
  }

  follow(view) {
    const call = view?.state === "wrap_up" ? view.call : null;
    if (call === this.call) return;
    this.wipe();
    this.call = call;
    if (call) this.#load(call);
  }

  wipe() {
    this.call = null;
    this.host.replaceChildren();
  }

  async #load(call) {
    const kept = await this.api.get(`/api/calls/${call}/wrap-up`).catch(() => null);
    if (this.call !== call) return;
    if (kept?.note) this.onNote(kept.note);
    this.host.replaceChildren(h("div", { class: "order" },
      h("div", {}, h("p", { class: "overline" }, "Order"),
        h("p", { class: "reference", "data-value": "order.reference" }, kept?.order_reference || "No order")),
      h("p", { class: "closed" }, icon("lock"), kept ? "Everything else was closed when the call ended." : "The reference is not available right now.")));
  }
}
