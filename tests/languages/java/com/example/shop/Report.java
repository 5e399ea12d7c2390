package com.example.shop;

import java.util.List;

final class Report {
    static void overAll(List<String> kinds, String value) {
        kinds.stream().map(String::trim).forEach(kind -> line(kind, value));
    }

    private static void line(String kind, String value) {
        Desk desk = new Desk();
        desk.handle(kind, value);
    }
}
