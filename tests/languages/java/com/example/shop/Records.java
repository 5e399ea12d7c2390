package com.example.shop;

import java.util.Map;

final class Records {
    void of(String what, String value) {
        switch (what) {
            case "record-number" -> quantity(value);
            case "record-field" -> field(Map.of("sku", value));
            case "record-sku" -> field(Map.of("quantity", 3, "sku", "?" + value));
            default -> weight(value);
        }
    }

    int quantity(String text) {
        return Integer.parseInt(text + " kg");
    }

    void field(Map<String, Object> record) {
        if (!record.containsKey("quantity")) {
            throw new IllegalArgumentException("the record has no quantity");
        }
        if (record.get("sku").toString().startsWith("?")) {
            throw new IllegalArgumentException("the code " + record.get("sku") + " is not known");
        }
    }

    int weight(Object value) {
        return (Integer) value;
    }
}
