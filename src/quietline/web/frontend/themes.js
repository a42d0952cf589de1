// Light, dark, or as the system says.
const KEY = "quietline-theme";

export function chosenTheme() {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

export function applyTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function isDark() {
  const theme = chosenTheme();
  return theme === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
}

export function toggleTheme() {
  const next = isDark() ? "light" : "dark";
  localStorage.setItem(KEY, next);
  applyTheme(next);
}
