// Buttons inside drawn HTML: a click on anything with data-act becomes the event "select" with its data-* values.
element.addEventListener('click', (event) => {
  const target = event.target.closest('[data-act]');
  if (target) trigger('select', { ...target.dataset });
});
// A field with data-change says its new value in the same way, under that name, and shows it beside itself meanwhile.
element.addEventListener('change', (event) => {
  const { change, ...rest } = event.target.dataset;
  if (change) trigger('select', { act: change, value: event.target.value, ...rest });
});
element.addEventListener('input', (event) => {
  const output = event.target.dataset.change && event.target.parentElement.querySelector('output');
  if (output) output.textContent = event.target.value;
});
// The before/after slider: the range moves the edge between the two pictures.
element.addEventListener('input', (event) => {
  if (event.target.classList.contains('wipe')) {
    event.target.parentElement.style.setProperty('--cut', event.target.value + '%');
  }
});
