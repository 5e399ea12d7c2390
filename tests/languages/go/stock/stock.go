// Package stock knows what is on the shelves.
package stock

import (
	"fmt"
	"strconv"
)

// Shelf holds things.
type Shelf struct{ Count int }

// Store has shelves.
type Store struct {
	shelves map[string]*Shelf
	counts  []int
	names   map[string]string
}

// Of answers one request.
func Of(what, value string) {
	store := &Store{counts: []int{4, 5, 6}}
	switch what {
	case "stock-nil":
		store.Reserve(value)
	case "stock-index":
		place, _ := strconv.Atoi(value)
		store.CountAt(place)
	case "stock-missing":
		store.Find(value)
	default:
		store.Name(value)
	}
}

//go:noinline
func (s *Store) Reserve(name string) int {
	return s.shelves[name].Count - 1
}

//go:noinline
func (s *Store) CountAt(place int) int {
	return s.counts[place]
}

//go:noinline
func (s *Store) Find(name string) *Shelf {
	shelf, known := s.shelves[name]
	if !known {
		panic(fmt.Errorf("not found: %s", name))
	}
	return shelf
}

//go:noinline
func (s *Store) Name(name string) {
	s.names[name] = "named"
}
