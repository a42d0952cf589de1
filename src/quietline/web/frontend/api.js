// The desk's API. Every answer is JSON or a problem document (RFC 9457).
export class Problem extends Error {
  constructor(body, status) {
    super(body.code ?? "http");
    Object.assign(this, { status, code: body.code ?? "http", detail: body.detail, reason: body.reason, advice: body.advice });
  }
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
    const response = await fetch(path, { ...request, body: body && JSON.stringify(body) }).catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Problem({ code: "offline" }, 0);
    });
    return this.#read(response);
  }

  async #read(response) {
    if (response.status === 204) return null;
    const body = await response.json().catch(() => ({}));
    if (response.ok) return body;
    if (response.status === 401 && body.code === "signed-out" && this.csrf) this.signedOut();
    throw new Problem(body, response.status);
  }
}
