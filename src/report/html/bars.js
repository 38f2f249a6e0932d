// The four times of each layer: T_float beside T_int8 + T_quantize + T_dequantize, with the verdict
// and the reason. What is not in INT8 stands first; all layers on request and in print.

const FIRST_BARS = 8;
const PRINTED_BARS = 100;  // of each list; the table has all layers

const effectOf = (group) => Math.abs(group.gain_us ?? group.float_us ?? 0);
const BAR_ORDERS = new Map([
  ['matters', ['what matters most', (a, b) => effectOf(b) - effectOf(a)]],
  ['time', ['time in float', (a, b) => (b.float_us ?? 0) - (a.float_us ?? 0)]],
  ['running', ['running order', (a, b) => a.index - b.index]]
]);

const int8Total = (group) =>
    (group.int8_us === null ? null : group.int8_us + group.quantize_us + group.dequantize_us);

// The verdict is of the layer's own times; the label of the whole graph.
function verdictOf(group) {
  if (group.refusal) return {text: 'no INT8', kind: 'none'};
  if (group.gain_us === null) return {text: 'not timed', kind: 'none'};
  return {text: gained(group.gain_us), kind: group.gain_us > 0 ? 'gain' : 'loss'};
}

const badge = (precision) =>
    h('span', {class: `badge of-${kindOf(precision)}`},
      PRECISIONS.get(precision) ?? named(precision));

// One bar of parts [kind, µs], `longest` being the whole width.
function bar(parts, longest) {
  let from = 0;
  return s('svg', {class: 'times', 'aria-hidden': 'true'}, parts.map(([kind, us]) => {
    const [x, width] = [from, us].map((value) => `${value / longest * 100}%`);
    const rect = s('rect', {class: `fill-${kind}`, x, width, height: '100%'});
    from += us;
    return rect;
  }));
}

function barsOf(group, longest) {
  const row = (what, total, ...parts) =>
      (total === null ? null :
                        h('div', {class: 'times-row'}, h('span', {class: 'what'}, what),
                          bar(parts, longest), h('span', {class: 'number'}, time(total))));
  return [
    row('float', group.float_us, ['float32', group.float_us]),
    row('float16', group.half_us, ['float16', group.half_us]),
    row('INT8', int8Total(group), ['int8', group.int8_us], ['quantize', group.quantize_us],
        ['dequantize', group.dequantize_us])
  ];
}

function barsRow(group, longest) {
  const verdict = verdictOf(group);
  return h(
      'li', null,
      h('div', {class: 'who'}, layerLink(group, 34),
        h('span', {class: 'aside'}, [shortened(group.op, 24), extent(group.shape)].join(' '))),
      h('div', {class: 'bars'}, barsOf(group, longest)),
      h('div', {class: `verdict ${verdict.kind}`}, h('strong', null, verdict.text),
        badge(group.precision)),
      whyOf(group) ? h('p', {class: 'reason'}, named(whyOf(group))) : null);
}

function barsLegend(groups) {
  const half = groups.some((group) => group.half_us !== null) ? [['float16', 'float16']] : [];
  return legend([
    ['float32', 'float'], ...half, ['int8', 'INT8'], ['quantize', 'quantize'],
    ['dequantize', 'dequantize']
  ]);
}

const longestBar = (group) =>
    Math.max(group.float_us ?? 0, group.half_us ?? 0, int8Total(group) ?? 0);
const longestOf = (groups) => Math.max(0, ...groups.map(longestBar)) || 1;

// Layers of one kind of label, on a scale of their own; the first ones unless asked for all.
class BarsList {
  constructor(title, groups) {
    [this.groups, this.longest, this.count] = [groups, longestOf(groups), FIRST_BARS];
    this.rows = h('ol', {class: 'pays'});
    this.more =
        button({class: 'more', onclick: () => this.grow(Infinity)}, `Show all ${groups.length}`);
    this.element = h('div', {class: 'bars-list'}, h('h3', null, title), this.rows, this.more);
  }

  show(compare) {
    this.compare = compare;
    const sorted = [...this.groups].sort((a, b) => compare(a, b) || a.index - b.index);
    replace(this.rows, sorted.slice(0, this.count).map((group) => barsRow(group, this.longest)));
    this.more.hidden = this.count >= this.groups.length;
  }

  grow(count) {
    this.count = Math.max(this.count, count);
    this.show(this.compare);
  }
}

function drawBars(report) {
  const groups = report.groups.filter((group) => group.float_us !== null || group.int8_us !== null);
  if (!groups.length)
    return replace(at('pays-body'), h('p', {class: 'nothing'}, 'No layer was timed.'));
  const listOf = (title, int8) => {
    const members = groups.filter((group) => (group.precision === 'int8') === int8);
    return members.length ? [new BarsList(`${title}: ${many(members.length, 'layer')}`, members)] :
                            [];
  };
  const lists = [...listOf('Not in INT8', false), ...listOf('In INT8', true)];
  const show = (order) => lists.forEach((list) => list.show(BAR_ORDERS.get(order)[1]));
  const orders = [...BAR_ORDERS].map(([key, [text]]) => [key, text]);
  const tools = h('div', {class: 'tools'}, select('Order', orders, show), barsLegend(groups));
  replace(at('pays-body'), tools, lists.map((list) => list.element));
  show('matters');
  return () => lists.forEach((list) => list.grow(PRINTED_BARS));
}
