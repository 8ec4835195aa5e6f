#!/usr/bin/env bash
# openai-harmony 0.0.8: a description of several lines is a comment on each line for a tool, on the first alone for a
# property of its parameters: the further lines stand bare in the type that the model reads, and are counted so.
# Also seen: the system message without a date, before "hi", makes a prompt of 57 tokens.
#
# The encoding's ranks are read from a file (no download): they are those that the litellm wheel carries for tiktoken.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check openai-harmony==0.0.8
"$work/venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$work" litellm==1.109.1
mkdir "$work/ranks"
"$work/venv/bin/python" - "$work" <<'PY'
import pathlib, sys, zipfile
work = pathlib.Path(sys.argv[1])
name = "litellm/litellm_core_utils/tokenizers/fb374d419588a4632f3f557e76b4b70aebbca790"
(work / "ranks/o200k_base.tiktoken").write_bytes(zipfile.ZipFile(next(work.glob("litellm*.whl"))).read(name))
PY
seen=$(TIKTOKEN_ENCODINGS_BASE=$work/ranks "$work/venv/bin/python" - <<'PY'
from openai_harmony import (
    Conversation, DeveloperContent, HarmonyEncodingName, Message, Role, SystemContent, ToolDescription,
    load_harmony_encoding,
)

encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
user = Message.from_role_and_content(Role.USER, "hi")


def rendered(first):
    return encoding.render_conversation_for_completion(Conversation.from_messages([first, user]), Role.ASSISTANT)


properties = {"a": {"type": "string", "description": "One.\nTwo."}}
tool = ToolDescription.new("f", "One.\nTwo.", parameters={"type": "object", "properties": properties})
developer = DeveloperContent.new().with_function_tools([tool])
text = encoding.decode_utf8(rendered(Message.from_role_and_content(Role.DEVELOPER, developer)))
print("\n".join(line for line in text.splitlines() if "One." in line or "Two." in line))
print(len(rendered(Message.from_role_and_content(Role.SYSTEM, SystemContent.new()))))
PY
)
expected='// One.
// Two.
// One.
Two.
57'
printf '%s\n' "$seen"
[[ $seen == "$expected" ]] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
