"""The faults of the small programs: what is asked for, and what must be seen of it.

`type`: how the exception is named. `function`: the project's own function nearest to the raise point, in the first
version of the program. `values`: what is asked with, one for each way into the program.
"""

from __future__ import annotations

from dataclasses import dataclass

WORDS = ("soap", "lamp", "rope")
HIGH = ("95", "97", "99")
ZERO = ("0", "0", "0")


@dataclass(frozen=True)
class Cause:
    what: str
    type: str
    function: str
    values: tuple[str, str, str] = WORDS


JAVA = (
    Cause("price-null", "java.lang.NullPointerException", "Pricing.unitPrice"),
    Cause("stock-null", "java.lang.NullPointerException", "Stock.reserve"),
    Cause("discount-zero", "java.lang.ArithmeticException", "Pricing.discount"),
    Cause("discount-bad", "java.lang.IllegalArgumentException", "Pricing.discount", HIGH),
    Cause("stock-index", "java.lang.IndexOutOfBoundsException", "Stock.countAt", HIGH),
    Cause("stock-missing", "com.example.shop.Stock$NotFound", "Stock.find"),
    Cause("order-missing", "com.example.shop.Stock$NotFound", "Orders.lookup"),
    Cause("stock-state", "java.lang.IllegalStateException", "Stock.close"),
    Cause("record-number", "java.lang.NumberFormatException", "Records.quantity"),
    Cause("record-field", "java.lang.IllegalArgumentException", "Records.field"),
    Cause("record-sku", "java.lang.IllegalArgumentException", "Records.field"),
    Cause("record-cast", "java.lang.ClassCastException", "Records.weight"),
    Cause("order-payment", "com.example.shop.Orders$Refused", "Orders.place"),
    Cause("order-address", "com.example.shop.Orders$Refused", "Orders.place"),
    Cause("order-tree", "java.lang.StackOverflowError", "Orders.depth"),
    Cause("order-last", "java.util.NoSuchElementException", "Orders.last"),
)
NODE = (
    Cause("price-undefined", "TypeError", "Pricing.unitPrice"),
    Cause("stock-undefined", "TypeError", "Stock.reserve"),
    Cause("price-high", "RangeError", "Pricing.discount", HIGH),
    Cause("price-negative", "RangeError", "Pricing.discount", HIGH),
    Cause("stock-function", "TypeError", "Stock.count"),
    Cause("stock-missing", "NotFound", "Stock.find"),
    Cause("order-missing", "NotFound", "lookup"),
    Cause("stock-close", "Error", "Stock.close"),
    Cause("record-json", "SyntaxError", "read"),
    Cause("record-field", "TypeError", "field"),
    Cause("record-sku", "TypeError", "field"),
    Cause("record-weight", "TypeError", "weight"),
    Cause("order-payment", "Refused", "place"),
    Cause("order-address", "Refused", "place"),
    Cause("order-tree", "RangeError", "depth"),
    Cause("order-load", "Error", "load"),
)
GO = (
    Cause("price-nil", "panic", "pricing.unitPrice"),
    Cause("stock-nil", "panic", "stock.(*Store).Reserve"),
    Cause("price-zero", "panic", "pricing.discount"),
    Cause("price-high", "panic", "pricing.discount", HIGH),
    Cause("stock-index", "panic", "stock.(*Store).CountAt", HIGH),
    Cause("stock-missing", "panic", "stock.(*Store).Find"),
    Cause("order-missing", "panic", "orders.lookup"),
    Cause("stock-map", "panic", "stock.(*Store).Name"),
    Cause("record-number", "panic", "records.quantity"),
    Cause("record-field", "panic", "records.field"),
    Cause("record-sku", "panic", "records.field"),
    Cause("record-weight", "panic", "records.weight"),
    Cause("order-payment", "panic", "orders.place{func}"),
    Cause("order-address", "panic", "orders.place{func}"),
    Cause("order-slice", "panic", "orders.first"),
    Cause("order-wait", "fatal error", "orders.wait"),
)
GDB = (
    Cause("price-null", "SIGSEGV", "shop::unit_price"),
    Cause("stock-null", "SIGSEGV", "shop::Store::reserve"),
    Cause("price-zero", "SIGFPE", "shop::discount", ZERO),
    Cause("stock-range", "std::out_of_range", "shop::Store::count_at", HIGH),
    Cause("record-range", "std::out_of_range", "shop::width<>"),
    Cause("stock-twice", "SIGABRT", "shop::Store::close", HIGH),
    Cause("record-number", "std::invalid_argument", "shop::quantity"),
    Cause("record-field", "SIGABRT", "shop::field"),
    Cause("record-sku", "SIGABRT", "shop::field"),
    Cause("order-payment", "shop::Refused", "shop::pay"),
    Cause("order-address", "shop::Refused", "shop::deliver"),
    Cause("order-tree", "SIGSEGV", "shop::depth"),
)
SANITIZER = (
    Cause("price-null", "SEGV", "shop::unit_price"),
    Cause("stock-null", "SEGV", "shop::Store::reserve"),
    Cause("price-zero", "FPE", "shop::discount", ZERO),
    Cause("price-sum", "heap-buffer-overflow", "shop::sum"),
    Cause("stock-freed", "heap-use-after-free", "shop::Store::sell", HIGH),
    Cause("stock-twice", "double-free", "shop::Store::close", HIGH),
    Cause("record-copy", "stack-buffer-overflow", "shop::copy"),
    Cause("record-field", "SIGABRT", "shop::field"),
    Cause("record-sku", "SIGABRT", "shop::field"),
    Cause("stock-range", "std::out_of_range", "shop::Store::count_at", HIGH),
    Cause("record-number", "std::invalid_argument", "shop::quantity"),
    Cause("order-payment", "shop::Refused", "shop::pay"),
    Cause("order-address", "shop::Refused", "shop::deliver"),
    Cause("order-tree", "stack-overflow", "shop::depth"),
    Cause("order-cost", "runtime error", "shop::cost", HIGH),
)
#: In the second version of the programs some functions have other names.
RENAMED = {
    "java": {"unitPrice": "priceOf", "find": "shelfOf", "handle": "dispatch", "lookup": "orderOf"},
    "node": {"unitPrice": "priceOf", "find": "shelfOf", "handle": "dispatch", "lookup": "orderOf"},
    "go": {"unitPrice": "priceOf", "Find": "ShelfOf", "handle": "dispatch", "lookup": "orderOf"},
    "native": {"unit_price": "price_of", "reserve": "take", "handle": "dispatch", "quantity": "amount"},
}
