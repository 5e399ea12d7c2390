package com.example.shop;

import java.util.Iterator;
import java.util.List;

final class Orders {
    static final class Refused extends RuntimeException {
        Refused(String message, Throwable cause) {
            super(message, cause);
        }
    }

    void of(String what, String value) {
        switch (what) {
            case "order-payment" -> place(() -> pay(value));
            case "order-address" -> place(() -> address(value));
            case "order-tree" -> depth(1);
            case "order-missing" -> lookup(value);
            default -> last(List.of());
        }
    }

    void place(Runnable step) {
        try {
            step.run();
        } catch (RuntimeException error) {
            throw new Refused("the order was refused", error);
        }
    }

    void pay(String card) {
        if (card.length() < 16) {
            throw new IllegalStateException("card number of " + card.length() + " digits");
        }
    }

    void address(String text) {
        String[] parts = text.split(",");
        System.out.println(parts[1].strip());
    }

    int depth(int level) {
        return level + depth(level + 1);
    }

    void lookup(String name) {
        throw new Stock.NotFound("not found: " + name);
    }

    void last(List<String> names) {
        Iterator<String> found = names.iterator();
        System.out.println(found.next());
    }
}
