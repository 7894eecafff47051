"""Token masks: a compiled grammar, one matcher per constrained row, one mask for the batch's logits.

The contract with the decoding step: logits of the next token are computed on the device from the last one, whatever it
is, but the mask needs its value. So a step with constrained rows (1) builds the logits and calls `mx.async_eval` on
them, (2) only then reads the last tokens, (3) gives them to `Masks.advance` and (4) draws from `Masks.apply(logits)`:
the masks are filled while the forward pass runs and only the draw waits. A step without such rows does none of this.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import numpy as np
from llguidance import LLExecutor, LLMatcher, LLParserLimits, LLTokenizer
from llguidance.hf import from_tokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask_par

from mlxtui.engine.worker.grammar import ANSWER, grammar
from mlxtui.engine.worker.lark import Lark
from mlxtui.engine.worker.schema import ANY_OBJECT, Schema, Unsupported, patterns, ready, reason
from mlxtui.types import Channel, Constraint, Dialect

# Far above any schema in earnest; what a hostile one can cost at once is about half a second.
_LIMITS = LLParserLimits(
    initial_lexer_fuel=200_000, step_lexer_fuel=100_000, max_grammar_size=50_000, max_lexer_states=50_000,
    verbose_errors=False,
)  # fmt: skip
_KEPT = 32
_PARALLEL_FROM = 1 << 15  # tokens in the vocabulary: below it a thread takes longer to wake than a mask to fill


class Compiler:
    """Compiles constraints for one model, from any thread; keeps the last grammars: agents send the same tools again.

    `vocab` is the width of the logits, which may be more than the tokenizer knows.
    """

    def __init__(self, tokenizer: Any, vocab: int, dialect: Dialect) -> None:
        self._hf = getattr(tokenizer, "_tokenizer", tokenizer)  # inside of mlx-lm's TokenizerWrapper
        self._eos = sorted(tokenizer.eos_token_ids)
        self._vocab, self._dialect = vocab, dialect
        self._lock = threading.Lock()
        self._tokens: LLTokenizer | None = None
        self._special: dict[str, int] = {}
        self._grammars: OrderedDict[str, Grammar] = OrderedDict()

    def compile(self, constraint: Constraint, *, opens_in: Channel = "content", may_think: bool = True) -> Grammar:
        """The grammar for everything that will be generated, see `grammar.grammar`. The first call may take seconds.

        Raises:
            Unsupported: the constraint can't be enforced; nobody's fault but the request's or the model's.
        """
        with self._lock:
            tokens = self._tokenizer()
            try:
                text = grammar(constraint, self._dialect, self._special, opens_in=opens_in, may_think=may_think)
            except (TypeError, AttributeError):  # by a schema that is none: llguidance says what is wrong with it
                _check_schemas(tokens, constraint)
                raise
            if text not in self._grammars:
                self._grammars[text] = Grammar(_compiled(tokens, text, constraint), tokens.vocab_size)
            self._grammars.move_to_end(text)
            while len(self._grammars) > _KEPT:
                self._grammars.popitem(last=False)
            return self._grammars[text]

    def _tokenizer(self) -> LLTokenizer:
        if self._tokens is None:
            try:
                width = max(self._vocab, len(self._hf))
                self._tokens = from_tokenizer(self._hf, n_vocab=width, eos_token=self._eos)
            except Exception as error:  # a tokenizer of the model's own making
                message = f"this model's tokenizer does not allow constrained output: {error}"
                raise Unsupported(message, "response_format") from error
            added = self._hf.get_added_vocab()
            self._special = {name: i for name, i in added.items() if self._tokens.is_special_token(i)}
        return self._tokens


class Grammar:
    """A compiled grammar. Never advanced itself: each row, and each restart of a row, takes a fresh matcher.

    `width` of its masks: the logits', or more, where the tokenizer knows tokens that the model does not.
    """

    def __init__(self, prototype: LLMatcher, width: int) -> None:
        self._prototype, self.width = prototype, width

    def matcher(self, tokens: Sequence[int] = ()) -> Matcher:
        """A matcher that has seen `tokens`, the ones already generated."""
        matcher = Matcher(self._prototype.deep_copy())
        matcher.consume(tokens)
        return matcher


class Matcher:
    """Where one row stands in its grammar. After an error it allows everything: fail its row."""

    def __init__(self, inner: LLMatcher) -> None:
        self.inner = inner

    def consume(self, tokens: Sequence[int]) -> None:
        """Go on by generated tokens, end-of-sequence included; what comes after the end is ignored."""
        for token in tokens:
            if self.inner.is_stopped() or not self.inner.consume_token(token):
                break

    @property
    def complete(self) -> bool:
        """The constraint is met: the text may end here."""
        return bool(self.inner.is_accepting())

    @property
    def stopped(self) -> bool:
        """Nothing but end-of-sequence may follow."""
        return bool(self.inner.is_stopped())

    @property
    def error(self) -> str | None:
        """What went wrong: a token outside of the grammar, or a grammar that grew beyond its limits."""
        return _said(self.inner) if self.inner.is_error() else None


class Masks:
    """The masks of a fixed list of rows; None is a row without constraint. Make a new one when rows join or leave."""

    def __init__(self, matchers: Sequence[Matcher | None], vocab: int) -> None:
        self._matchers = list(matchers)
        self._rows = [row for row, matcher in enumerate(matchers) if matcher]
        self._bits = allocate_token_bitmask(len(matchers), vocab)  # rows without constraint stay all ones
        self._start, self._stride = self._bits.ctypes.data, self._bits.strides[0]
        self._parallel = LLExecutor() if len(self._rows) > 1 and vocab >= _PARALLEL_FROM else None

    def __bool__(self) -> bool:
        """Whether any row is constrained."""
        return bool(self._rows)

    def advance(self, tokens: Sequence[int | None]) -> None:
        """The tokens the rows drew last; None: this row was fed a token of its prompt."""
        for row in self._rows:
            matcher, token = self._matchers[row], tokens[row]
            if matcher and token is not None:
                matcher.consume((token,))

    def apply(self, logits: mx.array) -> mx.array:
        """Logits (n, vocab) with -inf for every token that may not come next."""
        self._fill()
        allowed = np.unpackbits(self._bits.view(np.uint8), axis=1, count=logits.shape[-1], bitorder="little")
        return mx.where(mx.array(allowed.view(np.bool_)), logits, -mx.inf)

    def _fill(self) -> None:
        work = [(matcher.inner, row) for row in self._rows if (matcher := self._matchers[row])]
        if self._parallel:
            fill_next_token_bitmask_par(self._parallel, work, self._bits)
        else:
            for inner, row in work:  # as llguidance.numpy does, less its checks: they take a quarter of the time
                inner.unsafe_compute_mask_ptr(self._start + row * self._stride, self._stride)
        for inner, row in work:
            if inner.is_error():
                self._bits[row] = -1  # or the draw would have nothing to choose from


def _compiled(tokens: LLTokenizer, text: str, constraint: Constraint) -> LLMatcher:
    _check_schemas(tokens, constraint)
    matcher = LLMatcher(tokens, text, log_level=0, limits=_LIMITS)
    complaint = _complaint(tokens, matcher)
    if complaint:
        param = _schemas(constraint)[0][2]
        raise Unsupported(f"the constraint can't be enforced: {' '.join(complaint.split())}", param)
    return matcher


def _check_schemas(tokens: LLTokenizer, constraint: Constraint) -> None:
    """Each by itself: only so is it clear whose fault it is, and seen what shows later than at the first token."""
    for schema, whose, param in _schemas(constraint):
        for pattern in patterns(schema):
            _check(tokens, {"type": "string", "pattern": pattern}, whose, param)
        _check(tokens, schema, whose, param)


def _schemas(constraint: Constraint) -> list[tuple[Schema, str, str]]:
    """All schemas of a constraint, each with its name for errors and the field of the request it came in."""
    found = [(constraint.schema, ANSWER, "response_format")] if constraint.schema is not None else []
    held = [tool for tool in constraint.tools if tool.strict or constraint.calls == "required"]
    found += [({**ANY_OBJECT, **tool.parameters}, f"the schema of tool {tool.name!r}", "tools") for tool in held]
    return found or [(ANY_OBJECT, ANSWER, "tools")]


def _check(tokens: LLTokenizer, schema: Schema, whose: str, param: str) -> None:
    def complain(part: Schema) -> str | None:
        text = ready(part, whose, param)
        matcher = LLMatcher(tokens, LLMatcher.grammar_from_json_schema(text), log_level=0, limits=_LIMITS)
        if matcher.is_error():  # said without the rest of a grammar around it
            return _said(matcher)
        return _complaint(tokens, LLMatcher(tokens, Lark({}).text(f"%json {text}"), log_level=0, limits=_LIMITS))

    complaint = complain(schema)
    if complaint:
        raise Unsupported(f"{whose} can't be enforced: {reason(schema, complaint, complain)}", param)


def _complaint(tokens: LLTokenizer, matcher: LLMatcher) -> str | None:
    """What is wrong with a new matcher; some troubles show only at the first mask where there is a choice."""
    if not matcher.is_error():
        probe = matcher.deep_copy()
        forced, _, _ = matcher.deep_copy().compute_ff_bytes().partition(b"\xff")  # which begins a special token
        if forced:
            probe.consume_tokens(tokens.greedy_tokenize(forced.decode(errors="ignore")))
        probe.compute_bitmask()
        matcher = probe
    return _said(matcher) if matcher.is_error() else None


def _said(matcher: LLMatcher) -> str:
    return str(matcher.get_error()).split("\n<")[0].strip()
