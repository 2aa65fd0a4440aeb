// The views as radio buttons and the pad on which the chosen head is put in its place.
// props.value = {view, size, x, y, aspect}: size is face height over the short side, x and y are fractions of the
// picture, aspect is width over height.
const FACE_HEIGHT = Number(element.querySelector('.place').dataset.faceHeight);
const pad = element.querySelector('.pad');
const head = element.querySelector('.pad .placed');
const size = element.querySelector('input[type=range]');
const sizeText = element.querySelector('output');
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
let shown = { ...props.value };

function draw() {
  const radio = element.querySelector(`input[type=radio][value="${shown.view}"]`);
  if (radio) radio.checked = true;
  size.value = shown.size;
  sizeText.textContent = Math.round(shown.size * 100) + ' %';
  const width = shown.aspect >= 1 ? 100 * shown.aspect : 100;
  const height = shown.aspect >= 1 ? 100 : 100 / shown.aspect;
  pad.setAttribute('viewBox', `0 0 ${width} ${height}`);
  pad.style.aspectRatio = `${width} / ${height}`;
  const drawing = element.querySelector(`label[data-view="${shown.view}"] .head`);
  if (drawing) head.innerHTML = drawing.outerHTML;
  const eyes = (shown.size * Math.min(width, height)) / FACE_HEIGHT;
  head.setAttribute('transform', `translate(${shown.x * width} ${shown.y * height}) scale(${eyes})`);
  pad.setAttribute('aria-valuetext',
    `${Math.round(shown.x * 100)} percent from the left, ${Math.round(shown.y * 100)} percent from the top`);
  pad.setAttribute('aria-valuenow', Math.round(shown.x * 100));
}

function keep(change) {
  shown = { ...shown, ...change };
  draw();
}

function tell() {
  props.value = { ...shown };
  trigger('change');
}

function moveTo(event) {
  const box = pad.getBoundingClientRect();
  keep({
    x: clamp((event.clientX - box.left) / box.width, 0, 1),
    y: clamp((event.clientY - box.top) / box.height, 0, 1),
  });
}

element.addEventListener('change', (event) => {
  if (event.target.type === 'radio') { keep({ view: event.target.value }); tell(); }
  if (event.target.type === 'range') { tell(); }
});
size.addEventListener('input', () => keep({ size: Number(size.value) }));
pad.addEventListener('pointerdown', (event) => {
  event.preventDefault();
  pad.focus();
  pad.setPointerCapture(event.pointerId);
  moveTo(event);
});
pad.addEventListener('pointermove', (event) => {
  if (pad.hasPointerCapture(event.pointerId)) moveTo(event);
});
pad.addEventListener('pointerup', tell);
pad.addEventListener('keydown', (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  keep({ x: clamp(shown.x + step[0] * 0.02, 0, 1), y: clamp(shown.y + step[1] * 0.02, 0, 1) });
  tell();
});
watch('value', () => {
  if (props.value) { shown = { ...shown, ...props.value }; draw(); }
});
draw();
