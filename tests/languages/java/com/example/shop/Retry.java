package com.example.shop;

final class Retry {
    static volatile boolean failed;

    static void twice(Runnable task) {
        failed = true;
        for (int attempt = 0; attempt < 2; attempt++) {
            try {
                task.run();
                failed = false;
                return;
            } catch (IllegalMonitorStateException again) {
                Thread.yield();
            }
        }
    }
}
