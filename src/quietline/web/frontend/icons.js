// A small set of line icons on a 24 px grid.
import { svg } from "./dom.js";

const PATHS = {
  phone: ["M5 4h3.6l1.6 4.4-2.2 1.5a12 12 0 0 0 6.1 6.1l1.5-2.2 4.4 1.6V19a2 2 0 0 1-2.2 2A17 17 0 0 1 3 6.2 2 2 0 0 1 5 4z"],
  headset: ["M4 14v-2a8 8 0 0 1 16 0v2", "M4 13.5h2.5a1 1 0 0 1 1 1V18a1 1 0 0 1-1 1H6a2 2 0 0 1-2-2z", "M20 13.5h-2.5a1 1 0 0 0-1 1V18a1 1 0 0 0 1 1h.5a2 2 0 0 0 2-2z", "M19 19c-.6 1.5-2.3 2.2-5 2.2"],
  end: ["M3.3 14.6c5-4.7 12.4-4.7 17.4 0l-2 2.6-4-1.6v-2.5a9.6 9.6 0 0 0-5.4 0v2.5l-4 1.6z"],
  mic: ["M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3z", "M6 11a6 6 0 0 0 12 0", "M12 17v4"],
  muted: ["M9 9v2a3 3 0 0 0 4.7 2.5", "M15 10.5V6a3 3 0 0 0-5.8-1", "M6 11a6 6 0 0 0 9.6 4.8", "M18 11a6 6 0 0 1-.4 2.2", "M12 17v4", "M4 4l16 16"],
  pause: ["M8.5 5v14", "M15.5 5v14"],
  play: ["M7 5l11 7-11 7z"],
  shield: ["M12 3l7 3v5c0 4.6-3 8.2-7 10-4-1.8-7-5.4-7-10V6z"],
  verified: ["M12 3l7 3v5c0 4.6-3 8.2-7 10-4-1.8-7-5.4-7-10V6z", "M8.8 12l2.2 2.2 4.2-4.4"],
  eye: ["M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z", "M12 9.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6z"],
  lock: ["M6 11h12v9H6z", "M8.5 11V8a3.5 3.5 0 0 1 7 0v3"],
  sun: ["M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8z", "M12 2v2", "M12 20v2", "M4.9 4.9l1.4 1.4", "M17.7 17.7l1.4 1.4", "M2 12h2", "M20 12h2", "M4.9 19.1l1.4-1.4", "M17.7 6.3l1.4-1.4"],
  moon: ["M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5z"],
  out: ["M14 4H6v16h8", "M10.5 12H21", "M17.5 8.5L21 12l-3.5 3.5"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  alert: ["M12 4l9 16H3z", "M12 10v4.5", "M12 17.2v.3"],
  sound: ["M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z", "M15.5 9a4.2 4.2 0 0 1 0 6", "M18 6.5a8 8 0 0 1 0 11"],
  dot: ["M12 9.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z"],
};

export function icon(name, extra = "") {
  const shapes = PATHS[name].map((d) => svg("path", { d }));
  return svg("svg", { viewBox: "0 0 24 24", class: `icon ${extra}`.trim(), "aria-hidden": "true" }, ...shapes);
}

/** The product's mark: a line that is quiet, then speaks. */
export function mark() {
  return svg("svg", { viewBox: "0 0 32 32", class: "mark", "aria-hidden": "true" },
    svg("rect", { width: "32", height: "32", rx: "9" }),
    svg("path", { d: "M7 16h4l2.2-5 3.6 10 2.2-5H25" }));
}
