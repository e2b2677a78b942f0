package board

import (
	"strings"

	"lastwatt/drivers"
)

// A family is what boards of one generation have in common.
type family string

// The families, by the names that the configuration uses for models. A board that
// is of none of them has no EEPROM settings and no draw in the table.
const (
	familyZero family = "pizero"
	family3    family = "pi3"
	family4    family = "pi4"
	family5    family = "pi5"
)

// ModelOf is what the configuration calls the board that the device tree calls
// model: pizero, pi3, pi4, pi5; empty for another.
func ModelOf(model string) string { return string(familyOf(model)) }

func familyOf(model string) family {
	rest, ok := strings.CutPrefix(model, "Raspberry Pi ")
	if !ok {
		return ""
	}
	for _, m := range []struct {
		prefix string
		family family
	}{
		{"Zero 2", ""}, {"Zero", familyZero}, {"3 ", family3},
		{"4 ", family4}, {"400", family4}, {"Compute Module 4", family4},
		{"5 ", family5}, {"500", family5}, {"Compute Module 5", family5},
	} {
		if strings.HasPrefix(rest, m.prefix) {
			return m.family
		}
	}
	return ""
}

// isPi is whether a board has a Raspberry Pi's firmware.
func isPi(model string) bool { return strings.HasPrefix(model, "Raspberry Pi") }

// TableDraw is what a busy board of a model (pizero, pi3, pi4, pi5) draws at its
// own supply: the Raspberry Pi documentation's table and public measurements of
// the Pi 5 with an NVMe base. 0 is a model that the table lacks.
func TableDraw(model string) drivers.Watt {
	return map[family]drivers.Watt{familyZero: 1.5, family3: 4, family4: 6.3, family5: 9.9}[family(model)]
}
