// The graph coloured by precision: a click on a node selects the layer, arrow keys walk along
// edges, marks on edges show where a tensor is converted.

const PRINTED_RANKS = 100;
const NODE = {
  width: 226,
  height: 40,
  step: 78,
  gap: 16,
  margin: 20
};

// Inputs of the network come first, then the groups; edges are [from, to, tensor].
function graphOf(report) {
  const inputs = report.tensors.filter(
      (tensor) => tensor.producer < 0 &&
          report.groups.some((group) => group.inputs.includes(tensor.index)));
  const nodes = [...inputs.map((tensor) => ({tensor})), ...report.groups.map((group) => ({group}))];
  const ofInput = new Map(inputs.map((tensor, i) => [tensor.index, i]));
  const edges = [];
  for (const group of report.groups) {
    for (const index of group.inputs) {
      const {producer} = report.tensors[index];
      const from = producer < 0 ? ofInput.get(index) : producer + inputs.length;
      const to = group.index + inputs.length;
      if (from < to) edges.push([from, to, report.tensors[index]]);  // else: no running order
    }
  }
  return {nodes, edges, first: inputs.length};
}

const precisionOfNode = (node) => (node.group ? node.group.precision : 'float32');

// What a node says: of a layer its op and time, of an input its shape.
function nodeTexts({group, tensor}) {
  if (!group) return {name: tensor.name, below: `input ${extent(tensor.shape)}`, kind: ''};
  return {
    name: group.name,
    below: dotted(shortened(group.op, 18), time(timeAsLabelled(group))),
    kind: PRECISIONS.get(group.precision) ?? '?'
  };
}

function nodeShape(node, x, y) {
  const {width, height} = NODE;
  const {name, below, kind} = nodeTexts(node);
  const label = [name, kind, below].filter(Boolean).join(', ');
  const attributes = node.group ?
      {class: `node of-${kindOf(node.group.precision)}`, role: 'button', tabindex: -1} :
      {class: 'node input', role: 'img'};
  const transform = `translate(${(x - width / 2).toFixed(1)} ${y})`;
  return s(
      'g', {...attributes, transform, 'aria-label': label}, s('title', null, label),
      s('rect', {class: 'box', width, height, rx: node.group ? 7 : 20}),
      node.group ? s('rect', {class: 'side', width: 6, height, rx: 3}) : null,
      s('text', {class: 'title', x: 15, y: 17}, layerName(name, 31)),
      s('text', {class: 'below', x: 15, y: 32}, below),
      s('text', {class: 'kind', x: width - 9, y: 32, 'text-anchor': 'end'}, kind));
}

const rankY = (rank) => NODE.margin + rank * NODE.step;

// A curve from the bottom of one node through way points to the top of another.
function edgePath(way, startX) {
  let [x, y] = [startX, rankY(way[0].rank) + NODE.height];
  let path = `M${x.toFixed(1)} ${y}`;
  for (const point of way.slice(1)) {
    const top = rankY(point.rank);
    const middle = (y + top) / 2;
    path +=
        `C${x.toFixed(1)} ${middle} ${point.x.toFixed(1)} ${middle} ${point.x.toFixed(1)} ${top}`;
    [x, y] = [point.x, top];
    if (point !== way.at(-1)) {
      y += NODE.height;
      path += `V${y}`;
    }
  }
  return path;
}

// Where a tensor leaves its maker as made and converted, the two start beside each other, on the
// sides that their readers are on: 1 where the converted one goes to the right, −1 to the left, 0
// where all readers want it converted.
function sidesOf(edges, isConverted, places) {
  const ends = new Map();
  edges.forEach((edge, i) => {
    const [, , tensor] = edge;
    const both = ends.get(tensor.index) ?? {made: [], converted: []};
    both[isConverted(edge) ? 'converted' : 'made'].push(places.ways[i][1].x);
    ends.set(tensor.index, both);
  });
  const sides = new Map();
  for (const [index, {made, converted}] of ends) {
    const side = mean(converted) < mean(made) ? -1 : 1;
    sides.set(index, made.length && converted.length ? side : 0);
  }
  return sides;
}

// A tensor is converted once, however many read it so: one mark.
function edgesOf(report, graph, places) {
  const marked = new Set();
  const isConverted = ([from, to, tensor]) => conversionOf(report, tensor) !== null &&
      (precisionOfNode(graph.nodes[from]) === 'int8') !==
          (precisionOfNode(graph.nodes[to]) === 'int8');
  const sides = sidesOf(graph.edges, isConverted, places);
  return graph.edges.map((edge, i) => {
    const [from, to, tensor] = edge;
    const way = places.ways[i];
    const conversion = conversionOf(report, tensor);
    const converted = isConverted(edge);
    const start = way[0].x + sides.get(tensor.index) * (converted ? 16 : -16);
    const ends = [from, to].map((node) => precisionOfNode(graph.nodes[node]));
    const form = tensor.precision === 'both' ? ends[converted ? 1 : 0] : tensor.precision;
    const path = s('path', {class: `edge of-${kindOf(form)}`, d: edgePath(way, start)});
    if (!converted || marked.has(tensor.index)) return [path];
    marked.add(tensor.index);
    return [path, conversionMark(conversion, start, rankY(way[0].rank) + NODE.height + 9)];
  });
}

function conversionMark({kind, us}, x, y) {
  const text = us === null ? kind : `${kind}, ${time(us)}`;
  return s(
      'g', {class: 'conversion', transform: `translate(${x.toFixed(1)} ${y})`},
      s('title', null, text), s('rect', {x: -9, y: -8, width: 18, height: 16, rx: 4}),
      s('text', {y: 4, 'text-anchor': 'middle'}, kind === 'quantize' ? 'Q' : 'D'));
}

// Arrow keys: along the edges up and down, to the neighbours of the same rank left and right.
function walker(graph, places) {
  return (own, key) => {
    if (key === 'ArrowUp') return graph.edges.find(([, to]) => to === own)?.[0];
    if (key === 'ArrowDown') return graph.edges.find(([from]) => from === own)?.[1];
    const beside = places.ranks.map((_, i) => i)
                       .filter((i) => places.ranks[i] === places.ranks[own])
                       .sort((a, b) => places.x[a] - places.x[b]);
    return beside[beside.indexOf(own) + (key === 'ArrowRight' ? 1 : -1)];
  };
}

function connectNodes(graph, places, shapes) {
  const next = walker(graph, places);
  shapes.forEach((shape, i) => {
    const {group} = graph.nodes[i];
    if (!group) return;
    shape.addEventListener('click', () => selectLayer(group.index));
    shape.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ')
        selectLayer(group.index);
      else if (event.key.startsWith('Arrow'))
        shapes[next(i, event.key)]?.focus();
      else
        return;
      event.preventDefault();
    });
  });
  shapes[graph.first]?.setAttribute('tabindex', '0');
  const groups = shapes.slice(graph.first);
  marksSelection(groups.map((shape, index) => [index, shape]));
  followers.push(
      (index) => groups.forEach(
          (shape, i) => shape.setAttribute('tabindex', i === Math.max(index, 0) ? '0' : '-1')));
}

function graphLegend(report) {
  const kinds = [...new Set(report.groups.map((group) => kindOf(group.precision)))];
  const mark = (letter, text) => h('li', null, h('span', {class: 'key-mark'}, letter), text);
  return legend(
      kinds.map((kind) => [kind, PRECISIONS.get(kind) ?? 'other']), mark('Q', 'quantize'),
      mark('D', 'dequantize'));
}

function graphPicture(graph, places, ...children) {
  const all = [...places.x, ...places.ways.flat().map((point) => point.x)];
  const left = Math.min(...all) - NODE.width / 2 - NODE.margin;
  const width = Math.max(...all) + NODE.width / 2 + NODE.margin - left;
  const height = rankY(Math.max(...places.ranks)) + NODE.height + NODE.margin;
  const label = 'Layers and tensors; arrow keys walk along edges, Enter shows a layer';
  const viewBox = `${left.toFixed(0)} 0 ${width.toFixed(0)} ${height}`;
  return s(
      'svg', {viewBox, width: width.toFixed(0), height, role: 'group', 'aria-label': label},
      ...children);
}

function drawGraph(report) {
  const place = at('graph-body');
  const note = (kind, text) => h('p', {class: kind}, text);
  if (!report.groups.length) return replace(place, note('nothing', 'The report has no layers.'));
  const graph = graphOf(report);
  const widths = graph.nodes.map(() => NODE.width);
  const places = layered(graph.nodes.length, graph.edges, widths, NODE.gap);
  const shapes = graph.nodes.map((node, i) => nodeShape(node, places.x[i], rankY(places.ranks[i])));
  connectNodes(graph, places, shapes);
  const deep = Math.max(...places.ranks) > PRINTED_RANKS;
  const region = {tabindex: 0, role: 'region', 'aria-labelledby': 'graph-title'};
  const view =
      h('div', {class: deep ? 'graph deep' : 'graph', ...region},
        graphPicture(graph, places, edgesOf(report, graph, places), shapes));
  const leftOut = `Left out on paper: ${many(report.groups.length, 'layer')}.`;
  replace(place, graphLegend(report), view, deep ? note('nothing on-paper', leftOut) : null);
  view.scrollLeft = (view.scrollWidth - view.clientWidth) / 2;
}

// Brings a layer's node into the graph's window; on a phone the details would cover it.
function showInGraph(index) {
  const node = document.querySelectorAll('.node:not(.input)')[index];
  if (innerWidth <= 700) at('details').hidden = true;
  at('graph').scrollIntoView();
  node?.scrollIntoView({block: 'center', inline: 'center'});
  node?.focus({preventScroll: true});
}
