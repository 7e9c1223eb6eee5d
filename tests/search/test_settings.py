"""What Hydra offers on the command line is what a search takes, with the same defaults."""

from dataclasses import MISSING, fields

from her2.search.search_settings import SearchSettings
from hydra_plugins.her2_optuna_sweeper.sweeper import OptunaSweeperConf


def defaults(of: type) -> dict[str, object]:
    return {
        field.name: field.default_factory() if field.default is MISSING else field.default
        for field in fields(of)
    }


def test_the_command_line_and_the_search_have_the_same_settings():
    offered = defaults(OptunaSweeperConf)
    assert offered.pop("_target_").endswith(".OptunaSweeper")
    assert offered == defaults(SearchSettings)
    assert list(offered) == list(defaults(SearchSettings))
