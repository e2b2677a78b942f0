package board

import (
	"slices"
	"time"

	"lastwatt/drivers"
	"lastwatt/drivers/board/mailbox"
)

// The readings of a Pi 5's power chip fluctuate: a rail is the mean of the last
// 10 s, the board's draw that of the last 30 s (jfikar/RPi5-power takes 50 s).
const (
	railWindow = 10 * time.Second
	drawWindow = 30 * time.Second
)

// The draw of a bare Pi 5 from the sum of its rails, both in watts (fitted by
// jfikar/RPi5-power with a USB meter). What hangs on 5 V, USB, HATs, an NVMe
// drive, the fan, passes the power chip by.
const (
	drawPerRailWatt = 1.1451
	drawBeside      = 0.5879
)

// The input of a Pi 5 as its power chip sees it, 0.10 to 0.15 V below the plug: a
// good supply shows 4.90 V (PierreGode/Ragnar pull request 315), and the firmware
// itself warns at 4.63 V.
const (
	inputRail     = "EXT5V"
	inputWarning  = drivers.Volt(4.80)
	inputCritical = drivers.Volt(4.70)
)

// batteryRail is the cell of the clock; without one it reads about 0.005 V
// (marcone/teslausb pull request 1041).
const (
	batteryRail  = "BATT"
	batteryThere = drivers.Volt(1)
)

// pmicSample is what the power chip said at one moment.
type pmicSample struct {
	at    time.Time
	rails []mailbox.Rail
}

// pmic keeps the samples of the last half minute.
type pmic struct{ samples []pmicSample }

func (p *pmic) add(s pmicSample) {
	p.samples = append(p.samples, s)
	p.samples = slices.DeleteFunc(p.samples, func(old pmicSample) bool { return s.at.Sub(old.at) >= drawWindow })
}

// forget drops what is too old to be of the moment now.
func (p *pmic) forget(now time.Time) {
	p.samples = slices.DeleteFunc(p.samples, func(old pmicSample) bool { return now.Sub(old.at) >= drawWindow })
}

// rails are the rails' means of the last 10 s before now.
func (p *pmic) rails(now time.Time) []drivers.Rail {
	var all []drivers.Rail
	for _, name := range p.names() {
		volts, amps := mean{}, mean{}
		watts := mean{}
		for _, s := range p.samples {
			if now.Sub(s.at) >= railWindow {
				continue
			}
			for _, r := range s.rails {
				if r.Name != name {
					continue
				}
				if r.Volts != nil {
					volts.add(float64(*r.Volts))
				}
				if r.Amps != nil {
					amps.add(float64(*r.Amps))
				}
				if r.Volts != nil && r.Amps != nil {
					watts.add(float64(*r.Volts) * float64(*r.Amps))
				}
			}
		}
		rail := drivers.Rail{Name: name}
		if volts.n > 0 {
			rail.Volts = new(drivers.Volt(volts.value()))
		}
		if amps.n > 0 {
			rail.Amps = new(drivers.Ampere(amps.value()))
		}
		if watts.n > 0 {
			rail.Watts = new(drivers.Watt(watts.value()))
		}
		if volts.n+amps.n == 0 || name == batteryRail && rail.Volts != nil && *rail.Volts < batteryThere {
			continue
		}
		all = append(all, rail)
	}
	return all
}

// names are the rails that the last sample had, in its order.
func (p *pmic) names() []string {
	if len(p.samples) == 0 {
		return nil
	}
	var names []string
	for _, r := range p.samples[len(p.samples)-1].rails {
		names = append(names, r.Name)
	}
	return names
}

// draw is the estimate of the board's draw with what hangs beside the power chip;
// nil without a sample.
func (p *pmic) draw(extra drivers.Watt) *drivers.Watt {
	sums := mean{}
	for _, s := range p.samples {
		sum := 0.0
		for _, r := range s.rails {
			if r.Volts != nil && r.Amps != nil {
				sum += float64(*r.Volts) * float64(*r.Amps)
			}
		}
		sums.add(sum)
	}
	if sums.n == 0 {
		return nil
	}
	return new(drivers.Watt(drawPerRailWatt*sums.value()+drawBeside) + extra)
}

// mean is the mean of what was added.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) { m.sum += v; m.n++ }

func (m mean) value() float64 { return m.sum / float64(m.n) }
