// The columns of the table of layers: what they show, and by what they sort.

const column = (key, label, more) =>
    ({key, label, value: (group) => group[key], show: (group) => group[key] ?? NONE, ...more});
// `minor` columns are left out on a phone, and where no layer has a value; `down`: largest first.
const numbers = (key, label, unit, digits, more) => column(key, label, {
  unit,
  show: (group) => fixed(group[key], digits),
  number: true,
  minor: true,
  down: true,
  ...more
});

function gainText(group) {
  if (group.gain_us === null) return NONE;
  return h('span', {class: group.gain_us > 0 ? 'gain' : 'loss'}, signed(group.gain_us, 1));
}

const elements = (shape) => shape.reduce((product, side) => product * Math.max(side, 1), 1);

const COLUMNS = [
  column('index', '#', {number: true, minor: true}), column('name', 'Layer', {
    show: (group) => [layerLink(group, 40), h('span', {class: 'aside'}, shortened(group.op, 28))]
  }),
  column('precision', 'Runs in', {show: (group) => badge(group.precision)}),
  column('why', 'Why', {value: whyOf, show: (group) => named(whyOf(group)), minor: true}),
  numbers('float_us', 'Float', 'µs', 1), numbers('half_us', 'Float16', 'µs', 1),
  numbers('int8_us', 'INT8', 'µs', 1), numbers('quantize_us', 'Quant.', 'µs', 1),
  numbers('dequantize_us', 'Dequant.', 'µs', 1),
  numbers('gain_us', 'Gain', 'µs', 1, {show: gainText, minor: false, down: false}),
  numbers('sqnr_db', 'SQNR', 'dB', 1, {minor: false, down: false}),
  numbers('levels', 'Levels', 'of 256', 0, {down: false}), numbers('spread', 'Spread', '%', 1, {
    show: (group) => fixed(group.spread === null ? null : group.spread * 100, 1)
  }),
  numbers('macs', 'MACs', '', 0, {show: (group) => amount(group.macs)}),
  numbers(
      'shape', 'Makes', '', 0,
      {value: (group) => elements(group.shape), show: (group) => extent(group.shape)})
];

// One click: what the button says, the column, and 1 for ascending.
const PRESETS = [
  ['Running order', 'index', 1], ['Noisiest first', 'sqnr_db', 1],
  ['Slowest first', 'float_us', -1], ['INT8 loses most', 'gain_us', 1]
];

function classesOf({key, number, minor}) {
  return [`c-${key}`, number && 'number', minor && 'minor'].filter(Boolean).join(' ');
}

// What is not there stands last, whichever way the column is sorted.
function compared(a, b, way) {
  const [noA, noB] = [a === null || a === '', b === null || b === ''];
  if (noA || noB) return noA - noB;
  return way * (typeof a === 'string' ? a.localeCompare(b, 'en', {numeric: true}) : a - b);
}
