// What a person with other eyes or hands would trip over, as a list of complaints; empty is good.
// Evaluated in the page by tools/check_report.py.
(() => {
  const complaints = [];
  const visible = (element) =>
      element.checkVisibility({visibilityProperty: true}) && !element.closest('.unseen, .skip');
  const label = (element) => `${element.tagName.toLowerCase()}.${
      element.getAttribute('class') ?? ''} "${element.textContent.trim().slice(0, 30)}"`;

  // Colours by way of a canvas: whatever form CSS gives them, they come back as bytes.
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = (color) => {
    const [r, g, b] =
        [...rgba(color)]
            .slice(0, 3)
            .map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const box = at.matches('g.node, g.conversion') ? at.querySelector('rect') : null;
      const color = box ? getComputedStyle(box).fill : getComputedStyle(at).backgroundColor;
      if (color !== 'none' && rgba(color)[3] === 255) return color;
    }
    return getComputedStyle(document.documentElement).colorScheme.includes('dark') ? '#000' :
                                                                                     '#fff';
  };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() ||
        element.matches('script, title, desc, option, :disabled') || !visible(element))
      continue;
    const style = getComputedStyle(element);
    const color = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const pair = `${color} on ${ground(element)}`;
    if (seen.has(pair)) continue;
    seen.add(pair);
    const found = contrast(color, ground(element));
    if (found < 4.5) complaints.push(`contrast ${found.toFixed(2)}, ${pair}: ${label(element)}`);
  }

  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) complaints.push(`id ${id} twice`);
  for (const element of [...document.querySelectorAll('[aria-labelledby]')].filter(visible)) {
    for (const id of element.getAttribute('aria-labelledby').split(' ')) {
      if (!document.getElementById(id)?.textContent.trim())
        complaints.push(`nothing labels ${label(element)}: ${id}`);
    }
  }
  for (const element of document.querySelectorAll(
           'button, a[href], input, select, [role=button]')) {
    const named =
        element.textContent.trim() || element.getAttribute('aria-label') || element.labels?.length;
    if (!named) complaints.push(`no name: ${element.outerHTML.slice(0, 80)}`);
  }
  for (const svg of document.querySelectorAll('svg')) {
    const told = svg.getAttribute('aria-hidden') === 'true' || svg.getAttribute('aria-label') ||
        svg.querySelector(':scope > title');
    if (!told) complaints.push(`a picture without a title: ${svg.outerHTML.slice(0, 80)}`);
  }
  for (const header of document.querySelectorAll('th')) {
    if (!header.scope) complaints.push(`a header of nothing: ${label(header)}`);
  }
  for (const name of ['header', 'nav', 'main', 'h1']) {
    if (!document.querySelector(name)) complaints.push(`no ${name}`);
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) complaints.push(`the page is ${wide} px wider than its window`);
  return complaints;
})()
