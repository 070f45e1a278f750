// The one way to the server: JSON, the token against forged requests, errors that say what to do next.

const root = document.body.dataset.root ?? "";

/** Whether this person may change anything. */
export const isOperator = document.body.dataset.role === "operator";

/** What went wrong, in the server's words. */
export class ApiError extends Error {
  constructor(message, next, status, body) {
    super(next ? `${message.replace(/\.$/, "")}. ${next}` : message);
    this.status = status;
    this.body = body;
  }
}

/** The address of a path under the application's root. */
export const url = (path) => `${root}${path}`;

/** The page of a bot. */
export const botUrl = (name) => url(`/bots/${encodeURIComponent(name)}`);

async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-CSRF-Token"] = document.querySelector("meta[name=csrf-token]").content;
  let answer;
  try {
    answer = await fetch(url(`/api/v1${path}`), { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin" });
  } catch {
    throw new ApiError("the monitor does not answer", "Is it still running?", 0, null);
  }
  const data = await answer.json().catch(() => null);
  if (answer.ok) return data;
  if (answer.status === 401) location.assign(url("/login"));
  throw new ApiError(data?.error ?? `the monitor answered ${answer.status}`, data?.next ?? "", answer.status, data);
}

export const get = (path, query = {}) => {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return ask("GET", given.length ? `${path}?${new URLSearchParams(given)}` : path);
};
export const post = (path, body) => ask("POST", path, body);
export const put = (path, body) => ask("PUT", path, body);

/** The path of a bot in the API. */
export const botPath = (name, rest) => `/bots/${encodeURIComponent(name)}/${rest}`;
