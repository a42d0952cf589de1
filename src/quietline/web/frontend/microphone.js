// Asked before Ready, so that nobody's first call is silent.
const WAIT_MS = 20_000; // a person may need time for the browser's question

const CAUSES = {
  NotAllowedError: ["blocked", "The microphone is blocked. Allow it in the address bar, then try again."],
  NotFoundError: ["missing", "No microphone was found. Plug in your headset, then try again."],
  NotReadableError: ["busy", "Another program is using the microphone. Close it, then try again."],
  TimeoutError: ["blocked", "The browser is waiting for your answer about the microphone. Allow it, then try again."],
};

/** {status: "ok", label} or {status, advice}. The microphone is let go again at once. */
export async function checkMicrophone() {
  if (!navigator.mediaDevices) return { status: "missing", advice: "This browser gives no access to a microphone." };
  try {
    const stream = await withDeadline(navigator.mediaDevices.getUserMedia({ audio: true }));
    const [track] = stream.getAudioTracks();
    const heard = track.readyState === "live" && !track.muted;
    stream.getTracks().forEach((each) => each.stop());
    if (!heard) return { status: "silent", advice: "The microphone is muted by the system. Unmute it, then try again." };
    return { status: "ok", label: track.label };
  } catch (error) {
    const [status, advice] = CAUSES[error.name] ?? ["missing", "The microphone could not be opened. Check your headset."];
    return { status, advice };
  }
}

function withDeadline(promise) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new DOMException("late", "TimeoutError")), WAIT_MS);
  });
  return Promise.race([promise, late]);
}
