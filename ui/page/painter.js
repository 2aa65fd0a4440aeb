// A mask painted over a picture. props.value = {picture, ratio, stamp}: another stamp is a clean canvas. After each stroke the event "select" carries the mask
// as a PNG, white where it was painted. Nothing of it is kept in the page's value.
const SIDE = 512;
const easel = element.querySelector('.easel');
const tools = element.querySelector('.tools');
const image = element.querySelector('img');
const canvas = element.querySelector('canvas');
const brush = element.querySelector('input[type=range]');
const brushText = element.querySelector('output');
const pen = canvas.getContext('2d');
let erasing = false;
let last = null;
let shown = null;

function setUp() {
  const { picture, ratio, stamp } = props.value ?? {};
  if (stamp === shown) return;
  shown = stamp;
  easel.hidden = tools.hidden = !picture;
  if (!picture) return;
  image.src = picture;
  easel.style.aspectRatio = String(ratio);
  canvas.width = Math.round(ratio >= 1 ? SIDE : SIDE * ratio);
  canvas.height = Math.round(ratio >= 1 ? SIDE / ratio : SIDE);
}

function told() {
  brushText.textContent = brush.value + ' %';
}

function at(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * canvas.width, (event.clientY - box.top) / box.height * canvas.height];
}

function stroke(to) {
  pen.globalCompositeOperation = erasing ? 'destination-out' : 'source-over';
  pen.strokeStyle = '#22c3b0';
  pen.lineWidth = brush.value / 100 * Math.max(canvas.width, canvas.height);
  pen.lineCap = pen.lineJoin = 'round';
  pen.beginPath();
  pen.moveTo(...(last ?? to));
  pen.lineTo(to[0] + 0.01, to[1]);
  pen.stroke();
  last = to;
}

function send() {
  const mask = document.createElement('canvas');
  mask.width = canvas.width;
  mask.height = canvas.height;
  const ink = mask.getContext('2d');
  ink.drawImage(canvas, 0, 0);
  ink.globalCompositeOperation = 'source-in';
  ink.fillStyle = '#fff';
  ink.fillRect(0, 0, mask.width, mask.height);
  ink.globalCompositeOperation = 'destination-over';
  ink.fillStyle = '#000';
  ink.fillRect(0, 0, mask.width, mask.height);
  trigger('select', { mask: mask.toDataURL('image/png') });
}

canvas.addEventListener('pointerdown', (event) => {
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  last = null;
  stroke(at(event));
});
canvas.addEventListener('pointermove', (event) => {
  if (canvas.hasPointerCapture(event.pointerId)) stroke(at(event));
});
canvas.addEventListener('pointerup', send);
brush.addEventListener('input', told);
tools.addEventListener('click', (event) => {
  const tool = event.target.closest('[data-tool]');
  if (tool?.dataset.tool === 'erase') {
    erasing = !erasing;
    tool.setAttribute('aria-pressed', String(erasing));
  } else if (tool) {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    send();
  }
});
watch('value', setUp);
setUp();
told();
