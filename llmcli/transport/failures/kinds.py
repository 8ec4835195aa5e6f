"""The table of what can be wrong: the codes and words of all servers' errors to our kinds of error.

The most specific wins: a code that means one thing, else the words, else a code that says as much as a status,
else the status.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from llmcli.errors import (
    AuthFailure,
    CallFailed,
    Moderated,
    PromptTooLong,
    QuotaExhausted,
    Rejected,
    TransientFailure,
    UnfitModel,
)
from llmcli.lean.dataclass import dataclass
from llmcli.lean.pattern import lazy_pattern
from llmcli.transport.failures.complaints import Complaint

_TRANSIENT = {408, 409, 429}


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of errors, and what to do about one."""

    error: type[CallFailed]
    todo: str


NO_MONEY = Kind(QuotaExhausted, "check the account's plan and billing")
REFUSED = Kind(Moderated, "ask for something else")
NO_MODEL = Kind(UnfitModel, "check the model's name and the address")
TOO_LONG = Kind(PromptTooLong, "shorten the prompt or choose another model")
TOO_LARGE = Kind(UnfitModel, "shorten the prompt or choose another model")  # it may be bytes, not tokens
NEVER = Kind(UnfitModel, "shorten the prompt or choose another model: waiting does not help")
AUTH = Kind(AuthFailure, "check the key")
TRANSIENT = Kind(TransientFailure, "try again later")
REJECTED = Kind(Rejected, "change the request")
MOVED = Kind(Rejected, "the address has moved: give the new one with --base-url")

_CODES = (
    (
        NO_MONEY,
        """insufficient_quota exceeded_current_quota exceeded_current_quota_error billing_hard_limit_reached
        billing_not_active insufficient_balance insufficientbalance insufficient_credits credits_exhausted
        payment_required arrearage accountoverdueerror budget_exceeded allocationquota.freetieronly 1113 1008""",
    ),
    (
        REFUSED,
        """content_filter content_filter_error content_policy_violation contentpolicyviolationerror
        responsibleaipolicyviolation moderation_blocked moderation_error data_inspection_failed
        datainspectionfailed inputtextsensitivecontentdetected sensitivecontentdetected prohibited_content
        image_content_policy_violation bio_policy misalignment_policy_violation guardrail_intervened 1301 1026 1027""",
    ),
    (
        NO_MODEL,
        """model_not_found modelnotfound modelnotfounderror model_not_supported model_not_available
        invalid_model unknown_model no_such_model model_decommissioned model_terms_required no_access
        model_permission_blocked_org model_permission_blocked_project key_model_access_denied
        team_model_access_denied deploymentnotfound invalidendpointormodel.notfound endpoint_not_found 1211 20012""",
    ),
    (
        TOO_LONG,
        """context_length_exceeded context_window_exceeded exceed_context_size_error
        contextwindowexceedederror string_above_max_length tokens_limit_reached request_too_large prompt_too_long
        input_too_long model_max_prompt_tokens_exceeded param:input_tokens 1261""",
    ),
)
"""Codes that mean one thing whatever the status says, in small letters."""

_AS_A_STATUS = (
    (
        REJECTED,
        """invalid_prompt invalid_image invalid_image_format invalid_base64_image invalid_image_url
        image_too_large image_too_small image_parse_error invalid_image_mode image_file_too_large
        unsupported_image_media_type empty_image_file failed_to_download_image image_file_not_found""",
    ),
    (
        AUTH,
        """invalid_api_key api_key_invalid authentication_error invalid_authentication_error
        authenticationerror unauthenticated unauthorized account_deactivated 1004""",
    ),
    (
        TRANSIENT,
        """rate_limit_exceeded rate_limit_error ratelimitexceeded ratelimiterror too_many_requests
        throttlingexception throttling throttling.ratequota requestlimitexceeded overloaded_error server_overloaded
        serviceunavailable service_unavailable""",
    ),
)
"""Codes that say no more than a status does; they count in a 200, and beside a status that says something else."""

_WORDS: tuple[tuple[Kind, frozenset[int], str, str], ...] = (
    (
        NO_MONEY,
        frozenset({400, 401, 402, 403, 412, 429, 500, 503}),
        r"""insufficient[ _-]?(\w+[ ])?(balance|quota|credits?|funds)
        |\b(balance|credits?|quota|funds)\b.{0,20}\b(too[ ]low|insufficient|exhausted|depleted|used[ ]up)
        |(\bnot|n't|\bno|\bwithout)\b[ ](have[ ])?(any[ ]|enough[ ]|sufficient[ ])?(\w+[ ])?(credits?|funds|balance)\b
        |out[ ]of[ ](credits?|funds|quota)|used[ ].{0,30}credits|more[ ]credits|only[ ]afford
        |spend(ing)?[ ](limit|cap)|included[ ]credits|budget[ ]has[ ]been[ ]exceeded|key[ ]limit[ ]exceeded
        |billing[ ](hard[ ])?limit|check[ ]your[ ]billing|payment[ ](is[ ])?required|arrear|overdue|good[ ]standing
        |purchase[ ](more[ ])?credits|recharge|top[ -]up|free[ ](tier|quota|trial).{0,60}(exhausted|used[ ]up|expired)
        |specified[ ]api[ ]usage[ ]limits|calls?[ ]?/[ ]?month|余额不足|欠费|充值""",
        r"",
    ),
    (
        AUTH,
        frozenset({400, 401, 403}),
        r"""\b(account|organi[sz]ation|access|workspace)\b.{0,40}\b(deactivated|terminated|disabled|banned|suspended)\b
        |api[ _-]key\b.{0,30}\b(not[ ]valid|invalid|expired|incorrect|disabled|revoked)
        |(invalid|incorrect|wrong|missing|no)[ ](x-)?api[ _-]?key|no[ ]auth[ ]credentials""",
        r"",
    ),
    (
        REFUSED,
        frozenset({400, 403, 422, 451}),
        r"""\bmoderation\b|\bflagged\b|usage[ ](guidelines|polic)|safety[ _](system|check)|guardrail
        |(content|safety|responsible[ ]ai|acceptable[ ]use)[ _-]?(management[ ])?(polic|filter|guideline)
        |inappropriate[ ]content|sensitive[ ](content|words?)|content[ ]exists[ ]risk|high[ ]risk
        |prohibited[ ](content|use)|violat\w+\b.{0,60}\b(polic|guideline|terms)|敏感|违规""",
        r"",
    ),
    (
        TOO_LONG,
        frozenset({400, 413, 422, 500}),
        r"""context[ -](length|window|size|limit)|max_model_len|max_seq_len|contextwindowexceeded
        |\b(prompt|input|messages|conversation)\b[ ]((is|are|was)[ ])?too[ ](long|large)
        |too[ ]many[ ](input[ ]|prompt[ ])?tokens|token[ ]count\b.{0,40}\bexceed
        |\b(input|prompt)[ ](length|tokens?)\b.{0,60}\b(exceed|longer|greater|larger|more[ ]than)
        |range[ ]of[ ]input[ ]length|`?inputs`?[ ](tokens|must[ ]have[ ]less)|reduce[ ](the[ ]|your[ ])?(length|prompt)
        |too[ ]large[ ]for[ ]model|prompt[ ]exceeds|longer[ ]than[ ]the[ ](maximum|model)
        |max(imum)?[ ](prompt|input)[ ](length|size|tokens)|prompt[ ]\w+[ ]\d+[ ]tokens|过长""",
        r"",
    ),
    (
        NO_MODEL,
        frozenset({400, 401, 403, 404, 422}),
        r"""\b(model|deployment)\b.{0,100}\b(
            (not|n't)[ ](found|exist|available|supported|allowed|permitted|enabled|loaded)
            |no[ ]longer|decommissioned|deprecated|retired|cannot[ ]be[ ]found)
        |(unknown|invalid|unsupported|no[ ]such|unrecognized|not[ ]found[ ]the|not[ ]a[ ]valid)[ ]model
        |access[ ]to\b.{0,40}\bmodel|no[ ]endpoints[ ]found|\bpinned[ ]to\b|no[ ]models?\b.{0,10}\bloaded
        |(could|can)(not|n't|[ ]not)[ ]find\b.{0,40}\bmodel|model[ ]identifier|模型.{0,20}不存在""",
        r"\b(parameter|argument|image|tools?|feature|try[ ]again|overload\w*|temporar\w*)\b",
    ),
)
"""Words, the statuses beside which they count, and those beside which they do not."""

_QUOTA_OR_PACE = lazy_pattern(r"exceeded your current quota|check your plan", re.IGNORECASE)
_NEVER = lazy_pattern(
    r"tokens? must be reduced|request (is )?too large|quota exceeded.{0,200}\blimit: 0(?![.\d])",
    re.IGNORECASE,
)
_LIMIT = lazy_pattern(r"\blimit(?: is| of)?:?\s*(\d[\d,]*)", re.IGNORECASE)
_REQUESTED = lazy_pattern(r"\brequested:?\s*(\d[\d,]*)", re.IGNORECASE)
_LONGEST = 4_000  # characters of a message that are looked at

_HOW = re.IGNORECASE | re.VERBOSE | re.DOTALL


def kind_of(status: int, said: Complaint, wait: float | None) -> tuple[Kind, str | None]:
    """The kind of an error, and its code. `status` below 300: it stands in the body; `wait`: what it asks for."""
    if (code := _known(_by_code(), said)) is not None:
        return _by_code()[code.lower()], code if not code.startswith("param:") else said.code
    counts = meant(status, said)
    if (kind := _by_words(counts, said.message[:_LONGEST], wait)) is not None:
        return kind, said.code
    code = _known(_as_status(), said) if counts in {200, 400, 403} else None
    return (_as_status()[code.lower()], code) if code else (by_status(counts), said.code)


def meant(status: int, said: Complaint) -> int:
    """The status that counts: of an error in a 2xx, the one that its body names, or 200."""
    return status if status >= 300 else said.status or 200


def by_status(status: int) -> Kind:
    """What a status says where the body says nothing that is known."""
    if status == 402:
        return NO_MONEY
    if status in {401, 403}:
        return AUTH
    if status in _TRANSIENT or status >= 500 or status < 300:
        return TRANSIENT
    if status < 400:
        return MOVED
    return {404: NO_MODEL, 413: TOO_LARGE}.get(status, REJECTED)


@cache
def _by_code() -> dict[str, Kind]:
    return {code: kind for kind, codes in _CODES for code in codes.split()}


@cache
def _as_status() -> dict[str, Kind]:
    return {code: kind for kind, codes in _AS_A_STATUS for code in codes.split()}


@cache
def _patterns() -> Sequence[tuple[Kind, frozenset[int], re.Pattern[str], re.Pattern[str]]]:
    """The table of words, compiled when there is an error to look at: that takes as long as all other imports here."""
    return [
        (kind, statuses, re.compile(words, _HOW), re.compile(unless or r"(?!)", _HOW))
        for kind, statuses, words, unless in _WORDS
    ]


def _known(table: dict[str, Kind], said: Complaint) -> str | None:
    return next((code for code in said.codes if code.lower() in table), None)


def _by_words(status: int, message: str, wait: float | None) -> Kind | None:
    if status in {200, 413, 429} and _never_passes(message):
        return NEVER
    for kind, statuses, words, unless in _patterns():
        if (status == 200 or status in statuses) and words.search(message) and not unless.search(message):
            return kind
    out_of_quota = status in {200, 403, 429} and wait is None and _QUOTA_OR_PACE.search(message)
    return NO_MONEY if out_of_quota else None


def _never_passes(message: str) -> bool:
    """Whether one request asks for more than a limit ever gives, so that waiting does not help."""
    limit, requested = _LIMIT.search(message), _REQUESTED.search(message)
    if limit and requested:
        return _count(requested[1]) > _count(limit[1])
    return _NEVER.search(message) is not None


def _count(text: str) -> int:
    return int(text.replace(",", "")[:30])
