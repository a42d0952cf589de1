// A soft two-tone ring, made here: no file to fetch.
const NOTES = [659.25, 783.99]; // Hz: E5, G5
const EVERY_MS = 2_200;

export class Ringer {
  /** Must be called from a click or key, or the browser keeps us silent. */
  wake() {
    this.context ??= new AudioContext();
    return this.context.resume();
  }

  /** Whether the browser will let us make a sound. */
  get blocked() {
    return this.context ? this.context.state !== "running" : !navigator.userActivation?.hasBeenActive;
  }

  start() {
    if (this.timer) return;
    this.#ring();
    this.timer = setInterval(() => this.#ring(), EVERY_MS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
  }

  #ring() {
    if (this.blocked) return;
    this.context ??= new AudioContext();
    NOTES.forEach((hertz, index) => this.#note(hertz, this.context.currentTime + index * 0.22));
  }

  #note(hertz, at) {
    const tone = new OscillatorNode(this.context, { frequency: hertz, type: "sine" });
    const gain = new GainNode(this.context, { gain: 0 });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.16, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 0.5);
    tone.connect(gain).connect(this.context.destination);
    tone.start(at);
    tone.stop(at + 0.55);
  }
}
