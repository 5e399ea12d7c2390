// Package orders takes orders.
package orders

import (
	"fmt"
	"strings"
)

// Of answers one request.
func Of(what, value string) {
	switch what {
	case "order-payment":
		place(func() { pay(value) })
	case "order-address":
		place(func() { address(value) })
	case "order-missing":
		lookup(value)
	case "order-slice":
		first(value, len(value)+3)
	default:
		wait()
	}
}

//go:noinline
func place(step func()) {
	defer func() {
		if found := recover(); found != nil {
			panic(fmt.Sprint("the order was refused: ", found))
		}
	}()
	step()
}

//go:noinline
func pay(card string) {
	if len(card) < 16 {
		panic(fmt.Sprintf("card number of %d digits", len(card)))
	}
}

//go:noinline
func address(text string) string {
	return strings.Split(text, ",")[1]
}

//go:noinline
func lookup(name string) {
	panic(fmt.Errorf("not found: %s", name))
}

//go:noinline
func first(text string, count int) string {
	return text[:count]
}

//go:noinline
func wait() {
	answers := make(chan string)
	fmt.Println(<-answers)
}
