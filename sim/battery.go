// Package sim is a rack that exists only in memory: battery, UPS, nodes and a
// Swarm, with their times and faults.
package sim

import (
	"math"
	"time"

	"lastwatt/drivers"
)

// A Battery is the truth about a UPS's battery and inverter, of which the UPS
// tells only a part.
type Battery struct {
	// CapacityWh is what it held when new, at a discharge over an hour;
	// Health is what is left of that, 0 to 1.
	CapacityWh, Health float64
	// Peukert is the exponent by which a heavier load wears it faster; lead
	// acid has 1.1 to 1.3.
	Peukert float64
	// OverheadW is what the inverter itself takes on battery; Efficiency is
	// of the rest, 0 to 1.
	OverheadW, Efficiency float64
	// ChargerW goes in on mains.
	ChargerW float64
	// Wh is what it holds now.
	Wh float64
}

// ReferenceBattery is a new battery of the size of the reference rack's UPS: two
// 7 Ah blocks, of which some 100 Wh come out at a light load.
func ReferenceBattery() Battery {
	return Battery{CapacityWh: 100, Health: 1, Peukert: 1.15, OverheadW: 8, Efficiency: 0.85, ChargerW: 30, Wh: 100}
}

// Full is what it holds when charged, in watt-hours.
func (b Battery) Full() float64 { return b.CapacityWh * b.Health }

// Drain is what a load takes out of it, in watts of its own energy.
func (b Battery) Drain(load drivers.Watt) float64 {
	p := b.OverheadW + float64(load)/b.Efficiency
	if b.CapacityWh <= 0 {
		return p
	}
	// Peukert's law, with one hour as the rated time.
	return p * math.Pow(math.Max(p/b.CapacityWh, 0.05), b.Peukert-1)
}

// Lasts is how long it carries a load from now.
func (b Battery) Lasts(load drivers.Watt) time.Duration {
	return time.Duration(b.Wh / b.Drain(load) * float64(time.Hour))
}

// Discharge moves time on with the load on it, and says whether it is empty.
func (b *Battery) Discharge(load drivers.Watt, d time.Duration) (empty bool) {
	b.Wh = math.Max(0, b.Wh-b.Drain(load)*d.Hours())
	return b.Wh <= 0
}

// Charge moves time on with mains.
func (b *Battery) Charge(d time.Duration) {
	b.Wh = math.Min(b.Full(), b.Wh+b.ChargerW*0.8*d.Hours())
}

// Percent is the true charge.
func (b Battery) Percent() float64 {
	if b.Full() <= 0 {
		return 0
	}
	return 100 * b.Wh / b.Full()
}
