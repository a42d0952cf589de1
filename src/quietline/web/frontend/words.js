// What the page says. Codes and reasons are closed words of the server.
export const REASONS = [
  ["order_status", "Order status"],
  ["delivery_change", "Delivery change"],
  ["return_refund", "Return or refund"],
  ["product_advice", "Product advice"],
  ["complaint", "Complaint"],
];

export const reasonLabel = (code) => REASONS.find(([name]) => name === code)?.[1] ?? code;

/** What an agent may choose from (desk_protocol.AwayReason). */
export const AWAY_REASONS = [
  ["break", "Break"],
  ["meal", "Meal"],
  ["training", "Training"],
  ["desk_work", "Desk work"],
];

export const AWAY = {
  chosen: "No calls are offered to you.",
  break: "You are on a break. No calls are offered to you.",
  meal: "You are at your meal. No calls are offered to you.",
  training: "You are in training. No calls are offered to you.",
  desk_work: "You are at other work. No calls are offered to you.",
  no_answer: "The last call was not answered, so you were set to away.",
  declined: "You declined a call, so you were set to away.",
  phone_lost: "Your phone lost its connection, so you were set to away.",
};

export const PHONE = {
  off: "Phone off",
  connecting: "Connecting",
  ready: "Phone ready",
  lost: "Reconnecting",
  refused: "Phone refused",
  desk: "Desk phone",
};

export const ASSURANCE = ["Caller not known", "Number matched", "Verified by code", "Fully verified"];

/** Why there is no card: the vault's word, as the controller heard it. */
export const WITHOUT = {
  connecting: "Opening the order…", // the grant is on its way
  callback: "The order opens when the customer has answered.",
  asked: "The order opens if you take the caller over.",
  refused: "The vault did not confirm this call, so nothing can be shown. The call goes on.",
  unavailable: "Customer data is unavailable. The call goes on.",
};

export const CLASSES = { contact: "contact data", delivery: "delivery data", invoice: "orders and invoices", service: "notes" };

const PROBLEMS = {
  "vault-locked": "Customer data is unavailable: the vault is locked. The call goes on.",
  "ledger-unavailable": "This look could not be recorded, so it was not shown. Try again.",
  "edge-unavailable": "The call could not be confirmed, so nothing was shown. Try again.",
  unavailable: "Customer data is unavailable. The call goes on.",
  tampered: "The stored value is damaged and stays hidden. The fault is recorded.",
  "call-ended": "The call has ended.",
  "no-such-call": "The call has ended.",
  offline: "The desk cannot be reached. Check your network.",
  busy: "Many people are signing in. Try again in a few seconds.",
};

/** One sentence for a problem document: what happened, and what to do. */
export function problemText(problem) {
  if (problem.advice) return problem.advice;
  return PROBLEMS[problem.code] ?? problem.detail ?? "Something went wrong. Try again.";
}
