// How figures are shown. Amounts come as decimal text; they are rounded for the eye only.

const MINUS = "\u2212";
const DIGITS = 8;

/** An amount in about ten characters, without trailing zeros; `-` for nothing. */
export function amount(value) {
  if (value === null || value === undefined || value === "") return "-";
  const number = Number(value);
  if (!Number.isFinite(number)) return String(value);
  const whole = String(Math.trunc(Math.abs(number))).length;
  let text = Math.abs(number).toFixed(Math.max(0, Math.min(6, DIGITS - whole)));
  if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  return (number < 0 && text !== "0" ? MINUS : "") + text;
}

let places = 2;

/** Small money is shown with four places, large with none; all of a page alike, so that points stand in line. */
export function fitMoney(values) {
  const largest = Math.max(0, ...values.map((value) => Math.abs(Number(value) || 0)));
  places = largest >= 100_000 ? 0 : largest >= 10 ? 2 : 4;
}

/** Money with its sign. */
export function money(value) {
  if (value === null || value === undefined || value === "") return "-";
  const number = Number(value);
  if (!Number.isFinite(number)) return String(value);
  const text = Math.abs(number).toFixed(places);
  if (Number(text) === 0) return text;
  const [whole, rest] = text.split(".");
  return `${number < 0 ? MINUS : "+"}${whole.replace(/\B(?=(\d{3})+$)/g, "\u2009")}${rest ? `.${rest}` : ""}`;
}

/** The tone of a gain. */
export const gainTone = (value) => (Number(value) > 0.5 / 10 ** places ? "good" : Number(value) < -0.5 / 10 ** places ? "bad" : "");

/** A price with the decimals it came with, eight at most. */
export function price(value) {
  if (value === null || value === undefined) return "-";
  const text = typeof value === "number" ? String(Number(value.toPrecision(9))) : String(value);
  return text;
}

/** A length of time: 8s, 4m10s, 3h05m, 12d04h. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(Number(seconds))) return "-";
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h${two((whole % 3600) / 60)}m`;
  return `${Math.floor(whole / 86400)}d${two((whole % 86400) / 3600)}h`;
}

/** A number with `places` decimals, `-` for nothing. */
export function fixed(value, places = 1) {
  if (value === null || value === undefined || !Number.isFinite(Number(value))) return "-";
  const text = Math.abs(Number(value)).toFixed(places);
  return (value < 0 && Number(text) !== 0 ? MINUS : "") + text;
}

/** A share in percent, with one place below a hundred. */
export const percent = (value) => (value === null || value === undefined ? "-" : value >= 99.95 ? "100%" : `${fixed(value, 1)}%`);

/** UTC time of an ISO text or of milliseconds: 09:41:07, with the day when it is not today. */
export function clock(at) {
  if (at === null || at === undefined || at === "") return "-";
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  const text = date.toISOString();
  const today = new Date().toISOString().slice(0, 10);
  return text.slice(0, 10) === today ? text.slice(11, 19) : `${text.slice(5, 10)} ${text.slice(11, 19)}`;
}

/** The state as a person reads it: text, a sign and a tone, so that colour is never alone. */
export function stateOf(row) {
  if (row.state === "RUNNING") {
    if (row.kind === "job") return { text: row.phase || "RUNNING", sign: "\u25CF", tone: "good" };
    if (row.phase === "QUOTING") return { text: "QUOTING", sign: "\u25CF", tone: "good" };
    if (row.phase === "PAUSED") return { text: "PAUSED", sign: "\u2016", tone: "warn" };
    return { text: row.phase || "RUNNING", sign: "\u25D0", tone: "warn" };
  }
  if (row.state === "FATAL" || row.state === "HALTED") return { text: row.state, sign: "\u25A0", tone: "bad" };
  if (row.state === "STOPPED") return { text: row.state, sign: "\u25CB", tone: "dim" };
  return { text: row.state, sign: "\u25D0", tone: "warn" };
}

/** What a bot has earned since its first day: realised + unrealised - fees + funding. */
export function netPnl(row) {
  return Number(row.realised_pnl) + Number(row.unrealised_pnl) - Number(row.fees) + Number(row.funding ?? 0);
}
