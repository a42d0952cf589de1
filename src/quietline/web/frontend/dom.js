// Elements from data. Text is always text: nothing here parses HTML (the page's CSP demands trusted types anyway).
const SVG = "http://www.w3.org/2000/svg";

/** `h("button", { class: "primary", onclick: f, "aria-pressed": "true" }, "Ready")`; null and false children are left out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProp(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function setProp(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
  else element.setAttribute(name, value === true ? "" : value);
}

export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * A part of the page that is drawn anew only when `key(state)` changes. Keyboard focus stays where it was, by the
 * `data-focus` name of the element that had it.
 */
export function region(host, key, draw) {
  let drawn;
  return (state) => {
    const now = JSON.stringify(key(state));
    if (now === drawn) return;
    drawn = now;
    const focus = host.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
    host.replaceChildren(...[draw(state)].flat().filter(Boolean));
    if (focus) host.querySelector(`[data-focus="${focus}"]`)?.focus();
  };
}

/** Say something to screen readers; "alarm" interrupts. */
export function announce(text, place = "status") {
  const node = document.getElementById(place);
  node.textContent = "";
  requestAnimationFrame(() => {
    node.textContent = text;
  });
}
