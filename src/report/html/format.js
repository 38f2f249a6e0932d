// Numbers as text. What is not there (null) is a dash.

const NONE = '–';
const decimals = [0, 1, 2, 3].map(
    (digits) => new Intl.NumberFormat(
        'en', {minimumFractionDigits: digits, maximumFractionDigits: digits}));

function fixed(value, digits) {
  if (value === null) return NONE;
  if (Math.abs(value) >= 1e9) return value.toExponential(1).replace('-', '−');
  return decimals[digits].format(value).replace(/^-(?=[\d.,]*[1-9])/, '−').replace(/^-/, '');
}

const signed = (value, digits) => (value > 0 ? '+' : '') + fixed(value, digits);

// At most three digits that count, and no zeros behind them: for what stands alone.
const significant = new Intl.NumberFormat('en', {maximumSignificantDigits: 3});
function plain(value) {
  if (value === null) return NONE;
  const size = Math.abs(value);
  return (size !== 0 && size < 0.001) || size >= 1e6 ?
      value.toExponential(1).replace(/-/g, '−').replace('e+', 'e') :
      significant.format(value).replace('-', '−');
}

// Three digits that count.
function short(value) {
  if (value === null) return NONE;
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return value.toExponential(1).replace(/-/g, '−');
  return fixed(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

function time(us) {
  if (us === null) return NONE;
  const size = Math.abs(us);
  if (size === 0) return '0 µs';
  if (size < 1000) return `${fixed(us, size < 100 ? 1 : 0)} µs`;
  return size < 1e6 ? `${short(us / 1000)} ms` : `${short(us / 1e6)} s`;
}

const gained = (us) => (us > 0 ? '+' : '') + time(us);
const milliseconds = (ms) => (ms === null ? NONE : time(ms * 1000));
const ratio = (value) => `${fixed(value, 2)}×`;
const decibels = (value) => (value === null ? NONE : `${fixed(value, 1)} dB`);

function percent(share, digits = 1) {
  if (share === null) return NONE;
  const value = share * 100;
  if (value === 0) return '0 %';
  return value > 0 && value < 0.01 ? '< 0.01 %' : `${fixed(value, value < 1 ? 2 : digits)} %`;
}

function scaled(value, units, base = 1000) {
  let step = 0;
  while (Math.abs(value) >= base && step + 1 < units.length) {
    value /= base;
    ++step;
  }
  return `${step === 0 ? fixed(value, 0) : short(value)} ${units[step]}`.trim();
}

const bytes = (value) => (value === null ? NONE : scaled(value, ['B', 'kB', 'MB', 'GB', 'TB']));
const amount = (value) => (value === null ? NONE : scaled(value, ['', 'k', 'M', 'G', 'T']));
// What there is of some facts, in a line.
const dotted = (...facts) => facts.filter((fact) => fact && fact !== NONE).join(' · ');
// −1: depends on the input.
const extent = (shape) =>
    (shape.length ? shape.map((side) => (side < 0 ? '?' : side)).join('×') : NONE);
const many = (count, what) => `${fixed(count, 0)} ${what}${count === 1 ? '' : 's'}`;

// A name of at most `room` characters: its head and, more telling, its tail.
function shortened(name, room) {
  const letters = Array.from(name);
  if (letters.length <= room) return name;
  const head = Math.floor(room / 4);
  return `${letters.slice(0, head).join('')}…${letters.slice(head + 1 - room).join('')}`;
}

// A layer's name in little room: what was fused to it stands in the same folder as a rule.
function layerName(name, room) {
  const [first, ...fused] = name.split(' + ');
  return shortened([first, ...fused.map((part) => part.split('/').at(-1))].join(' + '), room);
}
