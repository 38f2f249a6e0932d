// One layer in full, in a panel beside the page (below it on a phone): why it is what it is, its
// times, its tensors and weights. Escape closes it, and the focus goes back where it was.

function fact(label, value, note) {
  if (value === NONE) return null;
  const cells = [h('td', {class: 'number'}, value), h('td', {class: 'aside'}, note)];
  return h('tr', null, h('th', {scope: 'row'}, label), cells);
}

const rate = (macs, us) => (macs === null || !us ? '' : `${short(macs / us / 1e3)} GMAC/s`);

function timesPart(group) {
  const converts = group.int8_us !== null || group.quantize_us > 0 || group.dequantize_us > 0;
  const conversion = (label, us) => (converts ? fact(label, time(us), 'for INT8 here') : null);
  const speed = (label, us) => fact(label, time(us), rate(group.macs, us));
  const gain = group.gain_us === null ? NONE : gained(group.gain_us);
  const spread = group.spread === null ? '' : `spread ± ${percent(group.spread)}`;
  return [
    h('h3', null, 'Times and noise'), h('div', {class: 'bars'}, barsOf(group, longestOf([group]))),
    h('table', {class: 'facts-table'},
      h('tbody', null, speed('Float', group.float_us), speed('Float16', group.half_us),
        speed('INT8', group.int8_us), conversion('Quantize', group.quantize_us),
        conversion('Dequantize', group.dequantize_us), fact('Gain', gain, spread),
        fact('Noise', decibels(group.sqnr_db), 'SQNR of the outputs, this layer alone in INT8'),
        fact('Work', group.macs === null ? NONE : `${amount(group.macs)} MAC`, '')))
  ];
}

function tensorPart(report, index, role) {
  const tensor = report.tensors[index];
  const conversion = conversionOf(report, tensor);
  const form = tensor.precision === 'both' ? 'float and INT8' : PRECISIONS.get(tensor.precision);
  const cost = conversion?.us ? `${conversion.kind}d once, ${time(conversion.us)}` : '';
  const histogram = tensor.histogram ? tensorHistogram(tensor, false) :
                                       h('p', {class: 'nothing'}, 'No histogram was kept.');
  return h(
      'section', {class: 'tensor'},
      h('h3', null, role, ' ', named(shortened(tensor.name, 60), {title: tensor.name})),
      h('p', {class: 'aside'}, dotted(extent(tensor.shape), form ?? tensor.precision, cost)),
      histogram, thresholdTable(tensor), levelsMeter(tensor));
}

function weightsPart(group) {
  if (!group.weights) return null;
  const facts = weightFacts(group.weights);
  return [
    h('h3', null, 'Weights'), weightHistogram(group, facts, false),
    h('p', {class: 'note'}, weightNote(facts))
  ];
}

function whyPart(group) {
  const why = whyOf(group);
  const label = PRECISIONS.get(group.precision) ?? group.precision;
  return h(
      'p', {class: 'why-box'}, badge(group.precision), ' ',
      why ? named(why) : `No reason was written down for ${label}.`);
}

class Details {
  constructor(report) {
    this.report = report;
    this.panel = at('details');
    addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !this.panel.hidden) selectLayer(-1);
    });
    followers.push((index) => (index < 0 ? this.close() : this.open(index)));
  }

  open(index) {
    if (this.panel.hidden) this.opener = document.activeElement;
    const group = this.report.groups[index];
    replace(
        this.panel, this.head(group), whyPart(group), timesPart(group), weightsPart(group),
        group.inputs.map((tensor) => tensorPart(this.report, tensor, 'Reads')),
        group.output === null ? null : tensorPart(this.report, group.output, 'Makes'));
    this.panel.hidden = false;
    document.body.classList.add('with-details');
    this.panel.scrollTop = 0;
    this.panel.focus({preventScroll: true});
  }

  head(group) {
    const step = (index, text, label) => button(
        {
          class: 'quiet',
          'aria-label': label,
          disabled: !this.report.groups[index],
          onclick: () => selectLayer(index)
        },
        text);
    const close = {class: 'quiet close', 'aria-label': 'Close', onclick: () => selectLayer(-1)};
    const facts = dotted(`layer ${group.index}`, shortened(group.op, 40), extent(group.shape));
    return h(
        'header', null,
        h('div', {class: 'tools'}, step(group.index - 1, '←', 'Layer before'),
          step(group.index + 1, '→', 'Layer after'),
          button({class: 'quiet', onclick: () => showInGraph(group.index)}, 'In the graph'),
          button(close, '✕')),
        h('h2', {id: 'details-title'}, named(group.name)), h('p', {class: 'aside'}, facts));
  }

  close() {
    this.panel.hidden = true;
    document.body.classList.remove('with-details');
    if (this.opener?.isConnected) this.opener.focus();
  }
}
