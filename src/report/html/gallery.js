// All histograms beside each other, small: activations with what is clipped, weights with mean and σ.

const FIRST_CARDS = 12;
const MOST_CARDS = 120;  // of what is printed, and of one click on "more"
const middleOf = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;

const clippedOf = (tensor) => usedThreshold(tensor)?.clipped ?? null;

function activationCards(report) {
  return report.tensors.filter((tensor) => tensor.histogram).map((tensor) => ({
    name: tensor.name, layer: tensor.producer, index: tensor.index, clipped: clippedOf(tensor), levels: tensor.levels_used,
    draw: () => tensorHistogram(tensor, true),
    text: [clippedOf(tensor) === null ? null : `${percent(clippedOf(tensor))} clipped`,
      tensor.levels_used === null ? null : `${fixed(tensor.levels_used, 0)} levels`].filter(Boolean).join(' · ')}));
}

function weightCards(report) {
  return report.groups.filter((group) => group.weights).map((group) => {
    const facts = weightFacts(group.weights);
    return {name: group.name, layer: group.index, index: group.index, facts, draw: () => weightHistogram(group, facts, true),
      text: `σ ${short(facts.sigma)} · largest ${fixed(facts.reach, 1)} σ`};
  });
}

function card({name, layer, draw, text}) {
  const content = [draw(), named(shortened(name, 30), {title: name}), h('span', {class: 'aside'}, text)];
  return h('li', null, layer < 0 ? h('div', {class: 'card'}, content)
    : h('button', {type: 'button', class: 'card', onclick: () => selectLayer(layer)}, content));
}

const nullLast = (value, way) => (value === null ? Infinity : way * value);
const byOrder = (a, b) => a.index - b.index;
const ACTIVATION_ORDERS = [
  ['clipped', 'most clipped', (a, b) => nullLast(a.clipped, -1) - nullLast(b.clipped, -1)],
  ['levels', 'fewest levels', (a, b) => nullLast(a.levels, 1) - nullLast(b.levels, 1)], ['running', 'running order', byOrder]];
const WEIGHT_ORDERS = [
  ['reach', 'farthest outliers', (a, b) => b.facts.reach - a.facts.reach],
  ['shift', 'least symmetric', (a, b) => b.facts.shift - a.facts.shift], ['running', 'running order', byOrder]];

function activationSummary(cards) {
  const levels = middleOf(cards.map((c) => c.levels).filter((value) => value !== null));
  const clipped = middleOf(cards.map((c) => c.clipped).filter((value) => value !== null));
  return [levels === null ? '' : `Half of the tensors use ${fixed(levels, 0)} or fewer of their 256 levels. `,
    clipped === null ? '' : `The range in use clips ${percent(clipped)} of the values of the middle tensor. `,
    'Counts are on a log scale; hatched is what the range in use clips.'].join('');
}

function weightSummary(cards) {
  const symmetric = cards.filter((c) => isSymmetric(c.facts)).length;
  const narrow = cards.filter((c) => isNarrow(c.facts)).length;
  return `Weights are symmetric around zero in ${symmetric} of ${many(cards.length, 'layer')}, and narrow (the largest within ` +
    `12 σ) in ${narrow}. So a symmetric grid from the largest weight wastes little, and weights need no calibration. ` +
    'The line is the mean, the band ± σ.';
}

function gallery(title, summary, cards, orders) {
  let [order, count] = [orders[0][2], FIRST_CARDS];
  const grid = h('ul', {class: 'cards'});
  const more = h('button', {type: 'button', class: 'more', onclick: () => grow()});
  const redraw = () => {
    replace(grid, [...cards].sort((a, b) => order(a, b) || byOrder(a, b)).slice(0, count).map(card));
    more.hidden = count >= cards.length;
    more.textContent = `Show ${Math.min(cards.length, count + MOST_CARDS) - count} more of ${cards.length}`;
  };
  const grow = () => {
    count += MOST_CARDS;
    redraw();
  };
  redraw();
  return {grow: () => count < MOST_CARDS && grow(), element: h('div', {class: 'gallery'}, h('h3', null, title),
    h('p', {class: 'lead'}, summary),
    h('div', {class: 'tools'}, select('Order', orders, (key) => {
      order = orders.find(([own]) => own === key)[2];
      redraw();
    })), grid, more)};
}

function drawGallery(report) {
  const [activations, weights] = [activationCards(report), weightCards(report)];
  const parts = [];
  if (activations.length) parts.push(gallery('Activations', activationSummary(activations), activations, ACTIVATION_ORDERS));
  if (weights.length) parts.push(gallery('Weights', weightSummary(weights), weights, WEIGHT_ORDERS));
  replace(at('values-body'), parts.length ? parts.map((part) => part.element)
    : h('p', {class: 'nothing'}, 'The report has no histograms: they come with a calibration.'));
  return () => parts.forEach((part) => part.grow());
}
