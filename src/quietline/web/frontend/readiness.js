// What this tab needs before it can take calls: a microphone that hears, and a phone that is registered.
import { checkMicrophone } from "./microphone.js";

const PHONE_WAIT_MS = 12_000; // an edge that restarted takes an agent again within 15 s

/** What keeps this tab from taking calls, or nothing. */
export async function unfit(store) {
  const microphone = await checkMicrophone();
  store.set({ microphone });
  return microphone.advice ?? (await phoneRegistered(store));
}

/** Waits a while for the registration; resolves to what is wrong, or nothing. */
async function phoneRegistered(store) {
  const until = Date.now() + PHONE_WAIT_MS;
  while (store.state.phone.status !== "ready") {
    if (Date.now() > until) return "Your phone cannot be registered. Check your network, then try again.";
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return undefined;
}
