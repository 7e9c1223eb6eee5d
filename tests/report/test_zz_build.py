def test_build(study, image_cohort):
    assert study.run_dir.exists()
