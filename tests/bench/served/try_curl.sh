#!/bin/sh
# curl, as people write it.
say() { printf '{"client": "curl", "api": "%s", "case": "%s", "ok": %s, "took": 0, "came": ""}\n' "$1" "$2" "$3"; }
has() { case "$1" in *"$2"*) echo true ;; *) echo false ;; esac; }
ask() { curl -s -H "Authorization: Bearer $OPENAI_API_KEY" "$@"; }
CHAT='{"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]'
RESPONSES='{"model": "gpt-5", "input": "hello there"'
for api in chat responses; do
  case $api in
    chat) url="$OPENAI_BASE_URL/chat/completions" body="$CHAT" done='data: [DONE]' ;;
    responses) url="$OPENAI_BASE_URL/responses" body="$RESPONSES" done='event: response.completed' ;;
  esac
  case $PART in
    works)
      say $api answer "$(has "$(ask "$url" -d "$body}")" 'hello there')"
      say $api stream "$(has "$(ask -N "$url" -d "$body, \"stream\": true}")" "$done")"
      ;;
    limited) say $api 429 "$(has "$(ask -i --retry 1 "$url" -d "$body}")" 'retry-after: 1')" ;;
    broken) say $api broken "$(has "$(ask -N "$url" -d "$body, \"stream\": true}")" 'the connection broke')" ;;
    slow)
      ask -N --max-time 1 "$url" -d "$body, \"stream\": true}" >/dev/null
      say $api cancel "$([ $? = 28 ] && echo true || echo false)"
      ;;
  esac
done
