// Buttons inside drawn HTML: a click on anything with data-act becomes the event "select" with its data-* values.
element.addEventListener('click', (event) => {
  const target = event.target.closest('[data-act]');
  if (target) trigger('select', { ...target.dataset });
});
// The before/after slider: the range moves the edge between the two pictures.
element.addEventListener('input', (event) => {
  if (event.target.classList.contains('wipe')) {
    event.target.parentElement.style.setProperty('--cut', event.target.value + '%');
  }
});
