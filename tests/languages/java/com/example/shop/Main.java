package com.example.shop;

import java.util.List;

/** Three ways into the same shop: at the till, in a report over all orders, and in a thread at night. */
public final class Main {
    public static void main(String[] args) throws Exception {
        String entry = args[0];
        String what = args[1];
        String value = args[2];
        switch (entry) {
            case "checkout" -> checkout(what, value);
            case "report" -> Report.overAll(List.of(what), value);
            case "nightly" -> nightly(what, value);
            default -> throw new IllegalArgumentException("no entry " + entry);
        }
    }

    static void checkout(String what, String value) {
        new Desk().handle(what, value);
    }

    static void nightly(String what, String value) throws InterruptedException {
        Thread worker = new Thread(() -> Retry.twice(() -> new Desk().handle(what, value)), "nightly-7");
        worker.start();
        worker.join();
        if (Retry.failed) {
            System.exit(1);
        }
    }
}
