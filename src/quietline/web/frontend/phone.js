// The softphone: JsSIP over WSS, DTLS-SRTP to the relay. It answers on the agent's word only.
import JsSIP from "jssip";
import { PHONE_OFF } from "./state.js";

JsSIP.debug.disable();

const REGISTER_SECONDS = 90;
const RETRIES = [1, 2, 3, 5, 10]; // seconds after a refused registration: below the edge's lock-out of 20 in 120 s
const GATHER_MS = 400; // ICE: after a candidate, how long to wait for more (RFC 8445 §6.1.1 leaves it to us)
const RELAY_MS = 2_000; // the same while a TURN server has not given its candidate: over TLS that takes a second or so
const ANSWER_WAIT_MS = 3_000; // the state may tell of a call before its INVITE arrives

export class Phone {
  /** `credential` fetches /api/phone; `onChange` hears every change of `status`. */
  constructor({ credential, onChange }) {
    this.credential = credential;
    this.onChange = onChange;
    this.status = PHONE_OFF;
    this.refusals = 0;
    this.audio = new Audio();
    this.audio.autoplay = true;
  }

  async start() {
    this.stopped = false;
    this.#change({ status: "connecting" });
    try {
      this.settings = await this.credential();
    } catch {
      this.#change({ status: "lost" });
      this.#later(() => this.start());
      return;
    }
    if (this.stopped) return;
    const { kind, own } = this.settings;
    this.#change({ own });
    if (kind === "lasting") this.#change({ status: "desk" }); // calls ring at the hardware phone: nothing to register
    else this.#connect();
  }

  /** Another choice of where calls ring. The switch stays on the page meanwhile. */
  restart() {
    this.stop(this.status.own);
    this.start();
  }

  stop(own = false) {
    this.stopped = true;
    clearTimeout(this.timer);
    this.session?.terminate();
    this.ua?.stop();
    this.ua = null;
    this.#change({ ...PHONE_OFF, own });
  }

  #connect() {
    const { user, password, realm, socket } = this.settings;
    this.ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(socket)],
      uri: `sip:${user}@${realm}`,
      authorization_user: user,
      password,
      realm,
      register_expires: REGISTER_SECONDS,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 4,
      user_agent: "Quietline desk",
    });
    this.ua.on("registered", () => this.#registered());
    this.ua.on("registrationFailed", () => this.#refused());
    this.ua.on("disconnected", () => this.#change({ status: this.stopped ? "off" : "lost" }));
    this.ua.on("newRTCSession", ({ session, originator }) => originator === "remote" && this.#incoming(session));
    this.ua.start();
  }

  #registered() {
    this.refusals = 0;
    this.#change({ status: "ready" });
  }

  /** An edge that restarted forgot us for a moment: the credential is pushed again, so we ask for it and try again. */
  #refused() {
    if (this.stopped || !this.ua?.isConnected()) return;
    this.#change({ status: "refused" });
    this.#later(() => {
      this.ua?.stop();
      this.start();
    });
  }

  #later(action) {
    clearTimeout(this.timer);
    const seconds = RETRIES[Math.min(this.refusals, RETRIES.length - 1)];
    this.refusals += 1;
    this.timer = setTimeout(() => !this.stopped && action(), seconds * 1000);
  }

  #incoming(session) {
    if (this.session) {
      session.terminate({ status_code: 486 });
      return;
    }
    this.session = session;
    session.on("accepted", () => this.#change({ offer: false, talking: true }));
    session.on("hold", ({ originator }) => originator === "local" && this.#change({ held: true }));
    session.on("unhold", ({ originator }) => originator === "local" && this.#change({ held: false }));
    session.on("icecandidate", ({ candidate, ready }) => this.#gathered(candidate, ready));
    session.on("peerconnection", ({ peerconnection }) => this.#hear(peerconnection));
    session.on("ended", () => this.#over(session));
    session.on("failed", () => this.#over(session));
    this.#change({ offer: true });
    if (this.wanted && Date.now() < this.wanted) this.answer();
  }

  #gathered(candidate, ready) {
    clearTimeout(this.gathering);
    this.relayed ||= candidate.type === "relay";
    const more = this.settings.ice_servers?.length && !this.relayed;
    this.gathering = setTimeout(ready, more ? RELAY_MS : GATHER_MS);
  }

  #hear(connection) {
    connection.addEventListener("track", ({ track, streams }) => {
      this.audio.srcObject = streams[0] ?? new MediaStream([track]);
      this.unblock();
    });
  }

  #over(session) {
    if (this.session !== session) return;
    this.session = null;
    this.audio.srcObject = null;
    this.#change({ offer: false, talking: false, held: false, muted: false, sound: "ok" });
  }

  /** Play what arrives; browsers may refuse that until the person has touched the page. */
  async unblock() {
    if (!this.audio.srcObject) return;
    try {
      await this.audio.play();
      this.#change({ sound: "ok" });
    } catch (error) {
      if (error.name === "NotAllowedError") this.#change({ sound: "blocked" });
    }
  }

  answer() {
    if (!this.session) {
      this.wanted = Date.now() + ANSWER_WAIT_MS;
      return;
    }
    this.wanted = 0;
    if (this.session.isEstablished() || this.answering === this.session) return;
    this.answering = this.session;
    this.relayed = false;
    this.session.answer({
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers: this.settings.ice_servers, rtcpMuxPolicy: "require", bundlePolicy: "balanced" },
    });
  }

  decline() {
    this.wanted = 0;
    if (this.session && !this.session.isEstablished()) this.session.terminate({ status_code: 603 });
  }

  mute(muted) {
    if (!this.session?.isEstablished()) return;
    if (muted) this.session.mute({ audio: true });
    else this.session.unmute({ audio: true });
    this.#change({ muted });
  }

  hold(held) {
    if (!this.session?.isEstablished()) return;
    if (held) this.session.hold();
    else this.session.unhold();
  }

  hangUp() {
    if (this.session?.isEstablished()) this.session.terminate();
  }

  #change(changes) {
    this.status = { ...this.status, ...changes };
    this.onChange(this.status);
  }
}
