"""Single raw lines of each language beside the frame that is read from them: `file:line function [role]`."""

from __future__ import annotations

import pytest

from ems_ml.parse.go_frames import canonical as go_canonical
from ems_ml.parse.go_frames import go_function, go_place, go_role
from ems_ml.parse.javascript_frames import js_frame, js_role
from ems_ml.parse.jvm_frames import jvm_frame, jvm_role
from ems_ml.parse.native_frames import native_frame, native_role
from ems_ml.types import Frame

JVM = [
    ("\tat com.shop.Cart.total(Cart.java:12)", "Cart.java:12 com.shop.Cart.total [app]"),
    ("    at java.base/java.lang.Thread.run(Thread.java:833)", "Thread.java:833 java.lang.Thread.run [stdlib]"),
    ("\tat java.base@17.0.1/java.util.HashMap.get(HashMap.java:3)", "HashMap.java:3 java.util.HashMap.get [stdlib]"),
    ("\tat app//com.shop.Cart.total(Cart.java:12)", "Cart.java:12 com.shop.Cart.total [app]"),
    ("\tat sun.reflect.NativeMethodAccessorImpl.invoke0(Native Method)",
     ":None sun.reflect.NativeMethodAccessorImpl.invoke0 [stdlib]"),
    ("\tat jdk.internal.reflect.GeneratedMethodAccessor42.invoke(Unknown Source)",
     ":None jdk.internal.reflect.GeneratedMethodAccessor.invoke [stdlib]"),
    ("\tat com.shop.Cart.lambda$total$0(Cart.java:12)", "Cart.java:12 com.shop.Cart.lambda$total [app]"),
    ("\tat com.shop.Outer$Inner.run(Outer.java:7)", "Outer.java:7 com.shop.Outer$Inner.run [app]"),
    ("\tat com.shop.Outer$1.run(Outer.java:7)", "Outer.java:7 com.shop.Outer.run [app]"),
    ("\tat com.shop.Cart.<init>(Cart.java:3)", "Cart.java:3 com.shop.Cart.<init> [app]"),
    ("\tat com.shop.Cart$$EnhancerBySpringCGLIB$$1a2b3c4d.total(<generated>)",
     ":None com.shop.Cart$$EnhancerBySpringCGLIB.total [library]"),
    ("\tat com.sun.proxy.$Proxy12.save(Unknown Source)", ":None com.sun.proxy.$Proxy.save [stdlib]"),
    ("\tat com.shop.Main$$Lambda$14/0x0000000800c03000.run(Unknown Source)",
     ":None com.shop.Main$$Lambda.run [library]"),
    ("\tat com.shop.MainKt$main$1.invokeSuspend(Main.kt:12)", "Main.kt:12 com.shop.MainKt$main.invokeSuspend [app]"),
    ("\tat com.shop.Cart$.$anonfun$total$1$adapted(Cart.scala:9)", "Cart.scala:9 com.shop.Cart$.$anonfun$total [app]"),
    ("\tat org.springframework.web.Servlet.get(Servlet.java:5) ~[spring-web-5.3.jar:5.3]",
     "Servlet.java:5 org.springframework.web.Servlet.get [library]"),
    ("\tat com.shop.CartTest.adds(CartTest.java:5)", "CartTest.java:5 com.shop.CartTest.adds [test]"),
    ("\tat org.junit.runners.ParentRunner.run(ParentRunner.java:1)",
     "ParentRunner.java:1 org.junit.runners.ParentRunner.run [runner]"),
    ("   at Shop.Cart.Total(String name) in C:\\shop\\Cart.cs:line 12", None),
    ("    at main (/srv/main.js:9:1)", None),
]  # fmt: skip
JAVASCRIPT = [
    ("    at Cart.total (/srv/cart.js:3:5)", "/srv/cart.js:3 Cart.total [app]"),
    ("    at async Cart.total (file:///srv/cart.mjs:3:5)", "/srv/cart.mjs:3 Cart.total [app]"),
    ("    at new Cart (/srv/cart.js:3:5)", "/srv/cart.js:3 new Cart [app]"),
    ("    at /srv/cart.js:3:5", "/srv/cart.js:3  [app]"),
    ("    at async file:///srv/cart.mjs:3:5", "/srv/cart.mjs:3  [app]"),
    ("    at Object.<anonymous> (C:\\shop\\cart.js:3:5)", "C:\\shop\\cart.js:3 Object.<anonymous> [app]"),
    ("    at Cart.total [as price] (/srv/cart.js:3:5)", "/srv/cart.js:3 Cart.total [app]"),
    ("    at JSON.parse (<anonymous>)", "<anonymous>:None JSON.parse [stdlib]"),
    ("    at Array.map (native)", "native:None Array.map [stdlib]"),
    ("    at async Promise.all (index 0)", ":None Promise.all [stdlib]"),
    ("    at Module._compile (node:internal/modules/cjs/loader:1521:14)",
     "node:internal/modules/cjs/loader:1521 Module._compile [stdlib]"),
    ("    at Layer.handle (/srv/node_modules/express/lib/layer.js:95:5)",
     "/srv/node_modules/express/lib/layer.js:95 Layer.handle [library]"),
    ("    at run (/srv/node_modules/jest-circus/build/run.js:9:1)",
     "/srv/node_modules/jest-circus/build/run.js:9 run [runner]"),
    ("    at Object.adds (/srv/src/cart.test.ts:3:5)", "/srv/src/cart.test.ts:3 Object.adds [test]"),
    ("    at total (webpack-internal:///./src/cart.js?a1b2:3:5)", "webpack-internal:///./src/cart.js:3 total [app]"),
    ("    at eval (eval at run (/srv/a.js:1:2), <anonymous>:1:1)", "/srv/a.js:1 eval [app]"),
    ("    at total (https://shop.example/static/cart.js:3:5) {", "https://shop.example/static/cart.js:3 total [app]"),
    ("total@https://shop.example/cart.js:12:34", "https://shop.example/cart.js:12 total [app]"),
    ("@https://shop.example/cart.js:12:34", "https://shop.example/cart.js:12  [app]"),
    ("map@[native code]", "[native code]:None map [stdlib]"),
    ("ann@example.org wrote at 12:30:15", None),
    ("\tat com.shop.Cart.total(Cart.java:12)", None),
]  # fmt: skip
NATIVE = [
    ("    #1 0x4f2b in shop::Cart::total(int) /srv/cart.cpp:12:3", "/srv/cart.cpp:12 shop::Cart::total [app]"),
    ("    #0 0x4af01b in __interceptor_malloc (/srv/shop+0x4af01b)", ":None malloc [stdlib]"),
    ("    #3 0x7f07 in __libc_start_main csu/../csu/libc-start.c:287",
     "csu/../csu/libc-start.c:287 __libc_start_main [stdlib]"),
    ("    #4 0x55d0  (/srv/shop+0x1189) (BuildId: 12ab)", ":None  [library]"),
    ("#0  total (price=3, name=0x4 \"tea\") at cart.c:12", "cart.c:12 total [app]"),
    ("#1  0x000055555555513d in main (argc=1, argv=0x7ffe) at /srv/main.c:5", "/srv/main.c:5 main [app]"),
    ("#2  0x00007ffff7ca8e1a in ?? () from /lib/x86_64-linux-gnu/libstdc++.so.6", ":None ?? [stdlib]"),
    ("#3  <signal handler called>", ":None <signal handler called> [stdlib]"),
       ("#4  0x1 in std::vector<int, std::a<int> >::at (this=0x1) at /usr/include/c++/12/bits/stl_vector.h:1",
     "/usr/include/c++/12/bits/stl_vector.h:1 std::vector<>::at [stdlib]"),
    ("#5  0x000055d0 read_all.part.0 (shop + 0x1189)", ":None read_all [app]"),
    ("./shop(total+0x1d) [0x55d0]", ":None total [app]"),
    ("/lib/x86_64-linux-gnu/libc.so.6(abort+0x12b)[0x7f]", ":None abort [stdlib]"),
    ("#0 /var/www/cart.php(12): total()", None),
    ("#1 see issue #2 for more", None),
]  # fmt: skip
GO = [
    ("main.total(0x3)", "\t/srv/cart.go:12 +0x1d", "/srv/cart.go:12 main.total [app]"),
    ("main.(*Cart).Total(...)", "\t/srv/cart.go:12", "/srv/cart.go:12 main.(*Cart).Total [app]"),
    ("main.run.func1()", "\t/srv/run.go:9 +0x2", "/srv/run.go:9 main.run{func} [app]"),
    ("main.Map[...](0x1)", "\t/srv/map.go:9 +0x2", "/srv/map.go:9 main.Map [app]"),
    ("runtime.gopanic({0x1, 0x2})", "\t/usr/local/go/src/runtime/panic.go:88 +0x1",
     "/usr/local/go/src/runtime/panic.go:88 runtime.gopanic [stdlib]"),
    ("github.com/gin/gin.(*Context).Next(0xc0)",
     "\t/go/pkg/mod/github.com/gin/gin@v1.9.0/context.go:1 +0x1",
     "/go/pkg/mod/github.com/gin/gin@v1.9.0/context.go:1 github.com/gin/gin.(*Context).Next [library]"),
    ("example.com/shop/cart.Total({0xc000, 0x4})", "\t/srv/vendor/example.com/x/a.go:1 +0x1",
     "/srv/vendor/example.com/x/a.go:1 example.com/shop/cart.Total [library]"),
    ("testing.tRunner(0xc0, 0x1)", "\t/usr/local/go/src/testing/testing.go:1 +0x1",
     "/usr/local/go/src/testing/testing.go:1 testing.tRunner [runner]"),
    ("created by main.main in goroutine 1", "\t/srv/main.go:5 +0x1d", "/srv/main.go:5 main.main [app]"),
    ("main.TestTotal(0xc0)", "\t/srv/cart_test.go:5 +0x1d", "/srv/cart_test.go:5 main.TestTotal [test]"),
]  # fmt: skip


def told(frame: Frame, role: object) -> str:
    return f"{frame.file}:{frame.line} {frame.function} [{role}]"


@pytest.mark.parametrize(("line", "expected"), JVM)
def test_a_line_of_the_jvm(line: str, expected: str | None) -> None:
    found = jvm_frame(line)
    assert (told(found.frame, jvm_role(found.frame)) if found else None) == expected


@pytest.mark.parametrize(("line", "expected"), JAVASCRIPT)
def test_a_line_of_javascript(line: str, expected: str | None) -> None:
    found = js_frame(line)
    assert (told(found.frame, js_role(found.frame)) if found else None) == expected


@pytest.mark.parametrize(("line", "expected"), NATIVE)
def test_a_line_of_a_native_stack(line: str, expected: str | None) -> None:
    found = native_frame(line)
    assert (told(found.frame, native_role(found.frame)) if found else None) == expected


@pytest.mark.parametrize(("call", "place", "expected"), GO)
def test_two_lines_of_go(call: str, place: str, expected: str) -> None:
    function, found = go_function(call), go_place(place)
    assert function is not None
    assert found is not None
    frame = Frame(file=found[0], line=found[1], function=function)
    assert told(frame, go_role(frame)) == expected
    assert go_canonical(function) == function
