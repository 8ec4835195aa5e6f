"""Put the models that the Responses API alone serves into the table of models, each on its line, in order.

    python .ci/responses_models.py model_prices_and_context_window_backup.json

The file is litellm's, out of its wheel: its rows that Chat Completions does not reach, of providers that
`providers.json` has. The SDK that is installed names some more: its ResponsesModel less its ChatModel.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from openai.types import ChatModel, ResponsesModel

REGISTRY = Path(__file__).parents[1] / "llmcli" / "registry"
RATES = {
    "cache_write": "cache_creation_input_token_cost",
    "cached": "cache_read_input_token_cost",
    "in": "input_cost_per_token",
    "out": "output_cost_per_token",
}
TIERS = {"batch": "_batches", "flex": "_flex", "priority": "_priority"}


def literals(kind: Any) -> set[str]:
    """The strings of a Literal, or of a union of such."""
    parts = get_args(kind)
    return {part for part in parts if isinstance(part, str)}.union(*map(literals, parts)) if parts else set()


def per_million(rate: float) -> float | int:
    """$ per token to $ per million."""
    amount = Decimal(str(rate)) * 1_000_000
    return int(amount) if amount == amount.to_integral() else float(amount)


def prices(row: dict[str, Any], tier: str = "") -> dict[str, Any]:
    """The rates of a row, or of one of its tiers."""
    return {
        name: per_million(row[key + tier]) for name, key in RATES.items() if row.get(key + tier) is not None
    }


def model(row: dict[str, Any]) -> dict[str, Any]:
    """A row as our table has it."""
    found: dict[str, Any] = {"ctx": row.get("max_input_tokens"), "max_out": row.get("max_output_tokens")}
    price = prices(row)
    if price.get("in", 0) + price.get("out", 0) > 0:
        tiers = {
            name: told for name, tier in TIERS.items() if {"in", "out"} <= (told := prices(row, tier)).keys()
        }
        found["price"] = price | tiers
    said = {key.removeprefix("supports_"): value for key, value in row.items() if key.startswith("supports_")}
    found["caps"] = sorted(name for name, value in said.items() if value)
    found["no"] = sorted(name for name, value in said.items() if value is False)
    found["deprecated"] = row.get("deprecation_date")
    found = {name: value for name, value in found.items() if value}
    return found | {
        "endpoints": ["responses", *(["batch"] if "/v1/batch" in row.get("supported_endpoints", ()) else [])]
    }


def main(path: str) -> None:
    """Add what is not there, and say of what the SDK names where it is served."""
    table = json.loads((REGISTRY / "models.json").read_text("utf-8"))
    known = json.loads((REGISTRY / "providers.json").read_text("utf-8"))
    for name, row in json.loads(Path(path).read_text("utf-8")).items():
        provider, endpoints = row.get("litellm_provider"), row.get("supported_endpoints") or []
        is_meant = row.get("mode") == "responses" or endpoints == ["/v1/responses"]
        if is_meant and provider in known and "/v1/chat/completions" not in endpoints:
            table.setdefault(f"{provider}/{name.removeprefix(f'{provider}/')}", model(row))
    for name in literals(ResponsesModel) - literals(ChatModel):
        row = table.setdefault(f"openai/{name}", {})
        if "responses" not in row.get("endpoints", ()) or "chat/completions" in row["endpoints"]:
            row["endpoints"] = ["responses"]
    meta = {"_meta": table.pop("_meta")}
    lines = [
        f"{json.dumps(key)}:{json.dumps(row, separators=(',', ':'))}" for key, row in sorted(table.items())
    ]
    head = f"{json.dumps('_meta')}:{json.dumps(meta['_meta'])}"
    (REGISTRY / "models.json").write_text("{\n" + ",\n".join([head, *lines]) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
