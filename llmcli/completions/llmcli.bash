# Generated from the options of the program; `python -m pytest tests/docs --update-docs` writes it.

_llmcli_words() {
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
    if [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == */ ]]; then compopt -o nospace 2>/dev/null || true; fi
}

_llmcli_list() {
    local IFS=$' \t\n' before=
    if [[ $cur == *,* ]]; then before=${cur%,*},; fi
    COMPREPLY=($(compgen -P "$before" -W "$1" -- "${cur##*,}"))
}

_llmcli_models() {
    local named
    case $cur in
        anthropic/*) named='anthropic/claude-fable-5 anthropic/claude-fable-5-1 anthropic/claude-haiku-4-5 anthropic/claude-haiku-4-5-20251001 anthropic/claude-haiku-5-5 anthropic/claude-mythos-5 anthropic/claude-mythos-5-1 anthropic/claude-opus-4-5 anthropic/claude-opus-4-5-20251101 anthropic/claude-opus-4-6 anthropic/claude-opus-4-6-20260205 anthropic/claude-opus-4-7 anthropic/claude-opus-4-7-20260416 anthropic/claude-opus-4-8 anthropic/claude-opus-5 anthropic/claude-opus-5-5 anthropic/claude-sonnet-4-6 anthropic/claude-sonnet-5 anthropic/claude-sonnet-5-5' ;;
        azure/*) named='azure/computer-use-preview azure/eu/gpt-5.2-pro azure/gpt-3.5-turbo azure/gpt-35-turbo azure/gpt-4-0125-preview azure/gpt-4-1106-preview azure/gpt-4-turbo azure/gpt-4-turbo-2024-04-09 azure/gpt-4-turbo-vision-preview azure/gpt-4o-audio-preview-2024-12-17 azure/gpt-4o-mini-audio-preview-2024-12-17 azure/gpt-5.2-pro azure/gpt-5.2-pro-2025-12-11 azure/gpt-5.5-pro azure/gpt-5.5-pro-2026-04-23 azure/gpt-5.6 azure/gpt-6.1-terra azure/mistral-large-2402 azure/mistral-large-latest azure/o1-mini azure/o1-mini-2024-09-12 azure/us/gpt-5.2-pro' ;;
        cerebras/*) named='cerebras/gemma-4-31b cerebras/gpt-oss-120b cerebras/llama-3.1-70b cerebras/llama-3.1-8b cerebras/qwen-3.8-27b' ;;
        deepseek/*) named='deepseek/deepseek-coder deepseek/deepseek-flash deepseek/deepseek-r1 deepseek/deepseek-v3 deepseek/deepseek-v3.2 deepseek/deepseek-v4-flash deepseek/deepseek-v4-flash-vision-exp deepseek/deepseek-v4-pro' ;;
        fireworks/*) named='fireworks/accounts/fireworks/models/chronos-hermes-13b-v2 fireworks/accounts/fireworks/models/code-llama-13b fireworks/accounts/fireworks/models/code-llama-13b-instruct fireworks/accounts/fireworks/models/code-llama-13b-python fireworks/accounts/fireworks/models/code-llama-34b fireworks/accounts/fireworks/models/code-llama-34b-instruct fireworks/accounts/fireworks/models/code-llama-34b-python fireworks/accounts/fireworks/models/code-llama-70b fireworks/accounts/fireworks/models/code-llama-70b-instruct fireworks/accounts/fireworks/models/code-llama-70b-python fireworks/accounts/fireworks/models/code-llama-7b fireworks/accounts/fireworks/models/code-llama-7b-instruct fireworks/accounts/fireworks/models/code-llama-7b-python fireworks/accounts/fireworks/models/code-qwen-1p5-7b fireworks/accounts/fireworks/models/codegemma-2b fireworks/accounts/fireworks/models/codegemma-7b fireworks/accounts/fireworks/models/cogito-671b-v2-p1 fireworks/accounts/fireworks/models/cogito-v1-preview-llama-3b fireworks/accounts/fireworks/models/cogito-v1-preview-llama-70b fireworks/accounts/fireworks/models/cogito-v1-preview-llama-8b fireworks/accounts/fireworks/models/cogito-v1-preview-qwen-14b fireworks/accounts/fireworks/models/cogito-v1-preview-qwen-32b fireworks/accounts/fireworks/models/dbrx-instruct fireworks/accounts/fireworks/models/deepseek-coder-1b-base fireworks/accounts/fireworks/models/deepseek-coder-33b-instruct fireworks/accounts/fireworks/models/deepseek-coder-7b-base fireworks/accounts/fireworks/models/deepseek-coder-7b-base-v1p5 fireworks/accounts/fireworks/models/deepseek-coder-7b-instruct-v1p5 fireworks/accounts/fireworks/models/deepseek-coder-v2-instruct fireworks/accounts/fireworks/models/deepseek-coder-v2-lite-base fireworks/accounts/fireworks/models/deepseek-coder-v2-lite-instruct fireworks/accounts/fireworks/models/deepseek-prover-v2 fireworks/accounts/fireworks/models/deepseek-r1 fireworks/accounts/fireworks/models/deepseek-r1-0528 fireworks/accounts/fireworks/models/deepseek-r1-0528-distill-qwen3-8b fireworks/accounts/fireworks/models/deepseek-r1-basic fireworks/accounts/fireworks/models/deepseek-r1-distill-llama-70b fireworks/accounts/fireworks/models/deepseek-r1-distill-llama-8b fireworks/accounts/fireworks/models/deepseek-r1-distill-qwen-14b fireworks/accounts/fireworks/models/deepseek-r1-distill-qwen-1p5b fireworks/accounts/fireworks/models/deepseek-r1-distill-qwen-32b fireworks/accounts/fireworks/models/deepseek-r1-distill-qwen-7b fireworks/accounts/fireworks/models/deepseek-v2-lite-chat fireworks/accounts/fireworks/models/deepseek-v2p5 fireworks/accounts/fireworks/models/deepseek-v3 fireworks/accounts/fireworks/models/deepseek-v3-0324 fireworks/accounts/fireworks/models/deepseek-v3p1 fireworks/accounts/fireworks/models/deepseek-v3p1-terminus fireworks/accounts/fireworks/models/deepseek-v3p2 fireworks/accounts/fireworks/models/deepseek-v4p1-flash fireworks/accounts/fireworks/models/deepseek-v4p1-flash-1017 fireworks/accounts/fireworks/models/deepseek-v4p1-flash-1017-us fireworks/accounts/fireworks/models/devstral-small-2505 fireworks/accounts/fireworks/models/dobby-mini-unhinged-plus-llama-3-1-8b fireworks/accounts/fireworks/models/dobby-unhinged-llama-3-3-70b-new fireworks/accounts/fireworks/models/dolphin-2-9-2-qwen2-72b fireworks/accounts/fireworks/models/dolphin-2p6-mixtral-8x7b fireworks/accounts/fireworks/models/ember-1 fireworks/accounts/fireworks/models/ernie-4p5-21b-a3b-pt fireworks/accounts/fireworks/models/ernie-4p5-300b-a47b-pt fireworks/accounts/fireworks/models/fare-20b fireworks/accounts/fireworks/models/firefunction-v1 fireworks/accounts/fireworks/models/firefunction-v2 fireworks/accounts/fireworks/models/firellava-13b fireworks/accounts/fireworks/models/firesearch-ocr-v6 fireworks/accounts/fireworks/models/flux-1-dev fireworks/accounts/fireworks/models/flux-1-dev-controlnet-union fireworks/accounts/fireworks/models/flux-1-schnell fireworks/accounts/fireworks/models/gemma-2b-it fireworks/accounts/fireworks/models/gemma-3-27b-it fireworks/accounts/fireworks/models/gemma-7b fireworks/accounts/fireworks/models/gemma-7b-it fireworks/accounts/fireworks/models/gemma2-9b-it fireworks/accounts/fireworks/models/glm-4p5 fireworks/accounts/fireworks/models/glm-4p5-air fireworks/accounts/fireworks/models/glm-4p5v fireworks/accounts/fireworks/models/glm-4p6 fireworks/accounts/fireworks/models/glm-4p7 fireworks/accounts/fireworks/models/glm-5p1 fireworks/accounts/fireworks/models/glm-5p3 fireworks/accounts/fireworks/models/glm-5p3-flash fireworks/accounts/fireworks/models/gpt-oss-20b fireworks/accounts/fireworks/models/gpt-oss-safeguard-120b fireworks/accounts/fireworks/models/gpt-oss-safeguard-20b fireworks/accounts/fireworks/models/hermes-2-pro-mistral-7b fireworks/accounts/fireworks/models/internvl3-38b fireworks/accounts/fireworks/models/internvl3-78b fireworks/accounts/fireworks/models/internvl3-8b fireworks/accounts/fireworks/models/kat-coder fireworks/accounts/fireworks/models/kat-dev-32b fireworks/accounts/fireworks/models/kat-dev-72b-exp fireworks/accounts/fireworks/models/kimi-k2-instruct fireworks/accounts/fireworks/models/kimi-k2-instruct-0905 fireworks/accounts/fireworks/models/kimi-k2-thinking fireworks/accounts/fireworks/models/kimi-k2p5 fireworks/accounts/fireworks/models/kimi-k3 fireworks/accounts/fireworks/models/llama-guard-2-8b fireworks/accounts/fireworks/models/llama-guard-3-1b fireworks/accounts/fireworks/models/llama-guard-3-8b fireworks/accounts/fireworks/models/llama-v2-13b fireworks/accounts/fireworks/models/llama-v2-13b-chat fireworks/accounts/fireworks/models/llama-v2-70b fireworks/accounts/fireworks/models/llama-v2-70b-chat fireworks/accounts/fireworks/models/llama-v2-7b fireworks/accounts/fireworks/models/llama-v2-7b-chat fireworks/accounts/fireworks/models/llama-v3-70b-instruct fireworks/accounts/fireworks/models/llama-v3-70b-instruct-hf fireworks/accounts/fireworks/models/llama-v3-8b fireworks/accounts/fireworks/models/llama-v3-8b-instruct-hf fireworks/accounts/fireworks/models/llama-v3p1-405b-instruct fireworks/accounts/fireworks/models/llama-v3p1-405b-instruct-long fireworks/accounts/fireworks/models/llama-v3p1-70b-instruct fireworks/accounts/fireworks/models/llama-v3p1-70b-instruct-1b fireworks/accounts/fireworks/models/llama-v3p1-8b-instruct fireworks/accounts/fireworks/models/llama-v3p1-nemotron-70b-instruct fireworks/accounts/fireworks/models/llama-v3p2-11b-vision-instruct fireworks/accounts/fireworks/models/llama-v3p2-1b fireworks/accounts/fireworks/models/llama-v3p2-1b-instruct fireworks/accounts/fireworks/models/llama-v3p2-3b fireworks/accounts/fireworks/models/llama-v3p2-3b-instruct fireworks/accounts/fireworks/models/llama-v3p2-90b-vision-instruct fireworks/accounts/fireworks/models/llama-v3p3-70b-instruct fireworks/accounts/fireworks/models/llama4-maverick-instruct-basic fireworks/accounts/fireworks/models/llama4-scout-instruct-basic fireworks/accounts/fireworks/models/llamaguard-7b fireworks/accounts/fireworks/models/llava-yi-34b fireworks/accounts/fireworks/models/minimax-m1-80k fireworks/accounts/fireworks/models/minimax-m2 fireworks/accounts/fireworks/models/minimax-m2p1 fireworks/accounts/fireworks/models/minimax-m3 fireworks/accounts/fireworks/models/minimax-m3p1-flash fireworks/accounts/fireworks/models/ministral-3-14b-instruct-2512 fireworks/accounts/fireworks/models/ministral-3-3b-instruct-2512 fireworks/accounts/fireworks/models/ministral-3-8b-instruct-2512 fireworks/accounts/fireworks/models/mistral-7b fireworks/accounts/fireworks/models/mistral-7b-instruct-4k fireworks/accounts/fireworks/models/mistral-7b-instruct-v0p2 fireworks/accounts/fireworks/models/mistral-7b-instruct-v3 fireworks/accounts/fireworks/models/mistral-7b-v0p2 fireworks/accounts/fireworks/models/mistral-large-3-fp8 fireworks/accounts/fireworks/models/mistral-nemo-base-2407 fireworks/accounts/fireworks/models/mistral-nemo-instruct-2407 fireworks/accounts/fireworks/models/mistral-small-24b-instruct-2501 fireworks/accounts/fireworks/models/mixtral-8x22b fireworks/accounts/fireworks/models/mixtral-8x22b-instruct fireworks/accounts/fireworks/models/mixtral-8x22b-instruct-hf fireworks/accounts/fireworks/models/mixtral-8x7b fireworks/accounts/fireworks/models/mixtral-8x7b-instruct fireworks/accounts/fireworks/models/mixtral-8x7b-instruct-hf fireworks/accounts/fireworks/models/muse-spark-open fireworks/accounts/fireworks/models/mythomax-l2-13b fireworks/accounts/fireworks/models/nemotron-nano-v2-12b-vl fireworks/accounts/fireworks/models/nous-capybara-7b-v1p9 fireworks/accounts/fireworks/models/nous-hermes-2-mixtral-8x7b-dpo fireworks/accounts/fireworks/models/nous-hermes-2-yi-34b fireworks/accounts/fireworks/models/nous-hermes-llama2-13b fireworks/accounts/fireworks/models/nous-hermes-llama2-70b fireworks/accounts/fireworks/models/nous-hermes-llama2-7b fireworks/accounts/fireworks/models/nvidia-nemotron-nano-12b-v2 fireworks/accounts/fireworks/models/nvidia-nemotron-nano-9b-v2 fireworks/accounts/fireworks/models/openchat-3p5-0106-7b fireworks/accounts/fireworks/models/openhermes-2-mistral-7b fireworks/accounts/fireworks/models/openhermes-2p5-mistral-7b fireworks/accounts/fireworks/models/openorca-7b fireworks/accounts/fireworks/models/phi-2-3b fireworks/accounts/fireworks/models/phi-3-mini-128k-instruct fireworks/accounts/fireworks/models/phi-3-vision-128k-instruct fireworks/accounts/fireworks/models/phind-code-llama-34b-python-v1 fireworks/accounts/fireworks/models/phind-code-llama-34b-v1 fireworks/accounts/fireworks/models/phind-code-llama-34b-v2 fireworks/accounts/fireworks/models/pythia-12b fireworks/accounts/fireworks/models/qwen-qwq-32b-preview fireworks/accounts/fireworks/models/qwen-v2p5-14b-instruct fireworks/accounts/fireworks/models/qwen-v2p5-7b fireworks/accounts/fireworks/models/qwen1p5-72b-chat fireworks/accounts/fireworks/models/qwen2-72b-instruct fireworks/accounts/fireworks/models/qwen2-7b-instruct fireworks/accounts/fireworks/models/qwen2-vl-2b-instruct fireworks/accounts/fireworks/models/qwen2-vl-72b-instruct fireworks/accounts/fireworks/models/qwen2-vl-7b-instruct fireworks/accounts/fireworks/models/qwen2p5-0p5b-instruct fireworks/accounts/fireworks/models/qwen2p5-14b fireworks/accounts/fireworks/models/qwen2p5-1p5b-instruct fireworks/accounts/fireworks/models/qwen2p5-32b fireworks/accounts/fireworks/models/qwen2p5-32b-instruct fireworks/accounts/fireworks/models/qwen2p5-72b fireworks/accounts/fireworks/models/qwen2p5-72b-instruct fireworks/accounts/fireworks/models/qwen2p5-7b-instruct fireworks/accounts/fireworks/models/qwen2p5-coder-0p5b fireworks/accounts/fireworks/models/qwen2p5-coder-0p5b-instruct fireworks/accounts/fireworks/models/qwen2p5-coder-14b fireworks/accounts/fireworks/models/qwen2p5-coder-14b-instruct fireworks/accounts/fireworks/models/qwen2p5-coder-1p5b fireworks/accounts/fireworks/models/qwen2p5-coder-1p5b-instruct fireworks/accounts/fireworks/models/qwen2p5-coder-32b fireworks/accounts/fireworks/models/qwen2p5-coder-32b-instruct fireworks/accounts/fireworks/models/qwen2p5-coder-32b-instruct-128k fireworks/accounts/fireworks/models/qwen2p5-coder-32b-instruct-32k-rope fireworks/accounts/fireworks/models/qwen2p5-coder-32b-instruct-64k fireworks/accounts/fireworks/models/qwen2p5-coder-3b fireworks/accounts/fireworks/models/qwen2p5-coder-3b-instruct fireworks/accounts/fireworks/models/qwen2p5-coder-7b fireworks/accounts/fireworks/models/qwen2p5-coder-7b-instruct fireworks/accounts/fireworks/models/qwen2p5-math-72b-instruct fireworks/accounts/fireworks/models/qwen2p5-vl-32b-instruct fireworks/accounts/fireworks/models/qwen2p5-vl-3b-instruct fireworks/accounts/fireworks/models/qwen2p5-vl-72b-instruct fireworks/accounts/fireworks/models/qwen2p5-vl-7b-instruct fireworks/accounts/fireworks/models/qwen3-0p6b fireworks/accounts/fireworks/models/qwen3-14b fireworks/accounts/fireworks/models/qwen3-1p7b fireworks/accounts/fireworks/models/qwen3-1p7b-fp8-draft fireworks/accounts/fireworks/models/qwen3-1p7b-fp8-draft-131072 fireworks/accounts/fireworks/models/qwen3-1p7b-fp8-draft-40960 fireworks/accounts/fireworks/models/qwen3-235b-a22b fireworks/accounts/fireworks/models/qwen3-235b-a22b-instruct-2507 fireworks/accounts/fireworks/models/qwen3-235b-a22b-thinking-2507 fireworks/accounts/fireworks/models/qwen3-30b-a3b fireworks/accounts/fireworks/models/qwen3-30b-a3b-instruct-2507 fireworks/accounts/fireworks/models/qwen3-30b-a3b-thinking-2507 fireworks/accounts/fireworks/models/qwen3-32b fireworks/accounts/fireworks/models/qwen3-4b fireworks/accounts/fireworks/models/qwen3-4b-instruct-2507 fireworks/accounts/fireworks/models/qwen3-8b fireworks/accounts/fireworks/models/qwen3-coder-30b-a3b-instruct fireworks/accounts/fireworks/models/qwen3-coder-480b-a35b-instruct fireworks/accounts/fireworks/models/qwen3-coder-480b-instruct-bf16 fireworks/accounts/fireworks/models/qwen3-next-80b-a3b-instruct fireworks/accounts/fireworks/models/qwen3-next-80b-a3b-thinking fireworks/accounts/fireworks/models/qwen3-vl-235b-a22b-instruct fireworks/accounts/fireworks/models/qwen3-vl-235b-a22b-thinking fireworks/accounts/fireworks/models/qwen3-vl-30b-a3b-instruct fireworks/accounts/fireworks/models/qwen3-vl-30b-a3b-thinking fireworks/accounts/fireworks/models/qwen3-vl-32b-instruct fireworks/accounts/fireworks/models/qwen3-vl-8b-instruct fireworks/accounts/fireworks/models/qwen3p7-plus fireworks/accounts/fireworks/models/qwen3p8-max fireworks/accounts/fireworks/models/qwq-32b fireworks/accounts/fireworks/models/rolm-ocr fireworks/accounts/fireworks/models/snorkel-mistral-7b-pairrm-dpo fireworks/accounts/fireworks/models/stablecode-3b fireworks/accounts/fireworks/models/starcoder-16b fireworks/accounts/fireworks/models/starcoder-7b fireworks/accounts/fireworks/models/starcoder2-15b fireworks/accounts/fireworks/models/starcoder2-3b fireworks/accounts/fireworks/models/starcoder2-7b fireworks/accounts/fireworks/models/toppy-m-7b fireworks/accounts/fireworks/models/ultramarine-1-flash-us fireworks/accounts/fireworks/models/yi-34b fireworks/accounts/fireworks/models/yi-34b-200k-capybara fireworks/accounts/fireworks/models/yi-34b-chat fireworks/accounts/fireworks/models/yi-6b fireworks/accounts/fireworks/models/yi-large fireworks/accounts/fireworks/models/zephyr-7b-beta fireworks/accounts/fireworks/routers/auto fireworks/accounts/fireworks/routers/auto-instant fireworks/accounts/fireworks/routers/deepseek-v4p1-flash-1017-spot fireworks/accounts/fireworks/routers/deepseek-v4p1-flash-spot fireworks/accounts/fireworks/routers/deepseek-v4p1-flash-us fireworks/accounts/fireworks/routers/firerouter fireworks/accounts/fireworks/routers/glm-5p1-fast fireworks/accounts/fireworks/routers/glm-5p3-fast fireworks/accounts/fireworks/routers/glm-5p3-spot fireworks/accounts/fireworks/routers/glm-5p3-us fireworks/accounts/fireworks/routers/kimi-k3-fast fireworks/accounts/fireworks/routers/kimi-k3-spot fireworks/accounts/fireworks/routers/kimi-k3-us' ;;
        gemini/*) named='gemini/gemini-2.5-flash gemini/gemini-2.5-flash-lite gemini/gemini-2.5-pro gemini/gemini-3-flash-preview gemini/gemini-3.1-pro-preview gemini/gemini-3.1-pro-preview-customtools gemini/gemini-3.5-flash gemini/gemini-3.5-flash-lite gemini/gemini-3.6-flash gemini/gemini-3.7-flash gemini/gemini-3.8-flash gemini/gemini-4-argon gemini/gemini-exp-1114 gemini/gemini-exp-1206 gemini/gemini-flash-latest gemini/gemini-flash-lite-latest gemini/gemini-gemma-2-27b-it gemini/gemini-gemma-2-9b-it gemini/gemini-pro-latest gemini/gemini-robotics-er-2-preview gemini/gemma-3-27b-it gemini/gemma-4-26b-a4b-it gemini/gemma-4-31b-it gemini/learnlm-1.5-pro-experimental' ;;
        groq/*) named='groq/meta-llama/llama-prompt-guard-2-22m groq/meta-llama/llama-prompt-guard-2-86m groq/openai/gpt-oss-120b groq/openai/gpt-oss-20b groq/openai/gpt-oss-safeguard-20b groq/qwen/qwen3.8-27b' ;;
        mistral/*) named='mistral/codestral-2508 mistral/codestral-latest mistral/codestral-mamba-latest mistral/deepseek-v4-1-flash-1017 mistral/devstral-latest mistral/devstral-medium-latest mistral/devstral-small-latest mistral/glm-5-2 mistral/labs-leanstral-1-5-1 mistral/magistral-medium-latest mistral/magistral-small-latest mistral/ministral-14b-2512 mistral/ministral-14b-latest mistral/ministral-3-14b-2512 mistral/ministral-3-3b-2512 mistral/ministral-3-8b-2512 mistral/ministral-3b-2512 mistral/ministral-3b-latest mistral/ministral-8b-2512 mistral/ministral-8b-latest mistral/mistral-code-agent-latest mistral/mistral-code-fim-latest mistral/mistral-code-latest mistral/mistral-large-2512 mistral/mistral-large-3 mistral/mistral-large-4 mistral/mistral-large-4-0 mistral/mistral-large-latest mistral/mistral-medium mistral/mistral-medium-2604 mistral/mistral-medium-3 mistral/mistral-medium-3-5 mistral/mistral-medium-3.5 mistral/mistral-medium-latest mistral/mistral-small mistral/mistral-small-2603 mistral/mistral-small-latest mistral/mistral-tiny mistral/mistral-vibe-cli-fast mistral/mistral-vibe-cli-latest mistral/mistral-vibe-cli-with-tools mistral/open-mistral-nemo mistral/pixtral-large-latest mistral/voxtral-small-2507 mistral/voxtral-small-latest mistral/zai-glm-5 mistral/zai-glm-5-3 mistral/zai-glm-5-3-flash mistral/zai-glm-latest' ;;
        ollama/*) named='ollama/codegeex4 ollama/deepseek-coder-v2-instruct ollama/deepseek-coder-v2-lite-instruct ollama/internlm2_5-20b-chat ollama/llama2 ollama/llama3 ollama/llama3.1 ollama/mistral-7B-Instruct-v0.1 ollama/mistral-7B-Instruct-v0.2 ollama/mistral-large-instruct-2407 ollama/mixtral-8x22B-Instruct-v0.1 ollama/mixtral-8x7B-Instruct-v0.1' ;;
        openai/*) named='openai/chat-latest openai/daybreak-blue-latest openai/daybreak-red-latest openai/gpt-4o-mini-search-preview openai/gpt-4o-search-preview openai/gpt-5-search-api openai/gpt-5-search-api-2025-10-14 openai/gpt-5.2 openai/gpt-5.2-2025-12-11 openai/gpt-5.2-pro openai/gpt-5.2-pro-2025-12-11 openai/gpt-5.4 openai/gpt-5.4-2026-03-05 openai/gpt-5.4-mini openai/gpt-5.4-mini-2026-03-17 openai/gpt-5.4-pro openai/gpt-5.4-pro-2026-03-05 openai/gpt-5.5 openai/gpt-5.5-2026-04-23 openai/gpt-5.5-cyber openai/gpt-5.5-cyber-preview openai/gpt-5.5-pro openai/gpt-5.5-pro-2026-04-23 openai/gpt-5.6 openai/gpt-5.6-cyber openai/gpt-5.6-luna openai/gpt-5.6-sol openai/gpt-5.6-terra openai/gpt-6-astra openai/gpt-6-astra-law openai/gpt-6-cyber openai/gpt-6-luna openai/gpt-6-rosalind openai/gpt-6-sol openai/gpt-6.1-sol openai/gpt-6.1-terra openai/gpt-6.2-astra-law openai/gpt-audio-1.5 openai/gpt-daybreak-blue-latest openai/gpt-daybreak-red-latest openai/gpt-rosalind-discovery openai/gpt-rosalind-research' ;;
        together/*) named='together/MiniMaxAI/MiniMax-M2.7 together/MiniMaxAI/MiniMax-M3.1-Flash together/Prism-ML/Ternary-Bonsai-27B together/Qwen/Qwen2-1.5B-Instruct together/Qwen/Qwen2.5-14B-Instruct together/Qwen/Qwen2.5-72B-Instruct together/Qwen/Qwen2.5-7B-Instruct-Turbo together/Qwen/Qwen3.5-9B together/Qwen/Qwen3.6-Plus together/Qwen/Qwen3.7-Max together/Qwen/Qwen3.7-Plus together/Qwen/Qwen3.8-Flash together/arcee-ai/trinity-mini together/arize-ai/qwen-2-1.5b-instruct together/deepseek-ai/DeepSeek-R1-0528 together/deepseek-ai/DeepSeek-V3 together/deepseek-ai/DeepSeek-V4-Pro-0813 together/deepseek-ai/DeepSeek-V4.1-Flash together/deepseek-ai/DeepSeek-V4.1-Flash-1017 together/meta-llama/Llama-3.1-405B-Instruct together/meta-llama/Llama-3.2-1B-Instruct together/meta-llama/Llama-3.2-3B-Instruct together/meta-models/Muse-Glimmer-30B together/meta-models/Muse-Spark-Open-816B-A42B together/mistralai/Ministral-3-14B-Instruct-2512 together/mistralai/Mistral-7B-Instruct-v0.3 together/moonshotai/Kimi-K2-Instruct together/moonshotai/Kimi-K2.5-fp4 together/moonshotai/Kimi-K3 together/nvidia/NVIDIA-Nemotron-3.5-Super-VL together/openai/gpt-oss-120b together/reflection/Beam-1.0-501B-A23B together/together/Tev1-4B-experimental together/togethercomputer/CodeLlama-34b-Instruct together/zai-org/GLM-4.6 together/zai-org/GLM-5.2 together/zai-org/GLM-5.3 together/zai-org/GLM-5.3-Flash' ;;
        xai/*) named='xai/grok-4.20 xai/grok-4.20-0309 xai/grok-4.20-0309-non-reasoning xai/grok-4.20-0309-reasoning xai/grok-4.20-beta xai/grok-4.20-beta-0309 xai/grok-4.20-beta-0309-non-reasoning xai/grok-4.20-beta-0309-reasoning xai/grok-4.20-beta-latest xai/grok-4.20-beta-latest-non-reasoning xai/grok-4.20-beta-latest-reasoning xai/grok-4.20-beta-non-reasoning xai/grok-4.20-beta-reasoning xai/grok-4.20-experimental-beta-0304 xai/grok-4.20-experimental-beta-0304-non-reasoning xai/grok-4.20-experimental-beta-0304-reasoning xai/grok-4.20-experimental-beta-latest xai/grok-4.20-experimental-beta-non-reasoning-latest xai/grok-4.20-experimental-beta-reasoning-latest xai/grok-4.20-multi-agent xai/grok-4.20-multi-agent-0309 xai/grok-4.20-multi-agent-beta-0309 xai/grok-4.20-multi-agent-beta-latest xai/grok-4.20-multi-agent-experimental-beta-0304 xai/grok-4.20-multi-agent-experimental-beta-latest xai/grok-4.20-multi-agent-latest xai/grok-4.20-non-reasoning xai/grok-4.20-non-reasoning-gv2 xai/grok-4.20-non-reasoning-latest xai/grok-4.20-reasoning xai/grok-4.20-reasoning-gv2 xai/grok-4.20-reasoning-latest xai/grok-4.3 xai/grok-4.3-latest xai/grok-4.5 xai/grok-4.5-latest xai/grok-4.6 xai/grok-4.7 xai/grok-build-0.1 xai/grok-build-latest xai/grok-code-fast xai/grok-code-fast-1-0825' ;;
        offline/*) named='offline/echo offline/flaky' ;;
        */*) named= ;;
        *) named='chat-latest daybreak-blue-latest daybreak-red-latest gpt-4o-mini-search-preview gpt-4o-search-preview gpt-5-search-api gpt-5-search-api-2025-10-14 gpt-5.2 gpt-5.2-2025-12-11 gpt-5.2-pro gpt-5.2-pro-2025-12-11 gpt-5.4 gpt-5.4-2026-03-05 gpt-5.4-mini gpt-5.4-mini-2026-03-17 gpt-5.4-pro gpt-5.4-pro-2026-03-05 gpt-5.5 gpt-5.5-2026-04-23 gpt-5.5-cyber gpt-5.5-cyber-preview gpt-5.5-pro gpt-5.5-pro-2026-04-23 gpt-5.6 gpt-5.6-cyber gpt-5.6-luna gpt-5.6-sol gpt-5.6-terra gpt-6-astra gpt-6-astra-law gpt-6-cyber gpt-6-luna gpt-6-rosalind gpt-6-sol gpt-6.1-sol gpt-6.1-terra gpt-6.2-astra-law gpt-audio-1.5 gpt-daybreak-blue-latest gpt-daybreak-red-latest gpt-rosalind-discovery gpt-rosalind-research offline/echo offline/flaky openai/ azure/ anthropic/ gemini/ mistral/ groq/ deepseek/ xai/ openrouter/ together/ fireworks/ cerebras/ novita/ deepinfra/ nvidia/ huggingface/ xroute/ ollama/ lmstudio/ vllm/ llamacpp/ sglang/ local/' ;;
    esac
    _llmcli_words "$named"
}

_llmcli_sessions() {
    local IFS=$'\n' kept=${LLMCLI_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/llmcli}/sessions path
    _llmcli_paths -f
    for path in "$kept/$cur"*.jsonl; do
        if [[ -e $path ]]; then path=${path##*/}; COMPREPLY+=("${path%.jsonl}"); fi
    done
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
    if [[ $prev == @ ]]; then  # bash breaks a word behind it, and replaces both parts
        cur=@$cur prev=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
            ask | chat | batch | count | models | report | serve | doctor | completion | help) command=$word; break ;;
        esac
    done
    COMPREPLY=()
    case $command in
        ask)
            case $prev in
                --file | -f | --messages | --attachment | -a | --price | --schema | --tools | --output | -O | --usage-file | --mcp-config | --cacert | --cert | --cert-key | --api-key-file | --budget-file) _llmcli_paths -f ;;
                --system | -s | --template | -t) _llmcli_text @ ;;
                --param | -p | --base-url | --max-tokens | -M | --stop | --logit-bias | --metadata | --option | -o | --header | -H | --temperature | --top-p | --n | --seed | --presence-penalty | --frequency-penalty | --top-logprobs | --user | --choices | --repair | --gate | --exec | --mcp | --mcp-allow | --tool-env | --max-turns | --tool-timeout | --timeout | --deadline | --retries | --max-reply | --max-cost | --cache-ttl | --max-context-tokens | --keep-turns | --profile) _llmcli_text ;;
                --detail) _llmcli_words 'low high auto' ;;
                --model | -m | --fallback | --summary-model) _llmcli_models ;;
                --api) _llmcli_words 'chat responses' ;;
                --modalities) _llmcli_list 'text audio' ;;
                --reasoning-effort) _llmcli_words 'none minimal low medium high xhigh max' ;;
                --verbosity) _llmcli_words 'low medium high' ;;
                --service-tier) _llmcli_words 'auto default flex priority' ;;
                --tool-choice) _llmcli_words 'auto none required' ;;
                --format) _llmcli_words 'text json jsonl events' ;;
                --record | --replay) _llmcli_paths -d ;;
                --session) _llmcli_sessions ;;
                --context) _llmcli_words 'window summarize error' ;;
                --ok) _llmcli_list 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--file -f --system -s --messages --template -t --param -p --attachment -a --detail --no-stdin --model -m --base-url --api --max-tokens -M --stop --logit-bias --metadata --modalities --option -o --header -H --stream --no-stream --price --temperature --top-p --n --seed --presence-penalty --frequency-penalty --logprobs --top-logprobs --reasoning-effort --verbosity --service-tier --user --store --schema --schema-multi --no-strict --json-mode --choices --tools --tool-choice --parallel-tool-calls --no-parallel-tool-calls --format --json --null -0 --extract -x --output -O --usage -u --usage-file --reasoning --render --no-render --dry-run --curl --repair --gate --exec --mcp --mcp-config --mcp-allow --tool-env --max-turns --tool-timeout --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --max-cost --budget-file --cache --cache-ttl --record --replay --fallback --session --continue -c --context --max-context-tokens --keep-turns --summary-model --profile --ok --quiet -q --verbose -v --help -h --help-all'; fi ;;
            esac
            ;;
        chat)
            case $prev in
                --turns) _llmcli_words 'lines null jsonl' ;;
                --session) _llmcli_sessions ;;
                --context) _llmcli_words 'window summarize error' ;;
                --max-context-tokens | --keep-turns | --param | -p | --base-url | --max-tokens | -M | --stop | --logit-bias | --metadata | --option | -o | --header | -H | --temperature | --top-p | --n | --seed | --presence-penalty | --frequency-penalty | --top-logprobs | --user | --choices | --repair | --exec | --mcp | --mcp-allow | --tool-env | --max-turns | --tool-timeout | --timeout | --deadline | --retries | --max-reply | --max-cost | --cache-ttl | --profile) _llmcli_text ;;
                --summary-model | --model | -m | --fallback) _llmcli_models ;;
                --file | -f | --messages | --attachment | -a | --price | --schema | --tools | --output | -O | --usage-file | --mcp-config | --cacert | --cert | --cert-key | --api-key-file | --budget-file) _llmcli_paths -f ;;
                --system | -s | --template | -t) _llmcli_text @ ;;
                --detail) _llmcli_words 'low high auto' ;;
                --api) _llmcli_words 'chat responses' ;;
                --modalities) _llmcli_list 'text audio' ;;
                --reasoning-effort) _llmcli_words 'none minimal low medium high xhigh max' ;;
                --verbosity) _llmcli_words 'low medium high' ;;
                --service-tier) _llmcli_words 'auto default flex priority' ;;
                --tool-choice) _llmcli_words 'auto none required' ;;
                --format) _llmcli_words 'text json jsonl events' ;;
                --record | --replay) _llmcli_paths -d ;;
                --ok) _llmcli_list 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--turns --keep-going --no-session --list --session --continue -c --context --max-context-tokens --keep-turns --summary-model --file -f --system -s --messages --template -t --param -p --attachment -a --detail --no-stdin --model -m --base-url --api --max-tokens -M --stop --logit-bias --metadata --modalities --option -o --header -H --stream --no-stream --price --temperature --top-p --n --seed --presence-penalty --frequency-penalty --logprobs --top-logprobs --reasoning-effort --verbosity --service-tier --user --store --schema --schema-multi --no-strict --json-mode --choices --tools --tool-choice --parallel-tool-calls --no-parallel-tool-calls --format --json --null -0 --extract -x --output -O --usage -u --usage-file --reasoning --render --no-render --dry-run --curl --repair --exec --mcp --mcp-config --mcp-allow --tool-env --max-turns --tool-timeout --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --max-cost --budget-file --cache --cache-ttl --record --replay --fallback --profile --ok --quiet -q --verbose -v --help -h --help-all'; fi ;;
            esac
            ;;
        batch)
            case $prev in
                --output | -O | --share | --file | -f | --messages | --attachment | -a | --price | --schema | --tools | --cacert | --cert | --cert-key | --api-key-file | --budget-file) _llmcli_paths -f ;;
                --id | --rpm | --tpm | --patience | --limit | --max-failures | --into | --where | --write-each | --delimiter | --each | --poll | --shard | --workers | --param | -p | --base-url | --max-tokens | -M | --stop | --logit-bias | --metadata | --option | -o | --header | -H | --temperature | --top-p | --n | --seed | --presence-penalty | --frequency-penalty | --top-logprobs | --user | --choices | --repair | --timeout | --deadline | --retries | --max-reply | --max-cost | --cache-ttl | --profile) _llmcli_text ;;
                --concurrency | -j) _llmcli_words 'auto' ;;
                --on-change) _llmcli_words 'stop rerun keep' ;;
                --format) _llmcli_words 'text json jsonl csv tsv' ;;
                --keep) _llmcli_words 'all' ;;
                --input-format) _llmcli_words 'jsonl csv tsv json lines parquet' ;;
                --via) _llmcli_words 'batch' ;;
                --finish) _llmcli_words 'batch live stop' ;;
                --merge | --record | --replay) _llmcli_paths -d ;;
                --on) _llmcli_words 'ray' ;;
                --system | -s | --template | -t) _llmcli_text @ ;;
                --detail) _llmcli_words 'low high auto' ;;
                --model | -m | --fallback) _llmcli_models ;;
                --api) _llmcli_words 'chat responses' ;;
                --modalities) _llmcli_list 'text audio' ;;
                --reasoning-effort) _llmcli_words 'none minimal low medium high xhigh max' ;;
                --verbosity) _llmcli_words 'low medium high' ;;
                --service-tier) _llmcli_words 'auto default flex priority' ;;
                --tool-choice) _llmcli_words 'auto none required' ;;
                --ok) _llmcli_list 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--output -O --id --concurrency -j --rpm --tpm --patience --ordered --limit --max-failures --fresh --retry-failed --on-change --dry-run --format --json --keep --into --safe-cells --null -0 --where --write-each --input-format --delimiter --no-header --each --via --no-wait --finish --recall --keep-files --poll --shard --merge --share --on --workers --file -f --system -s --messages --template -t --param -p --attachment -a --detail --no-stdin --model -m --base-url --api --max-tokens -M --stop --logit-bias --metadata --modalities --option -o --header -H --stream --no-stream --price --temperature --top-p --n --seed --presence-penalty --frequency-penalty --logprobs --top-logprobs --reasoning-effort --verbosity --service-tier --user --store --schema --schema-multi --no-strict --json-mode --choices --tools --tool-choice --parallel-tool-calls --no-parallel-tool-calls --repair --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --max-cost --budget-file --cache --cache-ttl --record --replay --fallback --profile --ok --quiet -q --verbose -v --help -h --help-all'; else _llmcli_paths -f; fi ;;
            esac
            ;;
        count)
            case $prev in
                --truncate | --split | --overlap | --rows | --delimiter | --each | --param | -p | --base-url | --max-tokens | -M | --stop | --logit-bias | --metadata | --option | -o | --header | -H | --temperature | --top-p | --n | --seed | --presence-penalty | --frequency-penalty | --top-logprobs | --user | --choices | --repair | --gate | --exec | --mcp | --mcp-allow | --tool-env | --max-turns | --tool-timeout | --timeout | --deadline | --retries | --max-reply | --max-cost | --cache-ttl | --max-context-tokens | --keep-turns | --profile) _llmcli_text ;;
                --side) _llmcli_words 'head tail middle' ;;
                --input-format) _llmcli_words 'jsonl csv tsv json lines parquet' ;;
                --file | -f | --messages | --attachment | -a | --price | --schema | --tools | --output | -O | --usage-file | --mcp-config | --cacert | --cert | --cert-key | --api-key-file | --budget-file) _llmcli_paths -f ;;
                --system | -s | --template | -t) _llmcli_text @ ;;
                --detail) _llmcli_words 'low high auto' ;;
                --model | -m | --fallback | --summary-model) _llmcli_models ;;
                --api) _llmcli_words 'chat responses' ;;
                --modalities) _llmcli_list 'text audio' ;;
                --reasoning-effort) _llmcli_words 'none minimal low medium high xhigh max' ;;
                --verbosity) _llmcli_words 'low medium high' ;;
                --service-tier) _llmcli_words 'auto default flex priority' ;;
                --tool-choice) _llmcli_words 'auto none required' ;;
                --format) _llmcli_words 'text json jsonl events' ;;
                --record | --replay) _llmcli_paths -d ;;
                --session) _llmcli_sessions ;;
                --context) _llmcli_words 'window summarize error' ;;
                --ok) _llmcli_list 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--raw --truncate --side --split --overlap --rows --input-format --delimiter --no-header --each --file -f --system -s --messages --template -t --param -p --attachment -a --detail --no-stdin --model -m --base-url --api --max-tokens -M --stop --logit-bias --metadata --modalities --option -o --header -H --stream --no-stream --price --temperature --top-p --n --seed --presence-penalty --frequency-penalty --logprobs --top-logprobs --reasoning-effort --verbosity --service-tier --user --store --schema --schema-multi --no-strict --json-mode --choices --tools --tool-choice --parallel-tool-calls --no-parallel-tool-calls --format --json --null -0 --extract -x --output -O --usage -u --usage-file --reasoning --render --no-render --dry-run --curl --repair --gate --exec --mcp --mcp-config --mcp-allow --tool-env --max-turns --tool-timeout --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --max-cost --budget-file --cache --cache-ttl --record --replay --fallback --session --continue -c --context --max-context-tokens --keep-turns --summary-model --profile --ok --quiet -q --verbose -v --help -h --help-all'; fi ;;
            esac
            ;;
        models)
            case $prev in
                --base-url | --header | -H | --timeout | --deadline | --retries | --max-reply | --profile) _llmcli_text ;;
                --format) _llmcli_words 'text json jsonl' ;;
                --cacert | --cert | --cert-key | --api-key-file) _llmcli_paths -f ;;
                --ok) _llmcli_list 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--live --base-url --header -H --format --json --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --profile --ok --quiet -q --verbose -v --help -h --help-all'; else _llmcli_models; fi ;;
            esac
            ;;
        report)
            case $prev in
                --html | --input) _llmcli_paths -f ;;
                --format) _llmcli_words 'text json jsonl' ;;
                --profile) _llmcli_text ;;
                --ok) _llmcli_list 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--html --input --format --json --profile --ok --quiet -q --verbose -v --help -h --help-all'; else _llmcli_paths -f; fi ;;
            esac
            ;;
        serve)
            case $prev in
                --port | --host | --base-url | --max-tokens | -M | --stop | --logit-bias | --metadata | --option | -o | --header | -H | --temperature | --top-p | --n | --seed | --presence-penalty | --frequency-penalty | --top-logprobs | --user | --choices | --repair | --timeout | --deadline | --retries | --max-reply | --max-cost | --cache-ttl | --profile) _llmcli_text ;;
                --usage-file | --price | --schema | --tools | --cacert | --cert | --cert-key | --api-key-file | --budget-file) _llmcli_paths -f ;;
                --model | -m | --fallback) _llmcli_models ;;
                --api) _llmcli_words 'chat responses' ;;
                --modalities) _llmcli_list 'text audio' ;;
                --reasoning-effort) _llmcli_words 'none minimal low medium high xhigh max' ;;
                --verbosity) _llmcli_words 'low medium high' ;;
                --service-tier) _llmcli_words 'auto default flex priority' ;;
                --tool-choice) _llmcli_words 'auto none required' ;;
                --record | --replay) _llmcli_paths -d ;;
                --ok) _llmcli_list 'error usage incomplete refused invalid budget partial tools gate rejected no-input quota io tempfail auth config deadline interrupted broken-pipe terminated' ;;
                *) if [[ $cur == -* ]]; then _llmcli_words '--port --host --usage-file --model -m --base-url --api --max-tokens -M --stop --logit-bias --metadata --modalities --option -o --header -H --stream --no-stream --price --temperature --top-p --n --seed --presence-penalty --frequency-penalty --logprobs --top-logprobs --reasoning-effort --verbosity --service-tier --user --store --schema --schema-multi --no-strict --json-mode --choices --tools --tool-choice --parallel-tool-calls --no-parallel-tool-calls --repair --cacert --cert --cert-key --api-key-file --timeout --deadline --retries --max-reply --max-cost --budget-file --cache --cache-ttl --record --replay --fallback --profile --ok --quiet -q --verbose -v --help -h --help-all'; fi ;;
            esac
            ;;
        doctor)
            case $prev in
                *) if [[ $cur == -* ]]; then _llmcli_words '--offline --json --help -h --help-all'; fi ;;
            esac
            ;;
        completion)
            case $prev in
                *) if [[ $cur == -* ]]; then _llmcli_words '--help -h --help-all'; else _llmcli_words 'bash zsh fish'; fi ;;
            esac
            ;;
        help)
            case $prev in
                *) if [[ $cur == -* ]]; then _llmcli_words '--help -h --help-all'; else _llmcli_words 'ask prompt attachments templates models parameters output schemas labels tools mcp batch input rows tables records resuming pace report via-batch machines recipes chat sessions context usage budgets count network servers local responses fallback cache rehearsing serve exits options config doctor completion help choices limits changes'; fi ;;
            esac
            ;;
        *)
            if [[ $cur == -* ]]; then _llmcli_words '--version -V --help -h --help-all'; else _llmcli_words 'ask chat batch count models report serve doctor completion help'; fi
            ;;
    esac
}

complete -F _llmcli llmcli
