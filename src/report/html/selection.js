// The one layer that is looked at: table, bars, graph and details follow it.

const selection = {index: -1, followers: []};

function selectLayer(index) {
  selection.index = index;
  for (const follow of selection.followers) follow(index);
}

function layerLink(group, room) {
  return h('button', {type: 'button', class: 'link', title: group.name, onclick: () => selectLayer(group.index)},
    named(shortened(group.name, room)));
}

// `element` shows layer `index`: it is marked while that layer is selected.
function marksSelection(elements) {
  selection.followers.push((index) => {
    for (const [own, element] of elements) {
      element.classList.toggle('selected', own === index);
      if (own === index) element.setAttribute('aria-current', 'true');
      else element.removeAttribute('aria-current');
    }
  });
}
