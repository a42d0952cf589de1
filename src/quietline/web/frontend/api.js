// The desk's API. Every answer is JSON or a problem document (RFC 9457).
export class Problem extends Error {
  constructor(body, status) {
    super(body.code ?? "http");
    Object.assign(this, { status, code: body.code ?? "http", detail: body.detail, reason: body.reason, advice: body.advice });
  }
}

const AGAIN_MS = 300;

function lost(error) {
  if (error.name === "AbortError") throw error;
  throw new Problem({ code: "offline" }, 0);
}

export class Api {
  /** `signedOut` is called whenever the server says that the session has ended. */
  constructor(visitToken, signedOut) {
    this.visitToken = visitToken;
    this.csrf = null;
    this.signedOut = signedOut;
  }

  get(path, options) {
    return this.#ask("GET", path, undefined, options);
  }

  post(path, body, options) {
    return this.#ask("POST", path, body, options);
  }

  delete(path) {
    return this.#ask("DELETE", path);
  }

  async #ask(method, path, body, { signal } = {}) {
    const headers = { Accept: "application/json" };
    if (method !== "GET") headers["X-CSRF-Token"] = this.csrf ?? this.visitToken;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const request = { method, headers, signal, cache: "no-store", credentials: "same-origin", redirect: "error" };
    const send = () => fetch(path, { ...request, body: body && JSON.stringify(body) });
    const response = await send().catch((error) => (method === "GET" ? this.#again(send, error) : lost(error)));
    return this.#read(response);
  }

  /** A network that changes under us breaks what is under way; asking once more is harmless for a GET. */
  async #again(send, error) {
    if (error.name === "AbortError") throw error;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    return send().catch(lost);
  }

  async #read(response) {
    if (response.status === 204) return null;
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body;
    if (response.status === 401 && body.code === "signed-out" && this.csrf) this.signedOut();
    throw new Problem(body, response.status);
  }
}
