"""Ctrl-C while a network is trained reaches the caller, and can be pressed again."""

import signal

import pytest
from small_training import cohort, tuned

from lightning_modules.torch_runtime import interruptible


def test_an_interrupted_training_is_a_keyboard_interrupt():
    def press(losses, epoch):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tuned(*cohort(), record=press, max_epochs=2)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_exit_stays_what_it_is():
    with pytest.raises(SystemExit), interruptible():
        raise SystemExit(3)
