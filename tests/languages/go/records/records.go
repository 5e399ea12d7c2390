// Package records reads what was written down.
package records

import (
	"fmt"
	"strconv"
	"strings"
)

// Of answers one request.
func Of(what, value string) {
	switch what {
	case "record-number":
		quantity(value)
	case "record-field":
		field(map[string]string{"sku": value})
	case "record-sku":
		field(map[string]string{"quantity": "3", "sku": "?" + value})
	default:
		weight(value)
	}
}

//go:noinline
func quantity(text string) int {
	number, err := strconv.Atoi(text + " kg")
	if err != nil {
		panic(err)
	}
	return number
}

//go:noinline
func field(record map[string]string) {
	if _, known := record["quantity"]; !known {
		panic("the record has no quantity")
	}
	if strings.HasPrefix(record["sku"], "?") {
		panic(fmt.Sprintf("the code %q is not known", record["sku"]))
	}
}

//go:noinline
func weight(value any) int {
	return value.(int)
}
