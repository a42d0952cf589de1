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

/** What a carrier attests of the number (RFC 8588 §4), and what that is worth. Every other word: not attested, and why. */
export const ATTESTATION = {
  A: ["Signed by the carrier, grade A.", "The carrier knows the customer and the number is theirs to use."],
  B: ["Signed by the carrier, grade B.", "The carrier knows its customer, but not whether the number is theirs."],
  C: ["Signed by the carrier, grade C.", "The carrier knows only where the call came in."],
};

export const CALLER = {
  failed: "This caller could not be verified.",
  contactNew: "A code would not count.",
  helper: "A helper is calling.",
  helperFor: "The customer named this number for:",
  unsigned: "The carrier's signature was not verified.",
  unsignedHint: "Treat the number as any other claim.",
  shared: "Several customers use this number.",
  sharedHint: "Ask for the order or loyalty number.",
  claim: "Find the customer",
  claimBy: "The caller gives",
  claimValue: "Number",
  by: { order: "an order number", loyalty: "a loyalty number" },
  find: "Find",
  found: "The customer was found. Nothing opens by that alone.",
  triesLeft: "numbers may still be tried on this call. Whoever is found is not verified yet.",
  question: "Ask a question",
  ask: "Ask for",
  answer: "The caller's answer",
  compare: "Compare",
  right: "The answer is right.",
  answersLeft: "answers left today. You type it unseen; the right one is never shown.",
  relayed: "Relay call",
  relayedHint: "Speak to the caller, not to the operator. The operator may key the code in for them. If keys do not come through, ring back the number on record.",
};

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
