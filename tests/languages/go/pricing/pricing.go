// Package pricing knows what things cost.
package pricing

import (
	"fmt"
	"strconv"
)

// Price of one thing.
type Price struct{ Cents int }

var prices = map[string]*Price{"tea": {300}, "mug": {900}}

// Of answers one request.
func Of(what, value string) int {
	switch what {
	case "price-nil":
		return unitPrice(value)
	case "price-zero":
		return discount(0)
	default:
		share, _ := strconv.Atoi(value)
		return discount(share)
	}
}

//go:noinline
func unitPrice(name string) int {
	return prices[name].Cents * 2
}

//go:noinline
func discount(share int) int {
	if share > 90 {
		panic(fmt.Sprintf("discount of %d percent is too high", share))
	}
	return 1200 / share
}
