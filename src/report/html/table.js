// The table of all layers: searchable, with filters, sortable by every column.

const micro = (value) => fixed(value, 1);
const COLUMNS = [
  {key: 'index', label: '#', value: (g) => g.index, show: (g) => String(g.index), number: true, minor: true},
  {key: 'name', label: 'Layer', value: (g) => g.name, show: (g) => nameCell(g)},
  {key: 'precision', label: 'Runs in', value: (g) => g.precision, show: (g) => badge(g.precision)},
  {key: 'why', label: 'Why', value: (g) => whyOf(g), show: (g) => named(whyOf(g)), minor: true},
  {key: 'float_us', label: 'Float', unit: 'µs', value: (g) => g.float_us, show: (g) => micro(g.float_us), number: true, minor: true, down: true},
  {key: 'half_us', label: 'Float16', unit: 'µs', value: (g) => g.half_us, show: (g) => micro(g.half_us), number: true, minor: true, down: true},
  {key: 'int8_us', label: 'INT8', unit: 'µs', value: (g) => g.int8_us, show: (g) => micro(g.int8_us), number: true, minor: true, down: true},
  {key: 'quantize_us', label: 'Quant.', unit: 'µs', value: (g) => g.quantize_us, show: (g) => micro(g.quantize_us), number: true, minor: true, down: true},
  {key: 'dequantize_us', label: 'Dequant.', unit: 'µs', value: (g) => g.dequantize_us, show: (g) => micro(g.dequantize_us), number: true, minor: true, down: true},
  {key: 'gain_us', label: 'Gain', unit: 'µs', value: (g) => g.gain_us, show: (g) => gainText(g), number: true},
  {key: 'sqnr_db', label: 'SQNR', unit: 'dB', value: (g) => g.sqnr_db, show: (g) => fixed(g.sqnr_db, 1), number: true},
  {key: 'levels', label: 'Levels', unit: 'of 256', value: (g) => g.levels, show: (g) => fixed(g.levels, 0), number: true, minor: true},
  {key: 'spread', label: 'Spread', unit: '%', value: (g) => g.spread, show: (g) => fixed(g.spread === null ? null : g.spread * 100, 1), number: true, minor: true, down: true},
  {key: 'macs', label: 'MACs', value: (g) => g.macs, show: (g) => amount(g.macs), number: true, minor: true, down: true},
  {key: 'shape', label: 'Makes', value: (g) => g.shape.reduce((size, e) => size * Math.max(e, 1), 1), show: (g) => extent(g.shape), number: true, minor: true, down: true}];

const PRESETS = [['Running order', 'index', 1], ['Noisiest first', 'sqnr_db', 1], ['Slowest first', 'float_us', -1],
  ['INT8 loses most', 'gain_us', 1]];

const gainText = (group) => (group.gain_us === null ? NONE
  : h('span', {class: group.gain_us > 0 ? 'gain' : 'loss'}, signed(group.gain_us, 1)));

function nameCell(group) {
  return [h('button', {type: 'button', class: 'link', title: group.name, onclick: () => selectLayer(group.index)},
    named(shortened(group.name, 40))), h('span', {class: 'aside'}, shortened(group.op, 28))];
}

// What is not there stands last, whichever way the column is sorted.
function compared(a, b, way) {
  const [noA, noB] = [a === null || a === '', b === null || b === ''];
  if (noA || noB) return noA - noB;
  return way * (typeof a === 'string' ? a.localeCompare(b, 'en', {numeric: true}) : a - b);
}

class LayerTable {
  constructor(report) {
    this.groups = report.groups;
    this.columns = COLUMNS.filter((column) => !column.minor || column.key === 'index' ||
      this.groups.some((group) => ![null, '', 0].includes(column.value(group))));
    this.sorted = {key: 'index', way: 1};
    this.only = () => true;
    this.words = [];
    this.rows = this.groups.map((group) => this.row(group));
    this.texts = this.groups.map((group) =>
      [group.name, group.op, group.precision, whyOf(group), extent(group.shape)].join(' ').toLowerCase());
    marksSelection(this.rows.map((row, index) => [index, row]));
  }

  row(group) {
    return h('tr', {onclick: (event) => event.target.closest('button') || selectLayer(group.index)},
      this.columns.map((column) => h(column.key === 'name' ? 'th' : 'td', {scope: column.key === 'name' ? 'row' : null,
        class: [column.number && 'number', column.minor && 'minor', `c-${column.key}`].filter(Boolean).join(' ')},
      column.show(group))));
  }

  head() {
    this.heads = new Map(this.columns.map((column) => [column.key, h('th', {scope: 'col',
      class: [column.number && 'number', column.minor && 'minor', `c-${column.key}`].filter(Boolean).join(' ')},
    h('button', {type: 'button', onclick: () => this.sortBy(column.key)}, column.label,
      column.unit ? h('span', {class: 'unit'}, ` ${column.unit}`) : null, h('span', {class: 'way', 'aria-hidden': 'true'})))]));
    return h('thead', null, h('tr', null, [...this.heads.values()]));
  }

  // A second click on a column turns its order.
  sortBy(key, way) {
    const column = this.columns.find((candidate) => candidate.key === key);
    if (!column) return;
    const turned = this.sorted.key === key ? -this.sorted.way : (column.down ? -1 : 1);
    this.sorted = {key, way: way ?? turned};
    this.show();
    say(`Sorted by ${column.label}, ${this.sorted.way > 0 ? 'ascending' : 'descending'}`);
  }

  show() {
    const {key, way} = this.sorted;
    const column = this.columns.find((candidate) => candidate.key === key);
    const shown = this.groups.filter((group) => this.only(group) &&
      this.words.every((word) => this.texts[group.index].includes(word)));
    shown.sort((a, b) => compared(column.value(a), column.value(b), way) || a.index - b.index);
    this.body.replaceChildren(...shown.map((group) => this.rows[group.index]));
    for (const [name, head] of this.heads) {
      if (name === key) head.setAttribute('aria-sort', way > 0 ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
    }
    this.presets.forEach((button, i) => button.setAttribute('aria-pressed', PRESETS[i][1] === key && PRESETS[i][2] === way));
    this.count.textContent = shown.length === this.groups.length ? many(shown.length, 'layer')
      : `${shown.length} of ${many(this.groups.length, 'layer')}`;
  }

  // Filters: each precision that occurs, and what was refused.
  filters() {
    const kinds = [...new Set(this.groups.map((group) => group.precision))].sort();
    const filters = [['All', () => true], ...kinds.map((kind) => [PRECISIONS.get(kind) ?? kind, (group) => group.precision === kind])];
    if (this.groups.some((group) => group.refusal)) filters.push(['Refused', (group) => group.refusal !== '']);
    const buttons = filters.map(([text, only], i) => h('button', {type: 'button', 'aria-pressed': String(i === 0), onclick: () => {
      this.only = only;
      buttons.forEach((button) => button.setAttribute('aria-pressed', button === buttons[i]));
      this.show();
    }}, named(shortened(text, 20)), h('span', {class: 'count'}, String(this.groups.filter(only).length))));
    return h('div', {class: 'chips', role: 'group', 'aria-label': 'Show'}, buttons);
  }

  draw(place) {
    this.presets = PRESETS.map(([text, key, way]) => h('button', {type: 'button', onclick: () => this.sortBy(key, way)}, text));
    this.count = h('span', {class: 'aside', role: 'status'});
    this.body = h('tbody');
    const search = h('input', {type: 'search', id: 'search', placeholder: 'name, op, reason …', 'aria-label': 'Search layers',
      oninput: () => {
        this.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
        this.show();
      }});
    replace(place, h('div', {class: 'tools'}, search, this.filters(), this.count),
      h('div', {class: 'chips', role: 'group', 'aria-label': 'Order'}, this.presets),
      h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'layers-title'},
        h('table', {class: 'layers'}, this.head(), this.body)));
    this.show();
  }
}

function drawTable(report) {
  if (report.groups.length) new LayerTable(report).draw(at('layers-body'));
  else replace(at('layers-body'), h('p', {class: 'nothing'}, 'The report has no layers.'));
}
