// The one layer that is looked at: table, bars, graph and details follow it.

const followers = [];  // functions of the index, −1 for none

function selectLayer(index) {
  for (const follow of followers) follow(index);
}

function layerLink(group, room) {
  const attributes = {class: 'link', title: group.name, onclick: () => selectLayer(group.index)};
  return button(attributes, named(layerName(group.name, room)));
}

// Pairs of a layer's index and an element that shows it: marked while that layer is selected.
function marksSelection(elements) {
  followers.push((index) => {
    for (const [own, element] of elements) {
      element.classList.toggle('selected', own === index);
      if (own === index)
        element.setAttribute('aria-current', 'true');
      else
        element.removeAttribute('aria-current');
    }
  });
}
