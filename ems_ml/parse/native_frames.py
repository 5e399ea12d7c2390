"""How single lines of native stacks are written (gdb, sanitizers, glibc, systemd), and whose code they run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ems_ml.types import Frame, Role

_NUMBERED = re.compile(r"(?P<before>.{0,200}?)(?<![\w#])#(?P<number>\d{1,6}) {1,4}(?P<rest>\S.*)$")
_ADDRESS = re.compile(r"(?P<address>0x[0-9a-fA-F]{1,16})(?: in)? (?P<rest>.*)$")
_GDB_CALL = re.compile(r"(?P<function>.*?) ?\((?P<arguments>.*)\)(?: (?P<kind>at|from) (?P<place>\S.*))?$")
_IN_MODULE = re.compile(r"(?P<function>.*?) ?\((?P<module>[^()]+?)\s?\+\s?0x[0-9a-fA-F]+\)(?: \(BuildId: \w+\))?$")
_AT_FILE = re.compile(
    r"(?P<function>\S.*?) (?P<file>(?:/|[A-Za-z]:[\\/]|\.\.?/|[\w.-]+/|<)?[^\s:]+):(?P<line>\d{1,9})(?::\d{1,9})?$"
)
_PLACE = re.compile(r"(?P<file>.*?)(?::(?P<line>\d{1,9}))?(?::\d{1,9})?$")
#: glibc's backtrace(3): `./shop(total+0x1d) [0x55d0]`.
_GLIBC = re.compile(
    r"(?P<before>.{0,200}?)(?P<module>(?:\.{0,2}/)[^\s()]{1,500}|[\w.-]{1,100})\((?P<function>[^\s()]*?"
    r"(?:\(.*\))?)(?:\+0x[0-9a-fA-F]+)?\) ?"
    r"\[(?:0x)?[0-9a-fA-F]+\]\s*$"
)
_SUFFIX = re.compile(
    r"(?:\.(?:cold|part|constprop|isra|lto_priv|localalias|llvm|clone)(?:\.\d+)*|@@?[A-Z_]+[\d.]*|\[abi:\w+\]"
    r"| \[clone [^\]]*\])+"
)
_PLT = re.compile(r"@plt$|^__interceptor_|^__GI_")

_MACHINERY = re.compile(
    r"(?:__pthread_kill_(?:implementation|internal)|(?:__)?pthread_kill|(?:__GI_)?(?:raise|abort|gsignal)"
    r"|__assert_fail\w*|__assert"
    r"|__libc_message\w*|malloc_printerr|__fortify_fail\w*|__chk_fail|__stack_chk_fail|__cxa_(?:throw|rethrow"
    r"|call_terminate)"
    r"|std::terminate.*|__cxxabiv1::.*|__gnu_cxx::__verbose_terminate_handler.*|_Unwind_\w+|__gxx_personality\w*"
    r"|__asan_\w+|__asan::.*|__sanitizer\w*|__ubsan\w*|__tsan_\w+|__interceptor_abort|backtrace"
    r"(?:_symbols\w*)?|<signal handler called>"
    r"|kill|__kill|killpg|__restore_rt)(?:\(.*)?$"
)
_STDLIB = re.compile(
    r"(?:^|/)(?:libc|libm|libpthread|libstdc\+\+|libgcc_s|libc\+\+|libc\+\+abi|ld-linux[\w-]*|ld|libdl|librt"
    r"|libasan|libubsan|libtsan"
    r"|liblsan|libclang_rt[\w.-]*)(?:[.-][\w.-]*)?\.so|/(?:sysdeps|csu|nptl|malloc|stdlib|string|libio|elf"
    r"|debug|signal|posix)/"
    r"|^\./?(?:nptl|malloc|stdlib|string|csu|assert|debug)/|sanitizer_common|/asan/|/ubsan/|/lsan/"
    r"|libsanitizer|/usr/include/"
    r"|/include/c\+\+/|(?:ntdll|kernel32|kernelbase|ucrtbase|msvcrt|vcruntime\w*)\.dll|libsystem_\w+|libdyld"
)
_LIBRARY = re.compile(
    r"^/(?:usr/(?:local/)?)?lib(?:64|32)?/|/(?:third_party|3rdparty|vendor|_deps|vcpkg_installed|\.conan)/"
    r"|\.dylib$|/Frameworks/"
)
_START = re.compile(
    r"(?:_start|__libc_start_\w+|__libc_start_main\w*|start_thread|__clone3?|clone3?|(?:__)?libc_start\w*"
    r"|BaseThreadInitThunk|RtlUserThreadStart)(?:\(.*)?$"
)
_LIBC = re.compile(
    r"(?:malloc|calloc|realloc|free|cfree|posix_memalign|operator (?:new|delete)\S*|mem(?:cpy|set|move|cmp)"
    r"|str\w{3,6}|\w*printf)(?:\(.*)?$"
)
_NAMES = re.compile(r"(?:std|__gnu_cxx|__cxxabiv1|__asan|__sanitizer|__ubsan|__lsan)::")
_RUNNER = re.compile(r"(?:testing::(?:internal::|Test|UnitTest)|Catch::|doctest::|boost::unit_test)")
_TEST = re.compile(r"(?:^|[/_])tests?(?:_[^/]*)?\.(?:c|cc|cpp|cxx)$|_(?:unit)?test\.(?:c|cc|cpp|cxx)$|(?:^|/)tests/")


@dataclass(frozen=True, slots=True)
class NativeFrame:
    """A frame's line: what stood before it, its number (-1: none), and the frame."""

    before: str
    number: int
    frame: Frame


def native_frame(line: str) -> NativeFrame | None:
    """The frame that `line` states: numbered as gdb and the sanitizers do, or as backtrace(3) writes it."""
    if "#" in line and (found := _NUMBERED.match(line)):
        frame = _numbered(found["rest"].strip())
        return NativeFrame(found["before"], int(found["number"]), frame) if frame else None
    if "[" in line and "(" in line and line.rstrip().endswith("]") and (found := _GLIBC.match(line)):
        frame = Frame(file="", function=canonical(found["function"]), module=found["module"])
        return NativeFrame(found["before"], -1, frame)
    return None


def goes_on(line: str) -> bool:
    """Whether gdb broke a frame's line, so that it goes on in the next."""
    found = _NUMBERED.match(line)
    return (found is not None and line.count("(") > line.count(")")) or (
        line.rstrip().endswith((" at", " from", ")"))
        and (found is not None and " at " not in line and " from " not in line)
    )


def _numbered(text: str) -> Frame | None:
    address = _ADDRESS.match(text)
    rest = (address["rest"] if address else text).strip()
    if rest.startswith("<signal handler called>"):
        return Frame(file="", function="<signal handler called>")
    if address and (found := _IN_MODULE.match(rest)):
        name = found["function"].strip()
        return Frame(file="", function="" if name in ("", "n/a") else canonical(name), module=found["module"])
    call = _GDB_CALL.match(rest)
    if call and (call["kind"] or (address and " in " in text and not _AT_FILE.match(rest))):
        if call["kind"] == "from" or call["place"] is None:
            return Frame(file="", function=canonical(call["function"]), module=call["place"])
        place = _PLACE.match(call["place"])
        if place and (place["line"] or address):
            return Frame(
                file=place["file"],
                function=canonical(call["function"]),
                line=int(place["line"]) if place["line"] else None,
            )
        return None
    if address is None:
        return None
    if found := _AT_FILE.match(rest):
        return Frame(file=found["file"], function=canonical(found["function"]), line=int(found["line"]))
    return Frame(file="", function=canonical(rest)) if len(rest) < 1_000 and rest else None


def canonical(name: str) -> str:
    """A function's name without its arguments, the contents of template brackets, and what the compiler added.

    >>> canonical("shop::Cart<int, std::vector<int> >::total(int) const"), canonical("read_all.part.0")
    ('shop::Cart<>::total', 'read_all')
    """
    name = _SUFFIX.sub("", name.strip().removeprefix("in "))
    if "operator" not in name:
        name = _emptied(_emptied(name, "<", ">", keep=True), "(", ")", keep=False)
    name = name.removesuffix(" const").strip()
    if " " in name and "::" in name and "operator" not in name and "{" not in name and not name.startswith("("):
        name = name.rpartition(" ")[2]  # a template's return type stands before its name
    return _PLT.sub("", name)


def _emptied(name: str, opening: str, closing: str, *, keep: bool) -> str:
    """`name` without what stands in brackets; `keep`: the outermost brackets stay. `(anonymous namespace)` is "
    "a name."""
    if opening not in name:
        return name
    parts: list[str] = []
    depth = at = 0
    while at < len(name):
        if not depth and name.startswith("(anonymous namespace)", at):
            parts.append("(anonymous namespace)")
            at += len("(anonymous namespace)")
            continue
        char = name[at]
        if char == opening:
            if keep and not depth:
                parts.append(opening + closing)
            depth += 1
        elif char == closing and depth:
            depth -= 1
        elif not depth:
            parts.append(char)
        at += 1
    return "".join(parts)


def is_machinery(frame: Frame) -> bool:
    """Whether this raises or reports what failed, and did not fail itself."""
    return _MACHINERY.match(frame.function) is not None


def native_role(frame: Frame) -> Role:
    """Whose code a frame runs, judged by its file, the module that it stands in, and the namespaces of libraries.

    >>> native_role(Frame(file="", function="abort", module="/lib/x86_64-linux-gnu/libc.so.6")).value
    'stdlib'
    """
    file, module = frame.file.replace("\\", "/"), (frame.module or "").replace("\\", "/")
    if _RUNNER.match(frame.function):
        return Role.RUNNER
    if _STDLIB.search(file) or _STDLIB.search(module) or _START.match(frame.function) or _NAMES.match(frame.function):
        return Role.STDLIB
    if _MACHINERY.match(frame.function) or (not file and _LIBC.match(frame.function)):
        return Role.STDLIB
    if _LIBRARY.search(file) or _LIBRARY.search(module) or (not file and not frame.function):
        return Role.LIBRARY
    return Role.TEST if _TEST.search(file) else Role.APP
