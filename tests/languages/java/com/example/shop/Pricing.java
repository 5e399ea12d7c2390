package com.example.shop;

import java.util.HashMap;
import java.util.Map;

final class Pricing {
    private final Map<String, String> prices = new HashMap<>(Map.of("tea", "3", "mug", "9"));

    void of(String what, String value) {
        if (what.equals("price-null")) {
            unitPrice(value);
        } else {
            discount(what.equals("discount-zero") ? 0 : Integer.parseInt(value), value);
        }
    }

    int unitPrice(String name) {
        String text = prices.get(name);
        return text.length() * 100;
    }

    int discount(int share, String value) {
        if (share > 90) {
            throw new IllegalArgumentException("discount of " + value + " percent is too high");
        }
        int part = 1200 / share;
        return part;
    }
}
