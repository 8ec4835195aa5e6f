"""`-t` in a batch: values as they stand in the row, what it names, and what is refused before a cent is spent."""

from __future__ import annotations

import json

import pytest

from llmcli.request.written import numeric


@pytest.fixture
def texts(cli):
    """The texts that a template makes of rows."""

    def run(template: str, *rows: object, argv: tuple[str, ...] = ()) -> list[str]:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        stdin = "\n".join(lines).encode()
        result = cli("batch", "-m", "offline/echo", "--ordered", "-t", template, *argv, stdin=stdin)
        assert result.code == 0, result
        records = [json.loads(line) for line in result.out.splitlines()]
        return [each["response"]["body"]["choices"][0]["message"]["content"] for each in records]

    return run


@pytest.fixture
def refusal(cli):
    """What run, rehearsal and count all say of a template, before anything is sent."""

    def run(template: str, *rows: object, argv: tuple[str, ...] = ()) -> str:
        stdin = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()
        fixed = ["-m", "offline/echo", "-t", template, *argv]
        result = cli("batch", *fixed, stdin=stdin)
        assert (result.code, result.out) == (2, "")
        first = result.err.splitlines()[0]
        assert cli("batch", "--dry-run", *fixed, stdin=stdin).err.splitlines() == [first]
        assert cli("count", "--rows", "-", *fixed, stdin=stdin).err.splitlines() == [first]
        return first.removeprefix("llmcli: usage: ")

    return run


# --- Values -------------------------------------------------------------------------------------------------

NUMBERS = ["1.0", "1e-7", "1", "0", "-0", "-0.0", "1.50", "100.00", "1E5", "1e400", "0.00001", "0.1", "12.25"]
NUMBERS += ["9223372036854775808", "18446744073709551616", "123456789012345678901234567890", "9" * 400]
NUMBERS += ["0.1234567890123456789", "-1e+2", "3.0e0", "100000000000000000000.0", "123456789012345678"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_prints_as_it_stands(texts, number):
    row = f'{{"x": {number}, "l": [{number}, 2], "o": {{"k": {number}}}, "one": 1}}'
    assert texts("{{ x }}", row) == [number]
    assert texts("{{ l }} {{ o }}", row) == [f'[{number},2] {{"k":{number}}}']
    assert texts("{{ l[0] }} {{ o.k }} {{ o['k'] }} {{ row.x }} {{ row['o'].k }}", row) == [
        " ".join([number] * 5)
    ]
    assert texts("{% for i in l %}{{ i }};{% endfor %}{{ one }}", row) == [f"{number};2;1"]
    assert texts("{% set y = x %}{{ y }} {{ x or 'none' }} {{ x|default(3) }}", row)[0].split()[0] == number
    assert texts("{{ l|join(', ') }} {{ l|first }}", row) == [f"{number}, 2 {number}"]


def test_a_number_reckons_as_a_number(texts):
    row = '{"x": 1.0, "y": 1.50, "big": 1e3, "l": [1.0, 0.50], "z": 0.0}'
    assert texts("{% if x > 0.5 %}{{ x }}{% endif %}", row) == ["1.0"]
    assert texts("{{ x + y }} {{ y * 2 }} {{ x == 1 }} {{ big|int }} {{ l|sum }} {{ l|max }}", row) == [
        "2.5 3 true 1000 1.5 1"
    ]
    assert texts("{{ 'yes' if y >= 1.5 and x < y else 'no' }} {{ x is number }}", row) == ["yes true"]
    assert texts("{% if z %}a{% else %}{{ z }}{% endif %} {{ 1.0 in l }} {{ x in [1] }}", row) == [
        "0.0 true true"
    ]
    assert texts("{{ range(x|int) }} {{ '%.2f'|format(y) }} {{ -x }}", row) == ["[0] 1.50 -1"]
    assert texts("{% for i in l|sort %}{{ i * 2 }} {% endfor %}", row) == ["1 2 "]
    assert texts("{{ x }} {{ missing or y }} {{ missing is defined }}", row) == ["1.0 1.50 false"]


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{ x }} {# x > 1 #} {% raw %}{{ x > 1 }}{% endraw %}", None),
        ("{{ x is defined }}{{ x|default(1) }}{{ x or y }}", None),
        ("{{- x > 1 -}}", "{{- (x|_plain if x is defined else x) > 1 -}}"),
        ("{{ f(a=x) }}", "{{ f(a=(x|_plain if x is defined else x)) }}"),
        (
            '{{ x.y["a b"] ~ "}} x" }}',
            '{{ (x.y["a b"]|_plain if x.y["a b"] is defined else x.y["a b"]) ~ "}} x" }}',
        ),
        ("{{ x[-1] }}", None),
    ],
)
def test_only_what_reckons_is_rewritten(template, made):
    assert numeric(template) == (template if made is None else made)


def test_the_row_is_the_whole_object(texts):
    row = {"First Name": "Ada", "e-mail": "a@b", "row": "mine", "prompt": "P"}
    assert texts('{{ row["First Name"] }} {{ row["e-mail"] }} {{ row["row"] }} {{ row.row }}', row) == [
        "Ada a@b mine mine"
    ]
    assert json.loads(texts("{{ row }}", row)[0]) == row


def test_a_null_of_a_row_is_a_value_of_a_template(texts):
    assert texts("{{ a }} {{ row }}", '{"a": null}') == ['null {"a":null}']


def test_a_field_wins_over_our_names(texts):
    assert texts("{{ input }}", {"prompt": "P", "input": "mine"}) == ["mine"]
    assert texts("{{ input }} {{ prompt }}", {"prompt": 4.0}) == ["4.0 4.0"]


@pytest.mark.parametrize("name", ["self", "template_name", "name", "loop", "env", "ctx", "kwargs", "source"])
def test_no_name_of_a_field_is_in_the_way(texts, name):
    assert texts("{{ x }} {{ row['" + name + "'] }}", {name: "mine", "x": 1}) == ["1 mine"]


# --- Where it stands ----------------------------------------------------------------------------------------


def test_a_template_that_mentions_neither_stands_before_the_prompt_as_in_ask(cli, texts):
    argv = ("-p", "lang=fr")
    asked = cli("ask", "-m", "offline/echo", "-t", "To {{ lang }}:", *argv, "Hello").out
    assert texts("To {{ lang }}:", {"prompt": "Hello", "x": 1}, argv=argv) == [asked.rstrip("\n")]
    assert asked == "To fr:\n\nHello\n"


def test_a_template_that_names_a_field_is_the_whole_text(texts):
    assert texts("{{ x }}", {"prompt": "Hello", "x": "X"}) == ["X"]
    assert texts("{{ prompt }}", {"prompt": "Hello"}) == ["Hello"]


def test_attachments_and_files_are_something_behind_it(cli, tmp_path):
    file = tmp_path / "f.txt"
    file.write_text("F")
    image = "https://example.com/a.png"
    stdin = b'{"x":1}'
    assert cli("batch", "-q", "-m", "offline/echo", "-t", "Say", "-f", str(file), stdin=stdin).code == 0
    assert cli("batch", "-q", "--dry-run", "-m", "gpt-4o", "-t", "Say", "-a", image, stdin=stdin).code == 0


# --- Refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [{"text": "a"}, {"text": "a", "prompt": None}, {"messages": []}])
def test_a_template_that_names_nothing_is_refused(refusal, row):
    assert refusal("Summarize:", row).startswith(
        "the template names no field of the rows (-t); the first row has {{ "
    )


def test_a_variable_that_is_undefined_in_the_first_row_is_refused(refusal):
    assert refusal("{{ text }} {{ titel }}", {"text": "a", "e-mail": 1}) == (
        "the template's variable titel is not defined (-t, line 1, column 15);"
        ' the first row has {{ text }}, {{ row["e-mail"] }}; or give it with -p NAME=VALUE'
    )
    assert "titel" in refusal('{{ row["titel"] }}', {"text": "a"})
    assert "input" in refusal("{{ input }}", {"text": "a"})


@pytest.mark.parametrize(
    "template", ['{{ x or "" }}{{ a }}', "{{ x|default('') }}{{ a }}", "{% if x %}{{ x }}{% endif %}{{ a }}"]
)
def test_what_may_be_missing_passes(texts, template):
    assert texts(template, {"a": "A"}, {"a": "A", "x": "X"}) == ["A", "XA"]


def test_an_undefined_variable_of_a_later_row_is_that_rows_error(cli):
    stdin = b'nope\n{"a":1}\n{"b":1}\n{"a":2}\n'
    argv = ["batch", "-q", "-m", "offline/echo", "--input-format", "jsonl", "--ordered"]
    result = cli(*argv, "-t", "{{ a }}", stdin=stdin)
    errors = [json.loads(line)["error"] for line in result.out.splitlines()]
    assert [error and error["code"] for error in errors] == ["invalid_json", None, "invalid_row", None]


@pytest.mark.parametrize(
    ("template", "braces"),
    [
        ("Say {text}", "{text}"),
        ("Say { text }", "{ text }"),
        ("Say ${text}", "{text}"),
        ("{{ x }} {text}", "{text}"),
        ("{text} {{ text }}", "{text}"),
    ],
)
def test_single_braces_around_a_field_are_refused(refusal, template, braces):
    assert refusal(template, {"text": "a", "x": 1, "prompt": "p"}) == (
        f"the template's {braces} is plain text, and text a field of the rows (-t);"
        f' write {{{{ text }}}}, or {{{{ "{braces}" }}}} for the text'
    )


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ('{{ "{text}" }} {{ text }}', "{text} a"),
        ("{% raw %}{text}{% endraw %}{{ text }}", "{text}a"),
        ('{"other": 1} {{ text }} {}', '{"other": 1} a {}'),
        ("{# {text} #}{{ text }}", "a"),
    ],
)
def test_other_braces_pass(texts, template, made):
    assert texts(template, {"text": "a"}) == [made]


def test_a_param_that_names_a_field_is_refused(refusal):
    assert refusal("{{ text }}", {"text": "a"}, argv=("-p", "text=b")) == (
        "-p text is a field of the rows, too; choose another name, or drop it"
    )
    assert refusal("{{ text }}", {"text": "a"}, argv=("-p", "row=b")).startswith(
        "-p row: row is the whole row"
    )
    assert refusal("{{ input }}", {"prompt": "a"}, argv=("-p", "input=b")).startswith(
        "-p input beside a prompt"
    )


def test_nothing_is_paid_or_written_for_a_template_that_is_refused(cli, server, tmp_path):
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b'{"text":"a"}\n' * 3)
    argv = ["batch", "--base-url", server.base_url, "-m", "x", str(source), "-O", str(out)]
    assert cli(*argv, "-t", "Say {text}").code == 2
    assert not server.requests
    assert not out.exists()


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ text[:5] }}", "Hello"),
        ("{{ text[-3:] }}", "rld"),
        ("{{ text[n[0]:][:2] }}", "el"),
        ("{{ row['text'][:1] }}", "H"),
        ("{{ (text ~ '!')[3:] }}", "lo world!"),
        ("{% for c in text[:2] %}{{ c }}.{% endfor %}", "H.e."),
    ],
)
def test_a_field_that_is_cut_to_a_part_is_named(cli, template, said):
    done = cli(
        *("batch", "-q", "-m", "offline/echo", "--format", "text", "-t", template),
        stdin=b'{"text": "Hello world", "n": [1]}\n',
    )
    assert (done.code, done.out, done.err) == (0, f"{said}\n", "")
