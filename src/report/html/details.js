// One layer in full, in a panel beside the page (below it on a phone): why it is what it is, its
// times, its tensors and weights. Escape closes it, and the focus goes back where it was.

const row = (label, value, note) => (value === NONE ? null : h('tr', null, h('th', {scope: 'row'}, label),
  h('td', {class: 'number'}, value), h('td', {class: 'aside'}, note)));

const rate = (macs, us) => (macs === null || !us ? '' : `${short(macs / us / 1e3)} GMAC/s`);

function timesPart(group) {
  const longest = Math.max(group.float_us ?? 0, group.half_us ?? 0, int8Total(group) ?? 0) || 1;
  const conversions = group.int8_us !== null || group.quantize_us > 0 || group.dequantize_us > 0;
  return [h('h3', null, 'Times and noise'), h('div', {class: 'bars'}, barsOf(group, longest)), h('table', {class: 'facts-table'}, h('tbody', null,
    row('Float', time(group.float_us), rate(group.macs, group.float_us)),
    row('Float16', time(group.half_us), rate(group.macs, group.half_us)),
    row('INT8', time(group.int8_us), rate(group.macs, group.int8_us)),
    conversions ? row('Quantize', time(group.quantize_us), 'for INT8 here') : null,
    conversions ? row('Dequantize', time(group.dequantize_us), 'for INT8 here') : null,
    row('Gain', group.gain_us === null ? NONE : gained(group.gain_us),
      group.spread === null ? '' : `spread ± ${percent(group.spread)}`),
    row('Noise', decibels(group.sqnr_db), 'SQNR of the outputs, this layer alone in INT8'),
    row('Work', group.macs === null ? NONE : `${amount(group.macs)} MAC`, '')))];
}

function tensorPart(report, index, role) {
  const tensor = report.tensors[index];
  const conversion = conversionOf(report, tensor);
  const form = tensor.precision === 'both' ? 'float and INT8' : PRECISIONS.get(tensor.precision) ?? tensor.precision;
  return h('section', {class: 'tensor'}, h('h3', null, role, ' ', named(shortened(tensor.name, 60), {title: tensor.name})),
    h('p', {class: 'aside'}, [extent(tensor.shape), form, conversion && conversion.us !== null ? `one ${conversion.kind} of ${time(conversion.us)}` : '']
      .filter((part) => part && part !== NONE).join(' · ')),
    tensor.histogram ? tensorHistogram(tensor, false) : h('p', {class: 'nothing'}, 'No histogram was kept.'),
    thresholdTable(tensor), levelsMeter(tensor));
}

function weightsPart(group) {
  if (!group.weights) return null;
  const facts = weightFacts(group.weights);
  return [h('h3', null, 'Weights'), weightHistogram(group, facts, false), h('p', {class: 'note'}, weightNote(facts))];
}

function whyPart(group) {
  const why = whyOf(group);
  const label = PRECISIONS.get(group.precision) ?? group.precision;
  return h('p', {class: 'why-box'}, badge(group.precision), ' ', why ? named(why) : `No reason was written down for ${label}.`);
}

class Details {
  constructor(report) {
    this.report = report;
    this.panel = at('details');
    this.panel.addEventListener('keydown', (event) => event.key === 'Escape' && selectLayer(-1));
    selection.followers.push((index) => (index < 0 ? this.close() : this.open(index)));
  }

  open(index) {
    if (this.panel.hidden) this.opener = document.activeElement;
    const group = this.report.groups[index];
    replace(this.panel, this.head(group), whyPart(group), timesPart(group), weightsPart(group),
      group.inputs.map((tensor) => tensorPart(this.report, tensor, 'Reads')),
      group.output === null ? null : tensorPart(this.report, group.output, 'Makes'));
    this.panel.hidden = false;
    document.body.classList.add('with-details');
    this.panel.scrollTop = 0;
    this.panel.focus({preventScroll: true});
  }

  head(group) {
    const {groups} = this.report;
    const to = (index, text, label) => h('button', {type: 'button', class: 'quiet', 'aria-label': label,
      disabled: !groups[index], onclick: () => selectLayer(index)}, text);
    return h('header', null,
      h('div', {class: 'tools'}, to(group.index - 1, '←', 'Layer before'), to(group.index + 1, '→', 'Layer after'),
        h('button', {type: 'button', class: 'quiet', onclick: () => showInGraph(group.index)}, 'In the graph'),
        h('button', {type: 'button', class: 'quiet close', 'aria-label': 'Close', onclick: () => selectLayer(-1)}, '✕')),
      h('h2', {id: 'details-title'}, named(group.name)),
      h('p', {class: 'aside'}, [`layer ${group.index}`, shortened(group.op, 40), extent(group.shape)].filter((part) => part && part !== NONE).join(' · ')));
  }

  close() {
    this.panel.hidden = true;
    document.body.classList.remove('with-details');
    if (this.opener?.isConnected) this.opener.focus();
  }
}
