"""The items of a list, found in text that is cut anywhere."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from llmcli.output.items import ItemScanner

TEXT = st.text(st.sampled_from(list('ab"\\{}[],: \n\té😀')), max_size=8)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
OTHERS = st.dictionaries(TEXT, VALUE, max_size=2)  # no key of these letters is "items"


@given(OTHERS, st.lists(VALUE, max_size=4), OTHERS, st.booleans(), st.sampled_from([None, 2]), st.data())
def test_every_item_is_found_wherever_the_text_is_cut(before, items, after, escaped, indent, data):
    text = json.dumps({**before, "items": items, **after}, ensure_ascii=escaped, indent=indent)
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    scanner = ItemScanner()
    found = [
        item
        for start, end in zip([0, *places], [*places, len(text)], strict=True)
        for item in scanner.feed(text[start:end])
    ]
    assert [json.loads(item) for item in found] == items


@given(st.lists(VALUE, min_size=1, max_size=4))
def test_an_item_is_found_with_the_character_that_ends_it(items):
    text = json.dumps({"items": items})
    scanner, found = ItemScanner(), []
    for end, character in enumerate(text, 1):
        if whole := scanner.feed(character):
            found += whole
            assert json.loads(text[: end - 1] + "]}") == {"items": [json.loads(item) for item in found]}
    assert len(found) == len(items)


def test_only_the_array_called_items_counts():
    scanner = ItemScanner()
    assert scanner.feed('{"notes": [1, 2], "more": {"items": [3]}, "items": [4, [5]]}') == ["4", "[5]"]


@given(st.text(st.sampled_from(list('"\\{}[],:items1 ')), max_size=40))
def test_what_is_no_json_does_no_harm(text):
    ItemScanner().feed(text)
