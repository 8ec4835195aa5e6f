"""Structured answers: what is sent, what is checked, what is printed, how it is mended."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from tests import server as wire
from tests.conftest import Result

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
ADA = '{"name": "Ada", "age": 36}'


def invalid(reason: str, where: str = "openai/tiny, request req_1") -> str:
    return f"llmcli: invalid: {reason} ({where}); try again, or let --repair N try\n"


@pytest.fixture
def sent(cli):
    """The `json_schema` of the request that a command line makes."""

    def run(*argv: str, **more: object) -> dict[str, object]:
        result = cli("ask", "--dry-run", *argv, "hi", **more)
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)["response_format"]["json_schema"]

    return run


# --- Three ways to say a schema -----------------------------------------------------------------------------


def test_a_field_may_begin_with_any_letter(cli):
    out = cli("ask", "--dry-run", "--schema", "\xe9t\xe9 int, _x", "hi").out
    schema = json.loads(out)["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"\xe9t\xe9": {"type": "integer"}, "_x": {"type": "string"}}


def test_a_schema_beside_a_response_format_is_refused(cli):
    argv = ["-m", "offline/echo", "--schema", "name", "-o", 'response_format={"type":"text"}', "hi"]
    assert cli("ask", *argv) == Result(
        2, "", "llmcli: usage: --schema and -o response_format exclude each other; drop one of them\n"
    )


def test_the_dsl(sent):
    assert sent("--schema", "name, age int, tall bool, height float: in metres, bio: one line") == {
        "name": "answer",
        "schema": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "age": {"type": "integer"},
                "tall": {"type": "boolean"},
                "height": {"type": "number", "description": "in metres"},
                "bio": {"type": "string", "description": "one line"},
            },
            "required": ["name", "age", "tall", "height", "bio"],
            "additionalProperties": False,
        },
        "strict": True,
    }


def test_the_dsl_on_lines_may_have_commas_in_descriptions(sent):
    schema = sent("--schema", "name\nbio: short, and true\n")["schema"]
    assert schema["properties"]["bio"] == {"type": "string", "description": "short, and true"}


def test_json_on_the_command_line(sent):
    assert sent("--schema", json.dumps(PERSON))["schema"] == {**PERSON, "additionalProperties": False}


@pytest.mark.parametrize("flag", ["{}/person.json", "{}/person", "@{}/person"])
def test_a_file(sent, tmp_path, flag):
    file = flag.format(tmp_path)
    Path(file.removeprefix("@")).write_text(json.dumps({"title": "A person!", **PERSON}))
    schema = sent("--schema", file)
    assert schema["name"] == "A_person_"
    assert schema["schema"]["properties"] == PERSON["properties"]


def test_from_stdin_which_is_no_prompt_then(cli):
    result = cli("ask", "--dry-run", "--schema", "-", "hi", stdin=json.dumps(PERSON).encode())
    body = json.loads(result.out)
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert body["response_format"]["json_schema"]["schema"]["properties"] == PERSON["properties"]


# --- Strict mode --------------------------------------------------------------------------------------------

DEEP = {
    "$defs": {"leaf": {"type": "object", "properties": {"v": {"type": "integer"}}}},
    "type": "object",
    "properties": {
        "one": {"anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}]},
        "many": {"type": "array", "items": {"type": "object", "properties": {"x": {"enum": ["y", 1]}}}},
        "properties": {"type": ["object", "null"], "properties": {"z": {"const": "object"}}},
    },
}
CLOSED = {
    "$defs": {
        "leaf": {
            "type": "object",
            "properties": {"v": {"type": ["integer", "null"]}},
            "additionalProperties": False,
            "required": ["v"],
        }
    },
    "type": "object",
    "properties": {
        "one": {"anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "null"}]},
        "many": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "properties": {
                    "x": {"anyOf": [{"type": ["string", "integer"], "enum": ["y", 1]}, {"type": "null"}]}
                },
                "additionalProperties": False,
                "required": ["x"],
            },
        },
        "properties": {
            "type": ["object", "null"],
            "properties": {"z": {"anyOf": [{"type": "string", "const": "object"}, {"type": "null"}]}},
            "additionalProperties": False,
            "required": ["z"],
        },
    },
    "additionalProperties": False,
    "required": ["one", "many", "properties"],
}


def test_strict_mode_closes_every_object(sent):
    assert sent("--schema", json.dumps(DEEP)) == {"name": "answer", "schema": CLOSED, "strict": True}


def test_no_strict_sends_the_schema_untouched(sent):
    schema = sent("--schema", json.dumps(DEEP), "--no-strict")
    assert schema == {"name": "answer", "schema": DEEP, "strict": False}


def test_an_answer_is_checked_against_the_users_schema_not_the_strict_one(ask, server):
    server.script = wire.ok('{"name": "Ada", "more": 1}')
    schema = json.dumps({**PERSON, "required": ["name"]})
    assert ask("--schema", schema, "hi") == Result(0, '{"name": "Ada", "more": 1}\n', "")


def test_a_list_keeps_its_definitions_and_its_references(sent):
    tree = {
        "$defs": {"name": {"type": "string"}},
        "type": "object",
        "properties": {
            "name": {"$ref": "#/$defs/name"},
            "children": {"type": "array", "items": {"$ref": "#"}},
        },
    }
    assert sent("--schema", json.dumps(tree), "--schema-multi", "--no-strict")["schema"] == {
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"$ref": "#/$defs/name"},
                        "children": {"type": "array", "items": {"$ref": "#/properties/items/items"}},
                    },
                },
            }
        },
        "required": ["items"],
        "$defs": {"name": {"type": "string"}},
    }


# --- Schemas that are none ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("", "--schema is empty; give it a value, or leave it out"),
        (
            "name, age number",
            "--schema: 'age number' is no field; write NAME [str|int|float|bool][: description], or name a file",
        ),
        (
            '{"type": "objekt"}',
            (
                '--schema is no valid JSON Schema: /type: "objekt" is not valid under any of the schemas listed in the'
                " 'anyOf' keyword; mend the schema"
            ),
        ),
        (
            '{"properties": {"a": {"minimum": "x"}}}',
            '--schema is no valid JSON Schema: /properties/a/minimum: "x" is not of type "number"; mend the schema',
        ),
        (
            '{"$ref": "#/$defs/nobody"}',
            "--schema is no valid JSON Schema: Pointer '/$defs/nobody' does not exist; mend the schema",
        ),
        (
            '{"$ref": "https://example.com/s.json"}',
            (
                "--schema is no valid JSON Schema: Resource 'https://example.com/s.json' is not present in a"
                " registry and retrieving it failed: ValueError: a schema must be whole, and"
                " https://example.com/s.json is not fetched;"
                " mend the schema"
            ),
        ),
        (
            '{"type": "object",\n "properties": {,}}',
            "--schema is not valid JSON: Expecting property name enclosed in double quotes: line 2 column 17 (char 35)",
        ),
        ("nobody.json", "cannot read nobody.json: No such file or directory; check the path"),
    ],
)
def test_a_schema_that_is_none_is_refused_before_anything_is_sent(ask, server, schema, message):
    assert ask("--schema", schema, "hi") == Result(2, "", f"llmcli: usage: {message}\n")
    assert server.requests == []


def test_a_broken_file_is_named_with_its_line(ask, tmp_path):
    file = tmp_path / "person.json"
    file.write_text('{\n  "type": "object",\n  "title" 1\n}\n')
    assert ask("--schema", str(file), "hi") == Result(
        2,
        "",
        f"llmcli: usage: --schema {file} is not valid JSON:"
        " Expecting ':' delimiter: line 3 column 11 (char 32)\n",
    )


def test_a_file_that_holds_no_schema(ask, tmp_path):
    (tmp_path / "list.json").write_text("[1]")
    assert ask("--schema", f"{tmp_path}/list.json", "hi") == Result(
        2, "", "llmcli: usage: --schema is no JSON Schema: it must be an object\n"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--schema-multi"], "--schema-multi without a schema; give it with --schema"),
        (["--no-strict"], "--no-strict without a schema; give it with --schema"),
        (
            ["--json-mode", "--schema", "a"],
            "--json-mode and --schema exclude each other; --schema alone asks for JSON",
        ),
    ],
)
def test_flags_that_do_not_go_together(ask, argv, message):
    assert ask(*argv, "hi") == Result(2, "", f"llmcli: usage: {message}\n")


# --- What comes back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_an_answer_that_fits(ask, server, how):
    server.script = wire.ok(ADA)
    assert ask(*how, "--schema", "name, age int", "hi") == Result(0, f"{ADA}\n", "")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            '{"name": "Ada", "age": "36"}',
            'the answer does not fit the schema: /age: "36" is not of type "integer"',
        ),
        ('{"name": "Ada"}', 'the answer does not fit the schema: "age" is a required property'),
        ("[]", 'the answer does not fit the schema: [] is not of type "object"'),
        ("Ada is 36.", "the answer is not valid JSON"),
        (ADA + ADA, "the answer is not valid JSON"),
        ('{"name": "Ada", "age": NaN}', "the answer is not valid JSON"),
        ("[" * 100_000, "the answer is not valid JSON"),
        (" ", "the answer is not valid JSON"),
    ],
)
@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_an_answer_that_does_not_fit_is_printed_and_is_exit_5(ask, server, how, answer, reason):
    server.script = wire.Ok(answer, size=10_000)
    assert ask(*how, "--schema", "name, age int", "hi") == Result(5, f"{answer}\n", invalid(reason))


def test_a_long_value_is_not_quoted_whole(ask, server):
    server.script = wire.Ok(json.dumps({"age": "x" * 5000}), size=10_000)
    error = ask("--schema", "age int", "hi").err
    assert error == invalid(
        f'the answer does not fit the schema: /age: "{"x" * 199}...{"x" * 174}" is not of type "integer"'
    )


def test_the_path_leads_into_lists(ask, server):
    server.script = wire.ok('{"items": [{"a": 1}, {"a": "x"}]}')
    assert ask("--schema", "a int", "--schema-multi", "hi") == Result(
        5,
        '{"a":1}\n{"a":"x"}\n',
        invalid('the answer does not fit the schema: /items/1/a: "x" is not of type "integer"'),
    )


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        ("{}", 0, None),
        ("[1]", 5, "the answer is JSON, but no object"),
        ("yes", 5, "the answer is not valid JSON"),
    ],
)
def test_json_mode(ask, server, answer, code, reason):
    server.script = wire.ok(answer)
    assert ask("--json-mode", "hi") == Result(code, f"{answer}\n", invalid(reason) if reason else "")
    assert server.requests[0].json["response_format"] == {"type": "json_object"}


def test_a_refusal_is_no_invalid_answer(ask, server):
    server.script = wire.ok(refusal="I will not.")
    assert ask("--schema", "name", "hi") == Result(
        4,
        "",
        "llmcli: refused: the model refused: I will not. (openai/tiny, request req_1); ask for something else\n",
    )


def test_an_answer_that_was_cut_is_incomplete_not_invalid(ask, server):
    server.script = wire.ok('{"name": "A', finish_reason="length")
    assert ask("--schema", "name", "--repair", "3", "hi") == Result(
        3,
        '{"name": "A\n',
        "llmcli: incomplete: the answer was cut at the token limit (openai/tiny, request req_1);"
        " raise -M/--max-tokens\n",
    )
    assert len(server.requests) == 1


def test_the_embedded_provider_fits_any_schema(cli):
    assert cli("ask", "-m", "offline/echo", "--schema", "name, age int, tall bool", "hi") == Result(
        0, '{"name":"example","age":1,"tall":true}\n', ""
    )


@pytest.mark.parametrize(
    "words",
    [
        '"minProperties":2',
        '"propertyNames":{"pattern":"^x"},"minProperties":1',
        '"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]}]',
        '"oneOf":[{"properties":{"a":{"const":1}},"required":["a"]},{"required":["b"]}]',
        '"if":{"required":["a"]},"else":{"required":["b"]}',
        '"properties":{"a":{"type":"string"}},"required":["a"],"minProperties":2',
    ],
)
def test_the_embedded_provider_fits_what_strict_mode_does_not_know(cli, words):
    argv = ["--no-strict", "--schema", f'{{"type":"object",{words}}}']
    done = cli("ask", "-m", "offline/echo", *argv, "hi")
    assert (done.code, done.err) == (0, "")


# --- Items --------------------------------------------------------------------------------------------------

ITEMS = [{"t": 'a "quote", [and] {more} \\'}, {"t": "é\n😀", "in": {"list": [1, [2, {"x": "]"}]]}}, {"t": ""}]


@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
@pytest.mark.parametrize("indent", [None, 2])
def test_items_are_printed_one_a_line(ask, server, how, indent):
    server.script = wire.Ok(json.dumps({"items": ITEMS}, indent=indent), size=3)
    result = ask(*how, "--schema", '{"type": "object"}', "--no-strict", "--schema-multi", "hi")
    assert (result.code, result.err) == (0, "")
    assert [json.loads(line) for line in result.out.splitlines()] == ITEMS


def test_an_item_is_printed_as_soon_as_it_is_whole_in_the_stream(process, server):
    hold = wire.Hold()
    server.script = wire.Ok(
        '{"items": [{"a": 1}, {"a": 2}]}', size=1, hold=hold, after=len('{"items": [{"a": 1},')
    )
    child = process.start(
        "ask", "--base-url", server.base_url, "-m", "tiny", "--schema", "a int", "--schema-multi", "hi"
    )
    assert child.stdout.readline() == b'{"a":1}\n'
    assert hold.reached.wait(10)
    hold.release()
    assert child.communicate(timeout=30) == (b'{"a":2}\n', b"")
    assert child.returncode == 0


def test_no_items_are_no_lines(ask, server):
    server.script = wire.ok('{"items": []}')
    assert ask("--schema", "a", "--schema-multi", "hi") == Result(0, "", "")


HOW = pytest.mark.parametrize("how", ["--stream", "--no-stream"])
MULTI = ("--schema", "a int", "--schema-multi")


@HOW
def test_whole_items_of_an_answer_that_was_cut_are_printed(ask, server, how):
    server.script = wire.ok('{"items": [{"a": 1}, {"a": 2}, {"a', finish_reason="length")
    result = ask(how, "--n", "2", *MULTI, "hi")
    assert (result.code, result.out) == (3, '{"a":1}\n{"a":2}\n' * 2)


@HOW
def test_null_ends_each_item(ask, server, how):
    server.script = wire.ok('{"items": [{"a": 1}, {"a": 2}]}')
    assert ask(how, "-0", *MULTI, "hi") == Result(0, '{"a":1}\0{"a":2}\0', "")
    server.script = wire.ok("none\n")
    assert ask(how, "-0", *MULTI, "hi").out == "none\n\0"


@HOW
def test_reasoning_is_shown_beside_items(ask, server, how):
    server.script = wire.ok('{"items": [{"a": 1}]}', reasoning="Let me see.")
    assert ask(how, "--reasoning", *MULTI, "hi") == Result(0, '{"a":1}\n', "Let me see.\n")


def test_several_choices_give_their_items_in_index_order(ask, server):
    server.script = wire.ok(['{"items": [{"a": 1}, {"a": 2}]}', '{"items": [{"a": 3}]}'])
    assert ask("--n", "2", "--schema", "a int", "--schema-multi", "hi").out == '{"a":1}\n{"a":2}\n{"a":3}\n'


def test_as_json_the_list_is_one_record(ask, server):
    server.script = wire.ok('{"items": [{"a": 1}]}')
    record = json.loads(ask("--format", "json", "--schema", "a int", "--schema-multi", "hi").out)
    assert record["choices"][0]["message"]["content"] == '{"items": [{"a": 1}]}'


# --- Repairs ------------------------------------------------------------------------------------------------

ASKED_AGAIN = dedent("""\
    That answer is not valid: the answer does not fit the schema: /age: "old" is not of type "integer"
    Answer again. Give only the corrected JSON, nothing else.""")


@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_an_answer_that_needs_two_repairs_arrives_valid(ask, server, how):
    server.script = [wire.ok("Ada, 36"), wire.ok('{"name": "Ada", "age": "old"}'), wire.ok(ADA)]
    assert ask(*how, "--schema", "name, age int", "--repair", "2", "-v", "hi") == Result(
        0,
        f"{ADA}\n",
        "llmcli: repair 1 of 2: the answer is not valid JSON\n"
        'llmcli: repair 2 of 2: the answer does not fit the schema: /age: "old" is not of type "integer"\n'
        "llmcli: request req_3, 1 attempt\n",
    )
    first, second, third = (request.json for request in server.requests)
    assert second["messages"][:2] == [*first["messages"], {"role": "assistant", "content": "Ada, 36"}]
    assert third["messages"][3:] == [
        {"role": "assistant", "content": '{"name": "Ada", "age": "old"}'},
        {"role": "user", "content": ASKED_AGAIN},
    ]
    assert {key: value for key, value in third.items() if key != "messages"} == {
        key: value for key, value in first.items() if key != "messages"
    }


def test_repairs_stop_and_the_last_answer_is_printed(ask, server):
    server.script = [wire.ok("1"), wire.ok("2"), wire.ok("3")]
    assert ask("--schema", "name", "--repair", "1", "hi") == Result(
        5,
        "2\n",
        'llmcli: invalid: the answer does not fit the schema: 2 is not of type "object"'
        " (openai/tiny, request req_2); the repair did not mend it: try another model, or a simpler schema\n",
    )
    assert len(server.requests) == 2


@pytest.mark.parametrize("how", [[], ["--no-stream"]], ids=["stream", "whole"])
def test_what_was_paid_before_a_repair_failed_is_told(ask, server, how, tmp_path):
    server.script = [wire.ok("no", usage=wire.usage(10, 1)), wire.status(400)]
    usage_file = tmp_path / "usage.jsonl"
    told = ("-u", "--usage-file", str(usage_file), "--price", "1,100")
    result = ask(*how, "--schema", "name", "--repair", "1", *told, "hi")
    assert result.code == 65
    assert "usage: 10 in (0 cached) + 1 out (0 reasoning) = 11 tokens, $0.000110, " in result.err
    assert json.loads(usage_file.read_text())["cost_usd"] == 0.00011


@pytest.mark.parametrize("form", ["json", "events"])
def test_usage_and_cost_are_those_of_all_attempts(ask, server, form):
    server.script = [
        wire.ok("no", usage=wire.usage(10, 1)),
        wire.ok("no", usage=wire.usage(20, 2, cached=5)),
        wire.ok(ADA, usage=wire.usage(30, 3)),
    ]
    result = ask("--format", form, "--schema", "name, age int", "--repair", "2", "--price", "1,100", "hi")
    record = json.loads(result.out if form == "json" else result.out.splitlines()[-1])
    assert record["usage"]["total_tokens"] == 33
    assert record["llmcli"]["usage"]["prompt_tokens"] == 60
    assert record["llmcli"]["usage"]["completion_tokens"] == 6
    assert record["llmcli"]["usage"]["prompt_tokens_details"] == {"cached_tokens": 5}
    assert record["llmcli"]["cost_usd"] == pytest.approx((60 * 1 + 6 * 100) / 1e6)


def test_events_show_the_answer_that_stands_alone(ask, server):
    server.script = [wire.ok("no"), wire.ok(ADA)]
    lines = ask("--format", "events", "--schema", "name, age int", "--repair", "1", "hi").out.splitlines()
    deltas = [choice["delta"] for line in lines[:-1] for choice in json.loads(line)["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == ADA


def test_a_stream_that_breaks_while_it_is_waited_for_shows_its_part(ask, server):
    server.script = wire.cut(wire.ok(ADA), -700)
    result = ask("--schema", "name, age int", "--repair", "2", "hi")
    assert result.code == 3
    assert ADA.startswith(result.out.rstrip("\n"))
    assert len(server.requests) == 1


def test_items_of_a_repaired_list(ask, server):
    server.script = [wire.ok('{"items": [{"a": "x"}]}'), wire.ok('{"items": [{"a": 1}]}')]
    assert ask("--schema", "a int", "--schema-multi", "--repair", "1", "hi") == Result(0, '{"a":1}\n', "")


def test_json_mode_is_repaired_too(ask, server):
    server.script = [wire.ok("no"), wire.ok("{}")]
    assert ask("--json-mode", "--repair", "1", "hi") == Result(0, "{}\n", "")


def test_a_refusal_is_not_repaired(ask, server):
    server.script = wire.ok(refusal="No.")
    assert ask("--schema", "name", "--repair", "2", "hi").code == 4
    assert len(server.requests) == 1


def test_llama_cpp_answers_what_the_schema_allows(cli, llama):
    schema = '{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}'
    argv = ["--base-url", llama, "-m", "tiny-bigram", "--seed", "1", "-M", "200", "--schema", schema, "hi"]
    result = cli("ask", *argv, env={"OPENAI_API_KEY": "sk-test"})
    assert result.code == 0, result.err
    assert isinstance(json.loads(result.out)["a"], bool)
