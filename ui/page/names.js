() => {
  // gradio calls every drop zone alike; a screen reader should hear what each is for.
  const names = {
    'photos': 'Add photos of one person',
    'template-file': 'Add a template in the place of photos',
    'adapter-file': 'Add the adapter of another recogniser',
    'pose-photo': 'Add the picture to take the pose from',
    'restore': 'Take the settings of a PNG made here',
  };
  const name = () => {
    for (const [id, words] of Object.entries(names)) {
      const button = document.querySelector(`#${id} .upload-container`);
      if (button && button.ariaLabel !== words) button.ariaLabel = words;
    }
  };
  new MutationObserver(name).observe(document.body, { childList: true, subtree: true });
  name();
  return [];
}
