// A layered drawing of a graph, top to bottom (Sugiyama): ranks by longest path, edges over several
// ranks through way points, order by barycentres, places by least squares in each rank.

// Nodes are 0 … count − 1 in running order; edges [from, to] lead from lower to higher.
// Start reading here: `widths` of the nodes in pixels; gives x (centres), ranks, and way points.
function layered(count, edges, widths, gap) {
  const ranks = ranksOf(count, edges);
  const rows = Array.from({length: Math.max(0, ...ranks) + 1}, () => []);
  const nodes = [];
  const add = (rank, width) => {
    const node = {id: nodes.length, rank, width, up: [], down: [], x: 0};
    rows[rank].push(node);
    nodes.push(node);
    return node;
  };
  for (let i = 0; i < count; ++i) add(ranks[i], widths[i]);
  const ways = edges.map(([from, to]) => {
    const way = [nodes[from]];
    for (let rank = ranks[from] + 1; rank < ranks[to]; ++rank) way.push(add(rank, 10));
    way.push(nodes[to]);
    for (let i = 1; i < way.length; ++i) {
      way[i - 1].down.push(way[i]);
      way[i].up.push(way[i - 1]);
    }
    return way;
  });
  orderRows(rows);
  placeRows(rows, gap);
  return {
    x: nodes.slice(0, count).map((node) => node.x),
    ranks,
    ways: ways.map((way) => way.map((node) => ({x: node.x, rank: node.rank})))
  };
}

// The longest path from a source; sources go down to their readers.
function ranksOf(count, edges) {
  const ranks = new Array(count).fill(0);
  const lowest = new Array(count).fill(Infinity);
  const hasInput = new Array(count).fill(false);
  for (const [from, to] of [...edges].sort((a, b) => a[0] - b[0])) {
    ranks[to] = Math.max(ranks[to], ranks[from] + 1);
    hasInput[to] = true;
  }
  for (const [from, to] of edges) lowest[from] = Math.min(lowest[from], ranks[to]);
  return ranks.map(
      (rank, i) => (!hasInput[i] && Number.isFinite(lowest[i]) ? lowest[i] - 1 : rank));
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// Sweeps down and up: each rank is sorted by where its neighbours in the rank before stand.
function orderRows(rows) {
  const number = (row) => row.forEach((node, place) => (node.place = place));
  rows.forEach(number);
  for (let sweep = 0; sweep < 8; ++sweep) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      for (const node of row) {
        const beside = down ? node.up : node.down;
        node.wish = beside.length ? mean(beside.map((other) => other.place)) : node.place;
      }
      row.sort((a, b) => a.wish - b.wish || a.place - b.place);
      number(row);
    }
  }
}

// Each node as near as can be to its neighbours, no two closer than `gap`.
function placeRows(rows, gap) {
  for (const row of rows) spread(row, row.map((_, i) => i * gap), gap);
  for (let sweep = 0; sweep < 24; ++sweep) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : [...rows].reverse()) {
      spread(
          row, row.map((node) => {
            const beside = down ? node.up : node.down;
            return beside.length ? mean(beside.map((other) => other.x)) : node.x;
          }),
          gap);
    }
  }
}

// The places nearest to `wishes` (least squares) that keep the order and the gaps: with the gaps
// taken off this is isotonic regression, by merging neighbours that are out of order.
function spread(row, wishes, gap) {
  const offsets = [];
  row.forEach(
      (node, i) =>
          offsets.push(i === 0 ? 0 : offsets[i - 1] + (row[i - 1].width + node.width) / 2 + gap));
  const blocks = [];
  wishes.forEach((wish, i) => {
    blocks.push({sum: wish - offsets[i], size: 1});
    while (blocks.length > 1 &&
           blocks.at(-2).sum / blocks.at(-2).size > blocks.at(-1).sum / blocks.at(-1).size) {
      const last = blocks.pop();
      blocks.at(-1).sum += last.sum;
      blocks.at(-1).size += last.size;
    }
  });
  let i = 0;
  for (const {sum, size} of blocks) {
    for (let k = 0; k < size; ++k, ++i) row[i].x = sum / size + offsets[i];
  }
}
