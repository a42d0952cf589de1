// The event stream, kept open. Each `state` event is the whole view, so nothing has to be caught up after a break.
const FIRST_RETRY = 500;
const LAST_RETRY = 5_000;

export class Events {
  constructor({ onState, onFault, onLink, onEnd, stillSignedIn }) {
    Object.assign(this, { onState, onFault, onLink, onEnd, stillSignedIn });
    this.retry = FIRST_RETRY;
  }

  start() {
    this.source = new EventSource("/api/events");
    this.source.addEventListener("open", () => {
      this.retry = FIRST_RETRY;
      this.onLink("open");
    });
    this.source.addEventListener("state", (event) => this.onState(JSON.parse(event.data)));
    this.source.addEventListener("fault", (event) => this.onFault(JSON.parse(event.data)));
    this.source.addEventListener("end", () => this.#ended());
    this.source.addEventListener("error", () => this.#broke());
  }

  stop() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  #ended() {
    this.stop();
    this.#again();
  }

  #broke() {
    this.stop();
    this.onLink("lost");
    this.#again();
  }

  /** Comes back after a while, unless the session is what ended. */
  #again() {
    this.timer = setTimeout(async () => {
      if (await this.stillSignedIn()) this.start();
      else this.onEnd();
    }, this.retry);
    this.retry = Math.min(LAST_RETRY, this.retry * 2);
  }
}
