// Several tabs of one agent: the holder of a Web Lock is the leader. It alone has the phone and the event stream, and tells
// the others; they send it what the agent does to the phone. Nothing of a customer's travels here.
export class Tabs {
  constructor(agent, { onLead, onMessage }) {
    this.name = `quietline-desk-${agent}`;
    this.onLead = onLead;
    this.onMessage = onMessage;
    this.channel = new BroadcastChannel(this.name);
    this.channel.onmessage = (event) => this.onMessage(event.data);
    this.closing = new AbortController();
  }

  start() {
    const waiting = { signal: this.closing.signal };
    navigator.locks.request(this.name, waiting, () => this.#lead()).catch((error) => {
      if (error.name !== "AbortError") throw error;
    });
    this.tell({ kind: "hello" });
  }

  #lead() {
    this.onLead();
    return new Promise((resolve) => {
      this.release = resolve;
    });
  }

  tell(message) {
    this.channel?.postMessage(message);
  }

  stop() {
    this.closing.abort();
    this.release?.();
    this.channel?.close();
    this.channel = null;
  }
}
