package com.example.shop;

import java.util.Map;

/** Takes a request to the part of the shop that answers it. */
final class Desk {
    private final Pricing pricing = new Pricing();
    private final Stock stock = new Stock();
    private final Records records = new Records();
    private final Orders orders = new Orders();

    void handle(String what, String value) {
        switch (what) {
            case "price-null", "discount-zero", "discount-bad" -> pricing.of(what, value);
            case "stock-null", "stock-index", "stock-missing", "stock-state" -> stock.of(what, value);
            case "record-number", "record-field", "record-sku", "record-cast" -> records.of(what, value);
            default -> orders.of(what, value);
        }
    }

    static final Map<String, String> NAMES = Map.of("tea", "Tea", "mug", "Mug");
}
