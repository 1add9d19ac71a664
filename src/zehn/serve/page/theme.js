// Light or dark, set before the first paint: a classic script, as modules run after it. Only a choice that differs from
// the system's is kept, so that a system that turns dark in the evening takes the page along.
(() => {
  "use strict";
  const KEY = "zehn.theme";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const system = () => (dark.matches ? "dark" : "light");

  function kept() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is forbidden here: the system decides
    }
  }

  function keep(theme) {
    try {
      if (theme === system()) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // the choice holds until the page is closed
    }
  }

  function apply(theme) {
    document.documentElement.dataset.theme = theme;
    dispatchEvent(new Event("zehn-theme"));
  }

  apply(kept() ?? system());
  dark.addEventListener("change", () => apply(kept() ?? system()));
  window.zehnTheme = {
    isDark: () => document.documentElement.dataset.theme === "dark",
    toggle() {
      const theme = window.zehnTheme.isDark() ? "light" : "dark";
      keep(theme);
      apply(theme);
    },
  };
})();
