// All histograms beside each other, small: activations with what is clipped, weights with mean, σ.

const FIRST_CARDS = 12;
const MOST_CARDS = 120;  // of what is printed, and of one click on "more"
const middleOf =
    (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;

const clippedOf = (tensor) => usedThreshold(tensor)?.clipped ?? null;

function activationCard(tensor) {
  const [clipped, levels] = [clippedOf(tensor), tensor.levels_used];
  return {
    name: tensor.name,
    layer: tensor.producer,
    index: tensor.index,
    clipped,
    levels,
    draw: () => tensorHistogram(tensor, true),
    text: dotted(
        clipped === null ? '' : `${percent(clipped)} clipped`,
        levels === null ? '' : `${fixed(levels, 0)} levels`)
  };
}

function weightCard(group) {
  const facts = weightFacts(group.weights);
  return {
    name: group.name,
    layer: group.index,
    index: group.index,
    facts,
    draw: () => weightHistogram(group, facts, true),
    text: `σ ${short(facts.sigma)} · largest ${fixed(facts.reach, 1)} σ`
  };
}

function card({name, layer, draw, text}) {
  const title = named(layerName(name, 30), {title: name});
  const content = [draw(), title, h('span', {class: 'aside'}, text)];
  const framed = layer < 0 ? h('div', {class: 'card'}, content) :
                             button({class: 'card', onclick: () => selectLayer(layer)}, content);
  return h('li', null, framed);
}

const nullLast = (value, way) => (value === null ? Infinity : way * value);
const byOrder = (a, b) => a.index - b.index;
const ACTIVATION_ORDERS = [
  ['clipped', 'most clipped', (a, b) => nullLast(a.clipped, -1) - nullLast(b.clipped, -1)],
  ['levels', 'fewest levels', (a, b) => nullLast(a.levels, 1) - nullLast(b.levels, 1)],
  ['running', 'running order', byOrder]
];
const WEIGHT_ORDERS = [
  ['reach', 'farthest outliers', (a, b) => b.facts.reach - a.facts.reach],
  ['shift', 'least symmetric', (a, b) => b.facts.shift - a.facts.shift],
  ['running', 'running order', byOrder]
];

const middle = (cards, key) =>
    middleOf(cards.map((card) => card[key]).filter((value) => value !== null));

function activationSummary(cards) {
  const [levels, clipped] = [middle(cards, 'levels'), middle(cards, 'clipped')];
  const sentences = ['Counts are on a log scale; hatched is what the range in use clips.'];
  if (levels !== null) {
    sentences.push(`Half of the tensors use ${fixed(levels, 0)} or fewer of their 256 levels.`);
  }
  if (clipped !== null) {
    sentences.push(
        `The range in use clips ${percent(clipped)} of the values of the middle tensor.`);
  }
  return sentences.join(' ');
}

function weightSummary(cards) {
  const [symmetric, narrow] =
      [isSymmetric, isNarrow].map((test) => cards.filter(({facts}) => test(facts)).length);
  const conclusion = symmetric + narrow > 1.8 * cards.length ?
      'So a symmetric grid up to the largest weight wastes little: weights need no calibration.' :
      'Where they are not, a grid up to the largest weight leaves many of its levels unused.';
  return `Weights are symmetric around zero in ${symmetric} of ${many(cards.length, 'layer')}, ` +
      `and narrow (the largest within 12 σ) in ${narrow}. ${conclusion} ` +
      'The line is the mean, the band ± σ.';
}

class Gallery {
  constructor(title, summary, cards, orders) {
    [this.cards, this.order, this.count] = [cards, orders[0][2], FIRST_CARDS];
    this.grid = h('ul', {class: 'cards'});
    this.more = button({class: 'more', onclick: () => this.grow(this.count + MOST_CARDS)});
    const choose = (key) => {
      this.order = orders.find(([own]) => own === key)[2];
      this.show();
    };
    this.element =
        h('div', {class: 'gallery'}, h('h3', null, title), h('p', {class: 'lead'}, summary),
          h('div', {class: 'tools'}, select('Order', orders, choose)), this.grid, this.more);
    this.show();
  }

  show() {
    const sorted = [...this.cards].sort((a, b) => this.order(a, b) || byOrder(a, b));
    replace(this.grid, sorted.slice(0, this.count).map(card));
    const left = this.cards.length - this.count;
    this.more.hidden = left <= 0;
    this.more.textContent = `Show ${Math.min(left, MOST_CARDS)} more of ${this.cards.length}`;
  }

  grow(count) {
    this.count = Math.max(this.count, count);
    this.show();
  }
}

function drawGallery(report) {
  const activations = report.tensors.filter((tensor) => tensor.histogram).map(activationCard);
  const weights = report.groups.filter((group) => group.weights).map(weightCard);
  const parts = [];
  if (activations.length) {
    const summary = activationSummary(activations);
    parts.push(new Gallery('Activations', summary, activations, ACTIVATION_ORDERS));
  }
  if (weights.length) {
    parts.push(new Gallery('Weights', weightSummary(weights), weights, WEIGHT_ORDERS));
  }
  const nothing = 'The report has no histograms: they come with a calibration.';
  replace(
      at('values-body'),
      parts.length ? parts.map((part) => part.element) : h('p', {class: 'nothing'}, nothing));
  return () => parts.forEach((part) => part.grow(MOST_CARDS));
}
