"""Templates: `-t` and `-p`."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Result


@pytest.fixture
def text(cli):
    """The user's text that a command line makes."""

    def run(*argv: str, **more: object) -> str:
        result = cli("ask", "--dry-run", *argv, **more)
        assert (result.code, result.err) == (0, "")
        [message] = json.loads(result.out)["messages"]
        return message["content"]

    return run


@pytest.mark.parametrize("template", ["", "{% if false %}x{% endif %}"])
def test_a_template_that_comes_to_nothing_leaves_no_blank_line(cli, template):
    assert cli("ask", "-m", "offline/echo", "-t", template, "q") == Result(0, "q\n", "")


def test_variables(text):
    assert text("-t", "Hello {{ name }}, {{ name | upper }}!", "-p", "name=Ada") == "Hello Ada, ADA!"


def test_the_input_is_prompt_and_pipe(text):
    assert text("-t", "Sum up: {{ input }}!", "a", "b") == "Sum up: a b!"
    assert text("-t", "Sum up: {{ input }}!", stdin=b"a\nb\n") == "Sum up: a\nb!"
    assert text("-t", "Sum up: {{ input }}!", "a", stdin=b"b\n") == "Sum up: a\n\nb!"


def test_an_input_that_the_template_does_not_name_comes_after_it(text):
    assert text("-t", "Sum up in {{ lang }}:", "-p", "lang=French", stdin=b"a\n") == "Sum up in French:\n\na"


def test_a_template_alone_is_a_prompt(text):
    assert text("-t", "Hello there") == "Hello there"


def test_from_a_file_to_the_byte(text, tmp_path):
    (tmp_path / "t").write_text("  {% if a %}\n\ta{{ a }}  \n{% endif %}\n\n")
    assert text("-t", f"@{tmp_path}/t", "-p", "a=1") == "  \n\ta1  \n\n"


def test_from_stdin(text):
    assert text("-t", "@-", "-p", "a=1", stdin=b"a is {{ a }}") == "a is 1"


def test_values_are_not_escaped_and_are_no_templates(text):
    assert text("-t", "{{ a }}{{ input }}", "-p", "a=<b>&\"' {{ x }} {% if %}", "{{ y }}") == (
        "<b>&\"' {{ x }} {% if %}{{ y }}"
    )


def test_a_value_may_hold_an_equals_sign_and_be_empty(text):
    assert text("-t", "{{ a }}|{{ b }}|", "-p", "a=x=y", "-p", "b=") == "x=y||"


def test_text_without_t_is_never_a_template(text):
    assert text("{{ name }} {% if %}") == "{{ name }} {% if %}"
    assert text(stdin=b"{{ name }}") == "{{ name }}"


def test_the_prompt_is_not_thrown_away_for_a_value_of_its_name(text, cli):
    assert text("-t", "<{{ input }}>", "-p", "input=value") == "<value>"
    result = cli("ask", "--dry-run", "-t", "{{ input }}", "-p", "input=value", stdin=b"prompt")
    assert result == Result(
        2, "", "llmcli: usage: -p input beside a prompt; {{ input }} is the prompt; drop one of them\n"
    )


def test_the_system_message_is_no_template(cli):
    result = cli("ask", "--dry-run", "-s", "{{ x }}", "-t", "{{ y }}", "-p", "y=1")
    assert [message["content"] for message in json.loads(result.out)["messages"]] == ["{{ x }}", "1"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "Hello {{ name }}",
            "the template's variable name is not defined (-t, line 1, column 10); give it with -p NAME=VALUE",
        ),
        (
            "a\n{% if name %}b{% endif %}",
            "the template's variable name is not defined (-t, line 2, column 7); give it with -p NAME=VALUE",
        ),
        (
            "{{ input }}",
            "the template's variable input is not defined (-t, line 1, column 4); give it with -p NAME=VALUE",
        ),
        (
            "{{ a.b }}",
            "the template's variable a.b is not defined (-t, line 1, column 4); give it with -p NAME=VALUE",
        ),
        (
            "Hé,\n  {{ name",
            (
                "the template is not valid: unexpected end of input, expected end of variable block"
                " (-t, line 2, column 6); see the Jinja syntax: {{ name }}"
            ),
        ),
        (
            "{% if %}",
            (
                "the template is not valid: unexpected end of block (-t, line 1, column 7);"
                " see the Jinja syntax: {{ name }}"
            ),
        ),
        ("{{ a | nothing }}", "the template fails: filter nothing is unknown (-t, line 1, column 8)"),
        (
            "{% include '/etc/passwd' %}",
            "the template fails: tried to include non-existing template '/etc/passwd' (-t, line 1, column 4)",
        ),
        (
            "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
            "the template does not come to an end (-t, line 1, column 39); make its loops shorter",
        ),
    ],
)
def test_a_template_that_is_none_is_refused_before_anything_is_sent(ask, server, template, message):
    assert ask("-t", template, "-p", "a=1") == Result(2, "", f"llmcli: usage: {message}\n")
    assert server.requests == []


@pytest.mark.parametrize("template", ["{{ ''.__class__ }}", "{{ a.__class__.__mro__ }}", "{{ a.format }}"])
def test_python_is_out_of_reach(ask, template):
    result = ask("-t", template, "-p", "a=1")
    assert (result.code, result.out) == (2, "")


def test_an_error_names_the_file(ask, tmp_path):
    (tmp_path / "t").write_text("\n{{ name }}")
    assert ask("-t", f"@{tmp_path}/t").err == (
        f"llmcli: usage: the template's variable name is not defined ({tmp_path}/t, line 2, column 4);"
        " give it with -p NAME=VALUE\n"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-p", "a=1", "hi"], "-p without a template; give it with -t"),
        (["-t", "x", "-p", "a"], "-p takes KEY=VALUE, not 'a'; write -p a=VALUE"),
        (["-t", "@/nowhere"], "cannot read /nowhere: No such file or directory; check the path"),
        (["-t", ""], "the prompt is empty; give a PROMPT, pipe text in, or name a file with -f"),
    ],
)
def test_flags_that_cannot_be_meant(ask, argv, message):
    assert ask(*argv) == Result(2, "", f"llmcli: usage: {message}\n")
