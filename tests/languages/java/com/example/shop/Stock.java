package com.example.shop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

final class Stock {
    private final Map<String, String> shelves = new HashMap<>();
    private final List<Integer> counts = new ArrayList<>(List.of(4, 5, 6));
    private boolean open;

    void of(String what, String value) {
        switch (what) {
            case "stock-null" -> reserve(value);
            case "stock-index" -> countAt(Integer.parseInt(value));
            case "stock-missing" -> find(value);
            default -> close();
        }
    }

    int reserve(String name) {
        String text = shelves.get(name);
        return text.length() - 1;
    }

    int countAt(int place) {
        return counts.get(place);
    }

    String find(String name) {
        if (!shelves.containsKey(name)) {
            throw new NotFound("not found: " + name);
        }
        return shelves.get(name);
    }

    void close() {
        if (!open) {
            throw new IllegalStateException("the store is not open");
        }
        open = false;
    }

    static final class NotFound extends RuntimeException {
        NotFound(String message) {
            super(message);
        }
    }
}
