"""A site's limits reach the reader, or the server says what is wrong with them."""

from pathlib import Path

import pytest

from cloud.config import Config
from cloud.errors import ConfigInvalid
from cloud.infer.thresholds import ThresholdScheme
from cloud.site_files import site_thresholds


def test_without_a_file_the_general_limits_hold() -> None:
    """No setting, no surprise."""
    assert site_thresholds(Config()) == ThresholdScheme()


@pytest.mark.req("BEY-07")
def test_a_sites_file_is_used(tmp_path: Path) -> None:
    """The scheme of a reading is the site's, by its name and digest."""
    file = tmp_path / "limits.toml"
    file.write_text('name = "our clinic"\nversion = "3"\n\n[limits]\nventricle_mild_mm = 9.5\n')
    scheme = site_thresholds(Config(thresholds_file=file))
    assert (scheme.name, scheme.version) == ("our clinic", "3")
    assert scheme.sha256 != ThresholdScheme().sha256


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """A server does not start with limits that it does not understand."""
    file = tmp_path / "limits.toml"
    file.write_text('name = "our clinic"\nversion = "3"\n\n[limits]\nventricle_mild_mm = "wide"\n')
    with pytest.raises(ConfigInvalid, match="ventricle_mild_mm"):
        site_thresholds(Config(thresholds_file=file))
