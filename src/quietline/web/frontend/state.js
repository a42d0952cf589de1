// The page's state: one object, replaced as a whole; whoever listens draws from it. No customer value is ever in it.
export const PHONE_OFF = { status: "off", own: false, offer: false, talking: false, held: false, muted: false, sound: "ok" };

const START = {
  booted: false,
  session: null,
  view: null,
  skew: 0, // seconds our clock is behind the server's
  link: "connecting", // the event stream: connecting | open | lost
  controller: "ok",
  leader: false,
  phone: PHONE_OFF,
  microphone: { status: "unknown" },
  vault: "ok", // as our own requests found it
  wish: null, // "ready" while the checks run
  leaving: false, // whether a reason for being away is being chosen
  problem: null,
  targets: null, // to whom the call may be handed on, while the list is open
};

export class Store {
  constructor() {
    this.state = START;
    this.listeners = [];
  }

  listen(listener) {
    this.listeners.push(listener);
    return listener;
  }

  set(changes) {
    const before = this.state;
    this.state = { ...before, ...changes };
    for (const listener of this.listeners) listener(this.state, before);
  }

  reset(changes = {}) {
    this.set({ ...START, booted: true, ...changes });
  }
}

export const serverNow = (state) => Date.now() / 1000 + state.skew;

/** What the page is about: signed-out | idle | ringing | talking | wrap-up. */
export function mode(state) {
  if (!state.session) return "signed-out";
  switch (state.view?.state) {
    case "ringing":
      return "ringing";
    case "on_call":
      return "talking";
    case "wrap_up":
      return "wrap-up";
    default:
      return "idle";
  }
}

/** Whether calls ring at the agent's hardware phone, and not here. */
export const atDesk = (state) => state.phone.status === "desk";

export const vaultAway = (state) => state.view?.vault === "unavailable" || state.vault === "unavailable";

/** m:ss */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
