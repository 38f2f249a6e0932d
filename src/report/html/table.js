// The table of all layers: searchable, with filters, sortable by every column.

class LayerTable {
  constructor(report) {
    this.groups = report.groups;
    this.columns = COLUMNS.filter(
        (column) => !column.minor || column.key === 'index' ||
            this.groups.some((group) => ![null, '', 0].includes(column.value(group))));
    this.sorted = {key: 'index', way: 1};
    this.only = () => true;
    this.words = [];
    this.rows = this.groups.map((group) => this.row(group));
    this.texts = this.groups.map(
        (group) => [group.name, group.op, group.precision, whyOf(group), extent(group.shape)]
                       .join(' ')
                       .toLowerCase());
    marksSelection(this.rows.map((row, index) => [index, row]));
  }

  row(group) {
    const cells = this.columns.map((column) => {
      const head = column.key === 'name';
      const attributes = {scope: head ? 'row' : null, class: classesOf(column)};
      return h(head ? 'th' : 'td', attributes, column.show(group));
    });
    const select = (event) => event.target.closest('button') || selectLayer(group.index);
    return h('tr', {onclick: select}, cells);
  }

  head() {
    this.heads = new Map(this.columns.map((column) => [column.key, this.headCell(column)]));
    return h('thead', null, h('tr', null, [...this.heads.values()]));
  }

  headCell(column) {
    const unit = column.unit ? h('span', {class: 'unit'}, ` ${column.unit}`) : null;
    return h(
        'th', {scope: 'col', class: classesOf(column)},
        button(
            {onclick: () => this.sortBy(column.key)}, column.label, unit,
            h('span', {class: 'way', 'aria-hidden': 'true'})));
  }

  // A second click on a column turns its order.
  sortBy(key, way) {
    const column = this.columns.find((candidate) => candidate.key === key);
    const turned = this.sorted.key === key ? -this.sorted.way : (column.down ? -1 : 1);
    this.sorted = {key, way: way ?? turned};
    this.show();
    say(`Sorted by ${column.label}, ${this.sorted.way > 0 ? 'ascending' : 'descending'}`);
  }

  show() {
    const {key, way} = this.sorted;
    const column = this.columns.find((candidate) => candidate.key === key);
    const shown = this.groups.filter(
        (group) =>
            this.only(group) && this.words.every((word) => this.texts[group.index].includes(word)));
    shown.sort((a, b) => compared(column.value(a), column.value(b), way) || a.index - b.index);
    this.body.replaceChildren(...shown.map((group) => this.rows[group.index]));
    for (const [name, head] of this.heads) {
      if (name === key)
        head.setAttribute('aria-sort', way > 0 ? 'ascending' : 'descending');
      else
        head.removeAttribute('aria-sort');
    }
    for (const preset of this.presets)
      preset.button.setAttribute('aria-pressed', preset.key === key && preset.way === way);
    this.count.textContent = shown.length === this.groups.length ?
        many(shown.length, 'layer') :
        `${shown.length} of ${many(this.groups.length, 'layer')}`;
  }

  // Filters: each precision that occurs, and what was refused.
  filters() {
    const kinds = [...new Set(this.groups.map((group) => group.precision))].sort();
    const filters = [
      ['All', () => true],
      ...kinds.map((kind) => [PRECISIONS.get(kind) ?? kind, (group) => group.precision === kind]),
      ['Refused', (group) => group.refusal !== '']
    ].filter(([, only]) => this.groups.some(only));
    const choose = (only) => (event) => {
      this.only = only;
      for (const each of buttons) each.setAttribute('aria-pressed', each === event.currentTarget);
      this.show();
    };
    const buttons = filters.map(([text, only]) => {
      const count = h('span', {class: 'count'}, String(this.groups.filter(only).length));
      const attributes = {'aria-pressed': String(text === 'All'), onclick: choose(only)};
      return button(attributes, named(shortened(text, 20)), count);
    });
    return h('div', {class: 'chips', role: 'group', 'aria-label': 'Show'}, buttons);
  }

  draw(place) {
    this.presets =
        PRESETS.filter(([, key]) => this.columns.some((column) => column.key === key))
            .map(
                ([text, key, way]) =>
                    ({key, way, button: button({onclick: () => this.sortBy(key, way)}, text)}));
    this.count = h('span', {class: 'aside', role: 'status'});
    this.body = h('tbody');
    const search = h('input', {
      type: 'search',
      id: 'search',
      placeholder: 'name, op, reason …',
      'aria-label': 'Search layers',
      oninput: () => {
        this.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
        this.show();
      }
    });
    replace(
        place, h('div', {class: 'tools'}, search, this.filters(), this.count),
        h('div', {class: 'chips', role: 'group', 'aria-label': 'Order'},
          this.presets.map(({button}) => button)),
        h('div', {class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'layers-title'},
          h('table', {class: 'layers'}, this.head(), this.body)));
    this.show();
  }
}

function drawTable(report) {
  if (report.groups.length)
    new LayerTable(report).draw(at('layers-body'));
  else
    replace(at('layers-body'), h('p', {class: 'nothing'}, 'The report has no layers.'));
}
