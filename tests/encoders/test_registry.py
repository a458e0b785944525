import pytest

from spotweave._encoders import known_encoders
from spotweave._encoders._registry import find_record


def test_known_encoders_are_sorted_and_complete():
    records = known_encoders()
    names = [r.name for r in records]
    assert names == sorted(set(names))
    wanted = {"uni", "uni2-h", "conch", "conch-v1.5", "virchow", "virchow2", "phikon", "phikon-v2", "h-optimus-0"}
    assert wanted | {"h-optimus-1", "h0-mini", "prov-gigapath", "hibou-b", "hibou-l", "resnet50"} <= set(names)


@pytest.mark.parametrize("record", known_encoders(), ids=lambda r: r.name)
def test_records_are_sound(record):
    assert record.hub_id.count("/") == 1
    assert record.page == f"https://huggingface.co/{record.hub_id}"
    assert record.licence
    assert record.n_features is not None
    assert record.n_features > 0
    assert all(0 < m < 1 for m in record.mean)
    assert all(0 < s < 1 for s in record.std)
    assert (record.builder == "callable") == bool(record.package) == (not record.timm_name)
    assert record.pooling != "cls+mean" or record.n_features % 2 == 0


@pytest.mark.parametrize("name", ["uni2-h", "UNI2-h", "Uni2_H", "uni2 h"])
def test_find_record_forgives_spelling(name):
    record = find_record(name)
    assert record is not None
    assert record.name == "uni2-h"


def test_find_record_knows_its_limits():
    assert find_record("uni3") is None
