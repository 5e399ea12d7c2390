"""How single lines of a JVM's stack trace are written, whose code they run, and what of their names is generated."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ems_ml.types import Frame, Role

_NAME = r"[^\s()\[\]{}\"'`,;:=|/]"
_FRAME = re.compile(
    rf"(?P<before>.*?)(?<![\w.$])at (?:[^\s()$/]{{0,100}}/){{0,3}}(?P<class>{_NAME}+(?:/"
    rf"(?:0x)?[0-9a-fA-F]{{1,16}})?)\.(?P<method><?[\w$][\w$ -]*>?|<\w+>)"
    r"\((?P<source>Native Method|Unknown Source|<generated>|[^\s():]{1,300}(?::-?\d{1,9})?)\)"
    r"(?: ~?\[[^\]]{0,200}\]| \[na\])?\s*$"
)
MORE = re.compile(r"\s*\.{3} (?P<count>\d{1,9}) (?:more|common frames omitted|frames? truncated|frames? excluded)\b")
CIRCULAR = re.compile(r"\s*(?:Caused by: )?\[CIRCULAR REFERENCE: ?")
#: What the virtual machine and loggers write before the exception's type.
INTRODUCED = re.compile(
    r"(?P<indent>\s*)(?P<word>Caused by: |Suppressed: |Wrapped by: |Exception in thread \"[^\"\n]{0,300}\" "
    r"|Exception: )(?P<rest>.*)$"
)
QUALIFIED = re.compile(r"\s*(?P<type>(?:[^\W\d][\w$]*\.)+[^\W\d][\w$]*)(?::(?: (?P<message>.*)|\s*)|\s*)$")
SIMPLE = re.compile(r"\s*(?P<type>[A-Z][\w$]*)(?::(?: (?P<message>.*)|\s*)|\s*)$")
#: `... java.lang.IllegalStateException: no` behind a log's columns.
INSIDE = re.compile(
    r"(?<![\w.$/])(?P<type>(?:[a-z_][\w$]*\.)+[A-Z][\w$]*(?:Error|Exception|Throwable|Failure|Fault))"
    r"(?::(?: (?P<message>.*)|\s*)|\s*)$"
)
#: Exceptions of the platform itself are known even where no frame was printed.
BARE = re.compile(
    r"(?P<before>Exception in thread \"[^\"\n]{0,300}\" )?"
    r"(?P<type>(?:java|javax|kotlin|scala)\.(?:[a-z_][\w$]*\.)*[A-Z][\w$]*(?:Error|Exception))"
    r"(?::(?: (?P<message>.*)|\s*)|\s*)$"
)
_NO_TYPES = frozenset({"java.lang.Thread.State"})
_NAMED_SO = re.compile(r"(?:Error|Exception|Throwable|Failure|Fault|Failed|Refused|Timeout|Abort|Death)\d?$")

#: In a class's or method's name, what a compiler or a proxy library counted or made up.
_GENERATED = (
    (re.compile(r"\$\$Lambda(?:\$\d+)?(?:/(?:0x)?[0-9a-fA-F]+)?"), "$$Lambda"),
    (re.compile(r"\$\$(EnhancerBy|FastClassBy)(\w+?)\$\$[0-9a-fA-F]+"), r"$$\1\2"),
    (re.compile(r"\$\$(SpringCGLIB|EnhancerByGuice|FastClassByGuice)\$\$\w+"), r"$$\1"),
    (re.compile(r"\$(ByteBuddy|HibernateProxy|MockitoMock|HibernateBasic|auxiliary)\$\w+"), r"$\1"),
    (re.compile(r"((?:Generated(?:Method|Constructor|SerializationConstructor)Accessor)|\$Proxy)\d+"), r"\1"),
    (re.compile(r"\b(lambda\$[\w<>$]*?)\$\d+"), r"\1"),
    (re.compile(r"(\$anonfun(?:\$[A-Za-z_]\w*)*)((?:\$\d+)+)"), r"\1"),
    (re.compile(r"\$adapted$"), ""),
    (re.compile(r"(?<=[\w>])\$\d+(?=\$|\.|/|$)"), ""),  # anonymous classes, lambdas, bridges: `Cart$1`, `access$000`
)
_STDLIB = (
    "java.", "javax.", "jdk.", "sun.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "groovy.lang.", "groovy.util.",
    "org.codehaus.groovy.", "clojure.core", "clojure.lang.", "android.", "dalvik.", "libcore.", "com.android.internal.",
)  # fmt: skip
_RUNNERS = (
    "org.junit.", "junit.", "org.testng.", "org.gradle.", "worker.org.gradle.", "org.apache.maven.", "com.intellij.rt.",
    "org.scalatest.", "io.kotest.", "org.spockframework.", "org.specs2.", "sbt.", "org.eclipse.jdt.internal.junit",
    "munit.", "io.cucumber.", "androidx.test.",
)  # fmt: skip
_LIBRARIES = (
    "org.springframework.", "org.apache.", "org.hibernate.", "org.eclipse.", "org.jboss.", "org.wildfly.", "org.slf4j.",
    "org.mockito.", "org.aspectj.", "org.postgresql.", "org.h2.", "org.xml.", "org.w3c.", "org.glassfish.",
    "org.elasticsearch.", "org.opensearch.", "org.quartz.", "org.flywaydb.", "org.assertj.", "org.hamcrest.",
    "com.google.common.", "com.google.gson.", "com.google.inject.", "com.google.protobuf.", "com.google.android.",
    "com.fasterxml.", "com.zaxxer.", "com.mysql.", "com.mongodb.", "com.amazonaws.", "com.netflix.", "com.squareup.",
    "com.rabbitmq.", "com.codahale.", "com.github.benmanes.", "com.microsoft.sqlserver.", "oracle.jdbc.",
    "software.amazon.", "io.netty.", "io.grpc.", "io.undertow.", "io.reactivex.", "io.micrometer.", "io.lettuce.",
    "io.vertx.", "io.quarkus.", "io.ktor.", "io.micronaut.", "io.opentelemetry.", "reactor.", "rx.", "akka.", "play.",
    "okhttp3.", "okio.", "retrofit2.", "feign.", "redis.clients.", "ch.qos.logback.", "net.bytebuddy.", "net.sf.cglib.",
    "jakarta.", "androidx.", "zio.", "cats.", "brave.", "zipkin2.", "py4j.", "groovy.", "org.openqa.selenium.",
)  # fmt: skip
_GLUE = re.compile(r"\$\$|\$Proxy|GeneratedMethodAccessor|\$(?:ByteBuddy|HibernateProxy|MockitoMock)")
_TEST = re.compile(r"(?:Tests?|IT|Spec|TestCase|Suite)(?:\$.*)?$")


@dataclass(frozen=True, slots=True)
class JvmFrame:
    """A frame's line: what stood before it, and the frame, its name without what was generated."""

    before: str
    frame: Frame


def jvm_frame(line: str) -> JvmFrame | None:
    """The frame that `line` states: `at com.shop.Cart.total(Cart.java:12)`, whatever stands before it.

    The function is qualified by its class, the module is the class; the file is named as the machine named it.
    """
    if "at " not in line or ")" not in line:
        return None
    found = _FRAME.match(line)
    if found is None:
        return None
    source, _, number = found["source"].partition(":")
    known = source not in ("Native Method", "Unknown Source", "<generated>")
    if known and not number and "." not in source:
        return None
    owner = canonical(found["class"])
    return JvmFrame(
        before=found["before"],
        frame=Frame(
            file=source if known else "",
            function=f"{owner}.{canonical(found['method'])}",
            line=int(number) if number.isdigit() else None,
            module=owner,
        ),
    )


def canonical(name: str) -> str:
    """`name` without the numbers that a compiler or a proxy library gave, which another build gives otherwise.

    >>> canonical("com.shop.Cart$1"), canonical("lambda$total$3"), canonical("$anonfun$total$2$adapted")
    ('com.shop.Cart', 'lambda$total', '$anonfun$total')
    >>> canonical("com.shop.Orders$$EnhancerBySpringCGLIB$$1a2b3c4d")
    'com.shop.Orders$$EnhancerBySpringCGLIB'
    """
    if "$" in name or "Accessor" in name:
        for pattern, instead in _GENERATED:
            name = pattern.sub(instead, name)
    return name


def jvm_role(frame: Frame) -> Role:
    """Whose code a frame runs, judged by its class's package.

    >>> jvm_role(Frame(file="Thread.java", function="java.lang.Thread.run")).value
    'stdlib'
    """
    name = frame.function if "." in frame.function else f"{frame.module or ''}.{frame.function}"
    if name.startswith(_RUNNERS):
        return Role.RUNNER
    if name.startswith(_STDLIB):
        return Role.STDLIB
    if name.startswith(_LIBRARIES) or _GLUE.search(name):
        return Role.LIBRARY
    owner = (frame.module or name.rpartition(".")[0]).rpartition(".")[2]
    return Role.TEST if _TEST.search(owner) else Role.APP


def is_type(name: str) -> bool:
    """Whether a name may be an exception's: not a log's level, nor what a thread's state is called."""
    return name not in _NO_TYPES and not name.isupper()


def named_so(name: str) -> bool:
    """Whether a name looks like an exception's."""
    return _NAMED_SO.search(name) is not None
