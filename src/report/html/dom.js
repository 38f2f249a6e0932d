// Elements of HTML and SVG. Text goes in as text: nothing of the report is ever read as markup.

const SVG = 'http://www.w3.org/2000/svg';

// Attributes that are null or false are left out; 'onclick' and the like are listeners.
function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function')
      element.addEventListener(key.slice(2), value);
    else
      element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter(
      (child) => child !== null && child !== undefined && child !== ''));
  return element;
}

const h = (tag, attributes, ...children) =>
    filled(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) =>
    filled(document.createElementNS(SVG, tag), attributes, children);

const button = (attributes, ...children) =>
    h('button', {type: 'button', ...attributes}, ...children);

// A picture with a name and, for those who do not see it, a description.
let pictures = 0;
function picture(width, height, title, description, ...children) {
  const id = `picture-${++pictures}`;
  return s(
      'svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-labelledby': `${id}-t ${id}-d`},
      s('title', {id: `${id}-t`}, title), s('desc', {id: `${id}-d`}, description), children);
}

const at = (id) => document.getElementById(id);
const replace = (element, ...children) =>
    (element.replaceChildren(), filled(element, null, children));

// Untrusted names: isolated, so that one written right to left turns nothing around it.
const named = (name, attributes) => h('bdi', {class: 'name', ...attributes}, name);

// Entries [kind, text] with the kind's colour, then others as they are.
const legend = (entries, ...others) =>
    h('ul', {class: 'legend'},
      entries.map(([kind, text]) => h('li', null, h('span', {class: `key key-${kind}`}), text)),
      others);

function select(label, options, onchange) {
  const element =
      h('select', {onchange: () => onchange(element.value)},
        options.map(([value, text]) => h('option', {value}, text)));
  return h('label', {class: 'choice'}, label, element);
}

function say(text) {
  at('said').textContent = text;
}
