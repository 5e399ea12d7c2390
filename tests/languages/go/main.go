// The shop, with three ways in: at the till, in a report over all orders, and in a goroutine at night.
package main

import (
	"os"
	"strings"
	"sync"

	"example.com/shop/orders"
	"example.com/shop/pricing"
	"example.com/shop/records"
	"example.com/shop/stock"
)

func main() {
	entry, what, value := os.Args[1], os.Args[2], os.Args[3]
	switch entry {
	case "checkout":
		checkout(what, value)
	case "report":
		report([]string{what}, value)
	default:
		nightly(what, value)
	}
}

//go:noinline
func checkout(what, value string) {
	handle(what, value)
}

//go:noinline
func report(kinds []string, value string) {
	each(kinds, func(kind string) { handle(strings.TrimSpace(kind), value) })
}

//go:noinline
func each(kinds []string, do func(string)) {
	for _, kind := range kinds {
		do(kind)
	}
}

//go:noinline
func nightly(what, value string) {
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		handle(what, value)
	}()
	wait.Wait()
}

//go:noinline
func handle(what, value string) {
	switch strings.Split(what, "-")[0] {
	case "price":
		pricing.Of(what, value)
	case "stock":
		stock.Of(what, value)
	case "record":
		records.Of(what, value)
	default:
		orders.Of(what, value)
	}
}
