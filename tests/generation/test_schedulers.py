"""A name means one solver, on the noise schedule and the prediction of the weights, whatever was built before."""

import pytest

from generation.schedulers import SCHEDULERS, build_scheduler

SDXL = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "use_karras_sigmas": True,
}
MINIATURE = {
    **SDXL,
    "_class_name": "DDIMScheduler",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "clip_sample": True,
}


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("pristine", [SDXL, MINIATURE], ids=["sdxl", "miniature"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_name_keeps_what_belongs_to_the_weights(name, pristine):
    kept = dict(pristine)
    config = build_scheduler(name, pristine).config
    for key in ("beta_start", "beta_end", "beta_schedule", "prediction_type"):
        assert config[key] == pristine[key]
    if "timestep_spacing" in config:
        assert config["timestep_spacing"] == ("trailing" if "trailing" in name else pristine["timestep_spacing"])
    assert config.get("use_karras_sigmas", False) == ("Karras" in name)
    assert not config.get("clip_sample", False)
    assert pristine == kept
    scheduler = build_scheduler(name, pristine)
    scheduler.set_timesteps(8)
    assert len(scheduler.timesteps) == (15 if name == "Heun" else 8)


def test_names_differ():
    made = {(spec.class_name, *sorted(spec.options.items())) for spec in SCHEDULERS.values()}
    assert len(made) == len(SCHEDULERS)
