() => {
  // gradio calls every drop zone alike; a screen reader should hear what each is for.
  const names = {
    'photos': 'Add photos of one person',
    'template-file': 'Add a template in the place of photos',
    'adapter-file': 'Add the adapter of another recogniser',
    'pose-photo': 'Add the picture to take the pose from',
    'person-2': 'Add photos of person 2',
    'person-3': 'Add photos of person 3',
    'person-4': 'Add photos of person 4',
    'ground': 'Add the picture to work on',
    'mask': 'Add a mask, white where the picture may change',
    'pose-picture': 'Add the picture whose pose is followed',
    'canny-picture': 'Add the picture whose edges are followed',
    'depth-picture': 'Add the picture whose depth is followed',
    'lora-file': 'Add a LoRA',
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
