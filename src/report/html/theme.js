// Light, dark, or as the system has it. The choice is kept where the browser lets a file keep one.

const THEMES = ['auto', 'light', 'dark'];

function startTheme() {
  const button = at('theme');
  let theme = 'auto';
  try {
    theme = localStorage.getItem('octile-theme') ?? 'auto';
  } catch {
    // Files may have no storage.
  }
  const show = () => {
    if (!THEMES.includes(theme)) theme = 'auto';
    document.documentElement.dataset.theme = theme;
    button.textContent = `◐ ${theme}`;
    button.setAttribute('aria-label', `Theme: ${theme}`);
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem('octile-theme', theme);
    } catch {
      // As above.
    }
    show();
  });
  show();
}
