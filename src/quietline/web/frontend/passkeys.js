// Passkeys: what the browser does with the server's options (WebAuthn Level 3, JSON forms).
import { Problem } from "./api.js";

export const canPasskey = () => typeof window.PublicKeyCredential?.parseCreationOptionsFromJSON === "function";

/** The answer to registration options, as JSON text. */
export async function makePasskey(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return textOf(() => navigator.credentials.create({ publicKey }));
}

/** The answer to request options, as JSON text. */
export async function usePasskey(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return textOf(() => navigator.credentials.get({ publicKey }));
}

async function textOf(ask) {
  try {
    return JSON.stringify((await ask()).toJSON());
  } catch (error) {
    const twice = error.name === "InvalidStateError";
    throw new Problem({ code: "passkey", advice: twice ? "This device has a passkey for you already." : "No passkey was used. Try again, or sign in another way." }, 0);
  }
}
