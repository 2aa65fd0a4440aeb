// Style tiles are radio buttons; the chips above them show one group at a time. props.value is the style's name.
function sync() {
  for (const radio of element.querySelectorAll('input[type=radio]')) radio.checked = radio.value === props.value;
}

function show(group) {
  for (const chip of element.querySelectorAll('button[data-group]')) {
    chip.setAttribute('aria-pressed', String(chip.dataset.group === group));
  }
  for (const tile of element.querySelectorAll('label[data-group]')) {
    tile.hidden = group !== '' && tile.dataset.group !== group && tile.dataset.group !== '';
  }
  element.querySelector('.tiles').scrollTop = 0;
}

element.addEventListener('change', (event) => {
  if (event.target.type !== 'radio') return;
  props.value = event.target.value;
  trigger('change');
});
element.addEventListener('click', (event) => {
  const chip = event.target.closest('button[data-group]');
  if (chip) show(chip.dataset.group);
});
watch('value', sync);
sync();
show('');
