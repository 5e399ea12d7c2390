"""What a commit message says that it mends: which exception, and in which words.

The rules read one sentence at a time. They would rather miss a fix than take "Raise ValueError when ..." for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ems_ml.harvest.names import NAMED as _T
from ems_ml.harvest.names import TYPES, type_of
from ems_ml.harvest.symptoms import printed, went_elsewhere, went_wrong
from ems_ml.source.shapes import KEYWORDS, words

_NAMED = re.compile(_T)
_GAP = r"(?:[^.;!?]|[.;!?](?=\S)){0,120}?"
_NEVER = (
    r"(?:no longer|(?<!did )not(?! \w+ing)|(?<!did)n['’]t|never|dont|doesnt|without|instead of|rather than"
    r"|stops?|stopped|cease\w*|quit|avoid\w*"
    r"|prevent\w*)"
)
_MENDS = (
    r"(?:hot ?fix(?:e[sd]|ing)?|bug ?fix(?:e[sd])?|fix(?:e[sd]|ing)?(?:-up)?|avoid\w*|prevent\w*|eliminat\w*"
    r"|resolv\w*|repair\w*"
    r"|solv(?:e[sd]?|ing)|correct(?:s|ed|ing)? (?:an?|the)|get(?:s|ting)? rid of|got rid of|(?:guard|protect|defend)\w*"
    r"(?: \w+){0,3} (?:from|against)|workaround|work(?:ed|s)? around|squash\w*|cure[sd]?|patch(?:ed|es)?"
    r"|address(?:e[sd])?|mitigat\w*|surviv\w*|bug|crash\w*|regression|hide|oops|silence[sd]?|safeguard\w*"
    r"|robust\w*|safe)"
)
_HANDLES = (
    r"(?:handl(?:e[sd]?|ing)|catch(?:es|ing)?|caught|ignor(?:e[sd]?|ing)|suppress(?:e[sd]|ing)?|swallow(?:s|ed"
    r"|ing)?|skip"
    r"|tolerat\w*|except|trap(?:s|ped)?|deal(?:s|ing)? with|cop(?:e|ing) with|recover\w* from|account for|watch for)"
)
_STRONG = re.compile(rf"\b{_MENDS}\b{_GAP}{_T}", re.IGNORECASE)
_NOT_RAISED = re.compile(
    rf"(?:\b|(?<=\w)){_NEVER}(?: \w+){{0,3}} (?:rais|throw|thrown|trigger|caus|produc|result|giv|get|crash|fail"
    rf"|die|dies|dying"
    rf"|chok|blow|hit|bail|leak|bubbl|propagat|error|explod|break|yield|end|fall)\w*{_GAP}{_T}"
    rf"|\b(?:instead of|rather than) (?:an? |the |failing with |crashing with )?{_T.replace('?P<type>', '?P<type2>')} "
    r"(?:exception|error|crash|traceback)",
    re.IGNORECASE,
)
_GONE = re.compile(
    rf"{_T}(?: \w+){{0,6}} (?:(?:is|was|are|were|be|being|will|would|does|do|get|gets)(?: no longer| not|n't| never)+"
    r"|no longer|never)(?: \w+)? (?:rais|throw|occur|happen|trigger|caus|propagat|leak)"
    rf"|{_T.replace('?P<type>', '?P<type2>')},? ?(?:bug ?)?(?:fix(?:e[sd])?|bug|crash|regression|issue|problem)\b",
    re.IGNORECASE,
)
_HANDLED = re.compile(rf"(?:^|[:,;.)\]] ?|\b(?:and|to|also|now|should|properly|correctly|gracefully|must) ){_HANDLES}\b"
    rf"(?: \w+)?{_GAP}{_T}", re.IGNORECASE)  # fmt: skip
_ERROR_TEXT = re.compile(rf"{_T}: ?['\"`<(]?[^\W\d_]\w*(?:[ .'(]|$)")
_FIX_WORD = re.compile(
    r"\b(?:hot|bug)?-?fix(?:e[sd]|ing)?\b|\bbug|\bcrash|\berrors?\b|\bavoid|\bprevent|\bhandl|\btraceback|\bfail"
    r"|\bbroken\b"
    r"|\bclos(?:e[sd]?|ing) #\d|#\d+|\bgh-\d+|\bissue|\bregression|\bcatch|\bno longer\b|\bcorrect|\bworkaround|\bguard"
    r"|\bresolv|\bexception|n't\b",
    re.IGNORECASE,
)
#: What makes an exception wanted: it is what the code shall raise, or a thing that the change is about.
_WANTED = re.compile(
    r"\b(?:to|should|must|now|correctly|properly|consistently|will|also|always|and|explicitly|instead|shall|it|we|then"
    r"|it's|not|didn['’]t|failing|failed|fails?|missing|forgot\w*|does)(?: (?:just|only|correctly|properly|also"
    r"|now|always|not))?"
    rf" (?:re-?)?(?:rais|throw)(?:e|es|s|ing)? (?!by\b){_GAP}{_T}"
    r"|^(?:\W*(?:fix|bug|feat|chore|refactor|enh"
    r"|api)\w*(?:\([^)]*\))?(?: (?:for )?(?:issue )?#?\d+)?(?: -)?:? ?)?\W*(?:re-?)?(?:raise|throw)(?:s|d)?\b"
    rf"{_GAP}{_T.replace('?P<type>', '?P<type2>')}"
    r"|\b(?:(?:convert|chang|turn|translat|transform|wrap|renam|replac|switch|re-?rais|subclass|inherit|deriv|swallow"
    r"|mask|obscur|emulat|mimic|expect|document|support|improv|clarif|friendl|clean|clear|depend|only catch)\w*"
    r"|reports?|reporting|returns?|returning|better|nicer|useful|helpful|informative|proper|missing|unneeded"
    r"|unnecessary"
    r"|useless|redundant|unused|imports?|importing|rely|relying|maps?|hides|hiding|as|into|to|was catching"
    r"|too many|bare)"
    rf" (?:(?:the|an?|from|of|on|to|with|in|by|all|as|into|for) ){{0,2}}{_T.replace('?P<type>', '?P<type3>')}",
    re.IGNORECASE,
)
_AT_ONCE = re.compile(
    r"^\W*(?:[\w./ -]{1,40}: ?|\([^)]*\) ?)?(?:also |properly |correctly |gracefully )?(?:catch|handle|ignore"
    r"|suppress|capture"
    r"|consume|except|stop|prevent|avoid|swallow|silence|tolerate)(?:e?s|e?d)? (?:an? |the |also |any "
    r"|potential |possible |more )?"
    rf"{_T}(?! (?:message|handling|instead of (?!just|only)|rather|as (?!well))|[/,] ?\w+ in test)",
    re.IGNORECASE,
)
_WITH_ISSUE = re.compile(rf"^\W*{_T}:? (?:in|on|at|when|while|during|if|with|from) .*(?:#\d+|\bgh-\d+)", re.IGNORECASE)
_HANDLING = re.compile(
    rf"^\W*{_T},? handling\b|\bone more {_T.replace('?P<type>', '?P<type2>')} (?:catch|fix)", re.IGNORECASE
)
_BESIDE = re.compile(
    r"\b(?:by (?:raising|throwing)|reject\w* (?:\w+ )?(?:with|by)|includ(?:e|es|ed|ing)|instead of (?:just|only)"
    rf"|(?:parameters?|arguments?|types?|texts?|reasons?|causes?) (?:for|of)){_GAP}{_T}",
    re.IGNORECASE,
)
_ADDS_HANDLER = re.compile(
    rf"\badd\w* (?:[\w./…-]+ ){{0,4}}?[\w./…-]*(?:handl\w+|catch\w*|except|guard|protection)(?: block"
    rf"| clause)? (?:for|of|against|on) "
    rf"(?:an? |the |possible |potential )?{_T}"
    rf"|\badd\w* (?:missing )?{_T.replace('?P<type>', '?P<type2>')} (?:handling|handler|catch\w*"
    rf"|to (?:the )?(?:list of )?"
    r"(?:caught|handled|ignored|except))",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    rf"{_T},? (?:(?:error|exception) )?(?:messages?|msg|output|texts?|wording|string|class(?:es)?"
    rf"|subclass(?:es)?|handling|handlers?|"
    r"imports?|docs?|docstrings?|documentation|tests?|names?|typos?|repr|pickl\w*|construct\w*|instances?"
    r"|objects?|args|"
    r"arguments?|instead|rather|should|must|not (?:being )?(?:raised|thrown|caught|handled)|(?:was|is|were"
    r"|are)(?: not|n't) "
    r"(?:raised|thrown|being)|non-reachable|inherit\w*|hierarch\w*|attributes?|alias\w*|reports?|detail\w*"
    r"|to be raised|"
    r"(?:has|have|had|whose|without|lacks?)\b|never (?:raised|being)|detection|highlight\w*|completion"
    r"|in (?:the )?(?:docs?|tests?|docstrings?|changelog"
    r"|examples?|readme|faq)\b|"
    r"(?:is|are|was|were) (?:now |properly |correctly |still |only |also )*(?:raised|thrown)(?! (?:when|if|in"
    r"|for|by|on) \w+ing? )|"
    r"will be|logging|tracebacks? text|propagat\w*|pass through|through|to (?:propagate|bubble|pass)|check)",
    re.IGNORECASE,
)
_OTHER_WORK = re.compile(
    r"^\W*(?:(?:add|adds|added|improve|simplify|cleanup|clean up|update|move|rename|refactor|document|extend"
    r"|write|ensure|"
    r"make|change|allow|introduce|implement|support|use|remove|drop|deprecate|port|test|tests|tst|doc|docs|typing|mypy|"
    r"chore|ci|release|bump|merge|revert|lint|style|flake8|changelog|typo|perf|pep8|minor cleanup)\b)",
    re.IGNORECASE,
)
_NO_FIX = re.compile(
    r"^\W*(?:revert|merge|back ?out|undo|prepare|preparing|version \d|v?\d+\.\d|narrow|(?:do not|don't) show|show"
    r"|display|tests?|tst|docs?|typing|type hints?|lint|style|flake8|changelog|typos?"
    r"|releas\w+ v?\d|bump|"
    r"chore|ci|refactor\w*)\b|^\W*(?:\[[^]]*\] ?)?(?:add|fix|update|improve|correct)\w* (?:an? |the |some |more "
    r"|broken |failing )?"
    r"(?:unit |regression )?(?:tests?|docs?|documentation|docstrings?|typos?|changelog|comments?)\b"
    r"|\b(?:clear|nice|bett|improv|helpful|inform|friendl)\w*\b[^.;]{0,30}\b(?:errors?|exceptions?|messages?)\b",
    re.IGNORECASE,
)
_REVERT = re.compile(r"^\W*(?:revert|back(?:ed|ing)? out)\b|^This reverts commit", re.IGNORECASE | re.MULTILINE)
_TRAILER = re.compile(
    r"^\s*(?:[A-Z][\w-]*-(?:by|to|id|in|on|from)|co-authored-by|cherry picked|change-id|git-svn-id|author|reviewer|"
    r"reporter|original author|review(?:ed)?|reported|merged?|patch(?:es)?|thanks?|thx|props|kudos|credits?|courtesy)"
    r"\b[^\n]*(?:\n|$)",
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+|https?://\S+")
_PERSON = re.compile(
    r":user:`[^`]*`|(?:--?|\u2014|,)\s+by\b[^\n]*|(?<!\w)@[\w-]+"
    r"|\((?:thanks?|thx|props|by|patch|courtesy|reported|via"
    r"|from)\b[^)]*\)"
    r"|\b(?:thanks?(?: (?:to|for))?|thx|props(?: to)?|kudos|courtesy(?: of)?|(?:reported|suggested|contributed"
    r"|found|spotted|"
    r"patch|provided|written|authored|fixed|merged|noticed|pointed out) (?:by|from)|patch (?:by|from))\b[^.;\n]*",
    re.IGNORECASE,
)
_BACKPORT = re.compile(r"^\s*(?:\[[^\]]{1,80}\]\s*)+")
_PULL = re.compile(r"\s*\((?:#|GH-?|PR ?#?)\d+\)")
_BULLET = re.compile(r"\n\s*\n|\n\s*(?=[-*+•] )|\n\s*(?=\d+[.)] )")
_SENTENCE = re.compile(r"(?<=[a-z)`'\"\]][.!?;])\s+(?=[A-Z`\"'-])")
_TOKEN = re.compile(r"[^\W\d]\w*(?:'t\b)?")
_RATHER = re.compile(r"^(?!.*\bnow\b).*\b(?:rather than|instead of)\b", re.IGNORECASE | re.DOTALL)
_MERGED = re.compile(r"\W*(?:svn)?merged?\b", re.IGNORECASE)  # many changes in one, of which a body tells
_BEGINS_AS_FIX = re.compile(r"^\W*(?:\[[^]]*\]\W*)*(?:bug\W*)?(?:hot|bug)?-?fix(?:e[sd]|ing)?\b", re.IGNORECASE)
_NEAREST = 60  # likewise, where the subject tells of no fix
_NEAR = 90  # characters, in the body, from what mends to the exception
_LONGEST = 3000  # characters of a message that are read
_LONGEST_SENTENCE = 600
_LONGEST_NOTE = 20  # lines; what adds more tells a release, not a fix


@dataclass(frozen=True, slots=True)
class Told:
    """What a message says: the exception that the commit mends, and the sentence that says so."""

    type: str  # as a traceback prints it
    sentence: str
    where: str  # "subject" or "body" of the message, or "changelog"


def told_by(message: str, noted: str = "") -> Told | str | None:
    """The exception that a commit says is mended; why its naming one is no such thing; None: it names none.

    noted: what the commit adds to the changelog; it is read where the message tells of no fix.

    >>> told_by("Fix KeyError when a header is missing (#12)").type
    'KeyError'
    >>> told_by("Raise ValueError for an empty name")
    'names an exception, but no fix of it'
    """
    text = _TRAILER.sub("\n", message[:_LONGEST]).strip()
    subject, _, body = text.partition("\n")
    subject = _BACKPORT.sub("", subject)
    if not _NAMED.search(text) and not _NAMED.search(noted):
        return None
    if _REVERT.search(text):
        return "reverts"
    if _NO_FIX.search(subject):
        return "tests, documents or tidies"
    for sentence in _sentences(subject):
        if found := _mended(sentence, ""):
            return Told(found, sentence, "subject")
    tells_fix = bool(_FIX_WORD.search(subject)) and not _OTHER_WORK.search(subject)
    if not tells_fix and _MERGED.match(message):
        body = ""
    for sentence in _sentences(body):
        if found := _mended(sentence, subject) if tells_fix else _mended_beside(sentence, subject):
            return Told(found, sentence, "body")
    if tells_fix or not _OTHER_WORK.search(subject):
        for line in body.splitlines():
            if found := printed(line):
                return Told(found, line.strip()[:_LONGEST_SENTENCE], "body")
    if noted.count("\n") < _LONGEST_NOTE:
        for sentence in _sentences(noted):
            if found := _mended(sentence, ""):
                return Told(found, sentence, "changelog")
    return "names an exception, but no fix of it"


def _sentences(text: str) -> Iterator[str]:
    for paragraph in _BULLET.split(text):
        for line in paragraph.split("\n"):
            if _ERROR_TEXT.match(line.strip()):
                yield line.strip()[:_LONGEST_SENTENCE]
        for sentence in _SENTENCE.split(" ".join(paragraph.split())):
            yield sentence[:_LONGEST_SENTENCE]


def _mended(sentence: str, subject: str) -> str | None:
    """The exception that a sentence says is mended. `subject`: what its commit is about, where it stands below that."""
    if not _NAMED.search(sentence):
        return None
    gone = _NOT_RAISED.search(sentence) or _GONE.search(sentence)
    if gone is not None and subject and _RATHER.search(sentence):
        return None
    if gone is not None and not _ABOUT.search(sentence, gone.start()):
        return type_of(gone)
    sure = (_AT_ONCE, _ADDS_HANDLER) if subject else (_AT_ONCE, _ADDS_HANDLER, _WITH_ISSUE, _HANDLING)
    for pattern in sure:
        if found := pattern.search(sentence):
            return type_of(found)
    if (subject or _BEGINS_AS_FIX.search(sentence)) and (symptom := went_wrong(sentence, subject or sentence)):
        return symptom
    if _WANTED.search(sentence) or _BESIDE.search(sentence):
        return None
    text = _ERROR_TEXT.search(sentence)
    if text is not None and (_FIX_WORD.search(sentence[: text.start()]) or _FIX_WORD.search(subject)):
        return type_of(text)
    if _ABOUT.search(sentence):
        return None
    strong = _STRONG.search(sentence)
    if strong is not None and not (subject and len(strong.group()) > _NEAR):
        return type_of(strong)
    handled = _HANDLED.search(sentence)
    if handled is not None and not _OTHER_WORK.search(sentence) and not (subject and handled.start() > 3):
        return type_of(handled)
    return None


def _mended_beside(sentence: str, subject: str) -> str | None:
    """The exception that a sentence says is mended, or came before, where the subject tells of no fix."""
    if not _NAMED.search(sentence) or _RATHER.search(sentence):
        return None
    if found := went_wrong(sentence, subject):
        return found
    strong = _STRONG.search(sentence)
    if strong is None or len(strong.group()) > _NEAREST or went_elsewhere(subject):
        return None
    unsure = any(pattern.search(sentence) for pattern in (_WANTED, _BESIDE, _ABOUT))
    return None if unsure else type_of(strong)


def message_words(*texts: str) -> tuple[str, ...]:
    """The words of a message, lower-cased, unique, sorted: without people, addresses, links and numbers.

    Identifiers are cut as `ems_ml.source.shapes.words` cuts them; names of exceptions stay whole.

    >>> message_words("Fix KeyError in parse_url, thanks to Ann Author <ann@example.org>")
    ('fix', 'in', 'keyerror', 'parse', 'url')
    """
    found: set[str] = set()
    for text in texts:
        clean = _PERSON.sub(" ", _ADDRESS.sub(" ", _TRAILER.sub("\n", _PULL.sub(" ", text))))
        for token in _TOKEN.findall(clean):
            if token in TYPES or token in KEYWORDS or token.endswith("'t"):
                found.add(token.lower().replace("'", ""))
            else:
                found.update(word for word in words(token) if len(word) > 1)
    return tuple(sorted(word for word in found if len(word) > 1))


def same_fix(message: str) -> str:
    """Equal for a commit and its backports: the subject without what pull requests add to it."""
    subject = _BACKPORT.sub("", message.strip().partition("\n")[0])
    return " ".join(_PULL.sub("", subject).lower().split())
