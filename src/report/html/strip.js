// Where the engine spends its time: its layers in running order, each as wide as its time.

// Layers, and the conversions of what they make.
function timeSlices(report) {
  const converted = report.tensors.filter((tensor) => conversionOf(report, tensor)?.us);
  const slicesOf = (producer) =>
      converted.filter((tensor) => tensor.producer === producer)
          .map((tensor) => ({kind: 'convert', us: conversionOf(report, tensor).us}));
  const layers = report.groups.flatMap(
      (group) =>
          [{kind: kindOf(group.precision), us: timeAsLabelled(group) ?? 0},
           ...slicesOf(group.index)]);
  return [...slicesOf(-1), ...layers].filter(({us}) => us > 0);
}

function sliceRect({kind, us}, from, total) {
  const tall = kind === 'int8';
  return s('rect', {
    class: `fill-${kind}${us > total / 250 ? ' slice' : ''}`,
    x: `${from / total * 100}%`,
    width: `${us / total * 100}%`,
    y: tall ? '0' : '40%',
    height: tall ? '100%' : '60%'
  });
}

function strip(report) {
  const slices = timeSlices(report);
  const total = slices.reduce((sum, {us}) => sum + us, 0);
  if (!total) return null;
  const sums = new Map();
  let from = 0;
  const rects = slices.map((slice) => {
    const rect = sliceRect(slice, from, total);
    sums.set(slice.kind, (sums.get(slice.kind) ?? 0) + slice.us);
    from += slice.us;
    return rect;
  });
  const names = new Map([...PRECISIONS, ['convert', 'conversions']]);
  return h(
      'figure', {class: 'strip'},
      h('figcaption', null, 'Where its time goes: layers in running order, INT8 tall, float low'),
      s('svg', {'aria-hidden': 'true'}, rects),
      legend([...sums].map(([kind, us]) => [kind, `${names.get(kind) ?? kind} ${time(us)}`])));
}
