# Generated from the options of the program; `python -m pytest tests/docs --update-docs` writes it.

_llmcli_words() {
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
    if [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == */ ]]; then compopt -o nospace 2>/dev/null; fi
}

_llmcli_paths() {
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen "$1" -- "$cur"))
}

_llmcli_text() {
    local IFS=$'\n'
    COMPREPLY=()
    if [[ $1 == @ && $cur == @* ]]; then
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -P @ -f -- "${cur#@}"))
    fi
}

_llmcli() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= word
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            ask | chat | batch | count | models | report | doctor | help) command=$word; break ;;
        esac
    done
    COMPREPLY=()
    case $command in
        ask)
            case $prev in
                --file | -f | --messages | --attachment | -a | --schema | --tools | --output | -O | --usage-file | --cacert | --cert | --cert-key | --api-key-file | --budget-file) _llmcli_paths -f ;;
                --system | -s | --template | -t) _llmcli_text @ ;;
                --param | -p | --base-url | --max-tokens | -M | --stop | --logit-bias | --metadata | --modalities | --option | -o | --header | -H | --price | --temperature | --top-p | --n | --seed | --presence-penalty | --frequency-penalty | --top-logprobs | --reasoning-effort | --verbosity | --service-tier | --user | --choices | --tool-choice | --repair | --gate | --exec | --tool-env | --max-turns | --tool-timeout | --timeout | --deadline | --retries | --max-reply | --max-cost | --cache-ttl | --session | --max-context-tokens | --keep-turns | --summary-model | --profile) _llmcli_text ;;
                --detail) _llmcli_words 'low high auto' ;;
                --model | -m | --fallback) _llmcli_words 'offline/echo offline/flaky openai/ azure/ anthropic/ gemini/ mistral/ groq/ deepseek/ xai/ openrouter/ together/ fireworks/ cerebras/ nvidia/ huggingface/ xroute/ ollama/ lmstudio/ vllm/ llamacpp/ sglang/ local/' ;;
                --api) _llmcli_words 'chat responses' ;;
                --format) _llmcli_words 'text json jsonl events' ;;
                --record | --replay) _llmcli_paths -d ;;
                --context) _llmcli_words 'window summarize error' ;;
                --ok) _llmcli_words 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--file -f --system -s --messages --template -t --param -p --attachment -a --detail --no-stdin --model -m --base-url --api --max-tokens -M --stop --logit-bias --metadata --modalities --option -o --header -H --stream --no-stream --price --temperature --top-p --n --seed --presence-penalty --frequency-penalty --logprobs --top-logprobs --reasoning-effort --verbosity --service-tier --user --store --schema --schema-multi --no-strict --json-mode --choices --tools --tool-choice --parallel-tool-calls --no-parallel-tool-calls --format --json --null -0 --extract -x --output -O --usage -u --usage-file --reasoning --render --no-render --dry-run --curl --repair --gate --exec --tool-env --max-turns --tool-timeout --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --max-cost --budget-file --cache --cache-ttl --record --replay --fallback --session --continue -c --context --max-context-tokens --keep-turns --summary-model --profile --ok --quiet -q --verbose -v --help -h --help-all'; fi ;;
            esac
            ;;
        chat)
            case $prev in
                --turns) _llmcli_words 'lines null jsonl' ;;
                --session | --max-context-tokens | --keep-turns | --summary-model | --param | -p | --base-url | --max-tokens | -M | --stop | --logit-bias | --metadata | --modalities | --option | -o | --header | -H | --price | --temperature | --top-p | --n | --seed | --presence-penalty | --frequency-penalty | --top-logprobs | --reasoning-effort | --verbosity | --service-tier | --user | --choices | --tool-choice | --repair | --exec | --tool-env | --max-turns | --tool-timeout | --timeout | --deadline | --retries | --max-reply | --max-cost | --cache-ttl | --profile) _llmcli_text ;;
                --context) _llmcli_words 'window summarize error' ;;
                --file | -f | --messages | --attachment | -a | --schema | --tools | --output | -O | --usage-file | --cacert | --cert | --cert-key | --api-key-file | --budget-file) _llmcli_paths -f ;;
                --system | -s | --template | -t) _llmcli_text @ ;;
                --detail) _llmcli_words 'low high auto' ;;
                --model | -m | --fallback) _llmcli_words 'offline/echo offline/flaky openai/ azure/ anthropic/ gemini/ mistral/ groq/ deepseek/ xai/ openrouter/ together/ fireworks/ cerebras/ nvidia/ huggingface/ xroute/ ollama/ lmstudio/ vllm/ llamacpp/ sglang/ local/' ;;
                --api) _llmcli_words 'chat responses' ;;
                --format) _llmcli_words 'text json jsonl events' ;;
                --record | --replay) _llmcli_paths -d ;;
                --ok) _llmcli_words 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--turns --keep-going --no-session --list --session --continue -c --context --max-context-tokens --keep-turns --summary-model --file -f --system -s --messages --template -t --param -p --attachment -a --detail --no-stdin --model -m --base-url --api --max-tokens -M --stop --logit-bias --metadata --modalities --option -o --header -H --stream --no-stream --price --temperature --top-p --n --seed --presence-penalty --frequency-penalty --logprobs --top-logprobs --reasoning-effort --verbosity --service-tier --user --store --schema --schema-multi --no-strict --json-mode --choices --tools --tool-choice --parallel-tool-calls --no-parallel-tool-calls --format --json --null -0 --extract -x --output -O --usage -u --usage-file --reasoning --render --no-render --dry-run --curl --repair --exec --tool-env --max-turns --tool-timeout --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --max-cost --budget-file --cache --cache-ttl --record --replay --fallback --profile --ok --quiet -q --verbose -v --help -h --help-all'; fi ;;
            esac
            ;;
        batch)
            case $prev in
                --output | -O | --id | --concurrency | -j | --rpm | --tpm | --patience | --limit | --max-failures | --keep | --into | --where | --write-each | --delimiter | --each | --poll | --shard | --param | -p | --base-url | --max-tokens | -M | --stop | --logit-bias | --metadata | --modalities | --option | -o | --header | -H | --price | --temperature | --top-p | --n | --seed | --presence-penalty | --frequency-penalty | --top-logprobs | --reasoning-effort | --verbosity | --service-tier | --user | --choices | --tool-choice | --repair | --timeout | --deadline | --retries | --max-reply | --max-cost | --cache-ttl | --profile) _llmcli_text ;;
                --on-change) _llmcli_words 'stop rerun keep' ;;
                --format) _llmcli_words 'text json jsonl csv tsv' ;;
                --input-format) _llmcli_words 'jsonl csv tsv json lines parquet' ;;
                --via) _llmcli_words 'batch' ;;
                --finish) _llmcli_words 'batch live stop' ;;
                --merge | --record | --replay) _llmcli_paths -d ;;
                --file | -f | --messages | --attachment | -a | --schema | --tools | --cacert | --cert | --cert-key | --api-key-file | --budget-file) _llmcli_paths -f ;;
                --system | -s | --template | -t) _llmcli_text @ ;;
                --detail) _llmcli_words 'low high auto' ;;
                --model | -m | --fallback) _llmcli_words 'offline/echo offline/flaky openai/ azure/ anthropic/ gemini/ mistral/ groq/ deepseek/ xai/ openrouter/ together/ fireworks/ cerebras/ nvidia/ huggingface/ xroute/ ollama/ lmstudio/ vllm/ llamacpp/ sglang/ local/' ;;
                --api) _llmcli_words 'chat responses' ;;
                --ok) _llmcli_words 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--output -O --id --concurrency -j --rpm --tpm --patience --ordered --limit --max-failures --fresh --retry-failed --on-change --dry-run --format --json --keep --into --safe-cells --null -0 --where --write-each --input-format --delimiter --no-header --each --via --no-wait --finish --recall --keep-files --poll --shard --merge --file -f --system -s --messages --template -t --param -p --attachment -a --detail --no-stdin --model -m --base-url --api --max-tokens -M --stop --logit-bias --metadata --modalities --option -o --header -H --stream --no-stream --price --temperature --top-p --n --seed --presence-penalty --frequency-penalty --logprobs --top-logprobs --reasoning-effort --verbosity --service-tier --user --store --schema --schema-multi --no-strict --json-mode --choices --tools --tool-choice --parallel-tool-calls --no-parallel-tool-calls --repair --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --max-cost --budget-file --cache --cache-ttl --record --replay --fallback --profile --ok --quiet -q --verbose -v --help -h --help-all'; else _llmcli_paths -f; fi ;;
            esac
            ;;
        count)
            case $prev in
                --truncate | --split | --overlap | --rows | --delimiter | --each | --param | -p | --base-url | --max-tokens | -M | --stop | --logit-bias | --metadata | --modalities | --option | -o | --header | -H | --price | --temperature | --top-p | --n | --seed | --presence-penalty | --frequency-penalty | --top-logprobs | --reasoning-effort | --verbosity | --service-tier | --user | --choices | --tool-choice | --repair | --gate | --exec | --tool-env | --max-turns | --tool-timeout | --timeout | --deadline | --retries | --max-reply | --max-cost | --cache-ttl | --session | --max-context-tokens | --keep-turns | --summary-model | --profile) _llmcli_text ;;
                --side) _llmcli_words 'head tail middle' ;;
                --input-format) _llmcli_words 'jsonl csv tsv json lines parquet' ;;
                --file | -f | --messages | --attachment | -a | --schema | --tools | --output | -O | --usage-file | --cacert | --cert | --cert-key | --api-key-file | --budget-file) _llmcli_paths -f ;;
                --system | -s | --template | -t) _llmcli_text @ ;;
                --detail) _llmcli_words 'low high auto' ;;
                --model | -m | --fallback) _llmcli_words 'offline/echo offline/flaky openai/ azure/ anthropic/ gemini/ mistral/ groq/ deepseek/ xai/ openrouter/ together/ fireworks/ cerebras/ nvidia/ huggingface/ xroute/ ollama/ lmstudio/ vllm/ llamacpp/ sglang/ local/' ;;
                --api) _llmcli_words 'chat responses' ;;
                --format) _llmcli_words 'text json jsonl events' ;;
                --record | --replay) _llmcli_paths -d ;;
                --context) _llmcli_words 'window summarize error' ;;
                --ok) _llmcli_words 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--raw --truncate --side --split --overlap --rows --input-format --delimiter --no-header --each --file -f --system -s --messages --template -t --param -p --attachment -a --detail --no-stdin --model -m --base-url --api --max-tokens -M --stop --logit-bias --metadata --modalities --option -o --header -H --stream --no-stream --price --temperature --top-p --n --seed --presence-penalty --frequency-penalty --logprobs --top-logprobs --reasoning-effort --verbosity --service-tier --user --store --schema --schema-multi --no-strict --json-mode --choices --tools --tool-choice --parallel-tool-calls --no-parallel-tool-calls --format --json --null -0 --extract -x --output -O --usage -u --usage-file --reasoning --render --no-render --dry-run --curl --repair --gate --exec --tool-env --max-turns --tool-timeout --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --max-cost --budget-file --cache --cache-ttl --record --replay --fallback --session --continue -c --context --max-context-tokens --keep-turns --summary-model --profile --ok --quiet -q --verbose -v --help -h --help-all'; fi ;;
            esac
            ;;
        models)
            case $prev in
                --base-url | --header | -H | --timeout | --deadline | --retries | --max-reply | --profile) _llmcli_text ;;
                --format) _llmcli_words 'text json jsonl' ;;
                --cacert | --cert | --cert-key | --api-key-file) _llmcli_paths -f ;;
                --ok) _llmcli_words 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--live --base-url --header -H --format --json --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --profile --ok --quiet -q --verbose -v --help -h --help-all'; fi ;;
            esac
            ;;
        report)
            case $prev in
                --html | --input) _llmcli_paths -f ;;
                --format) _llmcli_words 'text json jsonl' ;;
                --profile) _llmcli_text ;;
                --ok) _llmcli_words 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--html --input --format --json --profile --ok --quiet -q --verbose -v --help -h --help-all'; fi ;;
            esac
            ;;
        doctor)
            case $prev in
                *) if [[ $cur == -* ]]; then _llmcli_words '--offline --json --help -h --help-all'; fi ;;
            esac
            ;;
        help)
            case $prev in
                *) if [[ $cur == -* ]]; then _llmcli_words '--help -h --help-all'; else _llmcli_words 'ask prompt attachments templates models parameters output schemas labels tools batch input rows tables records resuming pace report via-batch recipes chat sessions context usage budgets count network servers local responses fallback cache rehearsing exits options config doctor completion help choices limits changes'; fi ;;
            esac
            ;;
        *)
            if [[ $cur == -* ]]; then _llmcli_words '--version -V --help -h --help-all'; else _llmcli_words 'ask chat batch count models report doctor help'; fi
            ;;
    esac
}

complete -F _llmcli llmcli
