package policy

import "time"

// An Estimate is a time to empty and where it comes from.
type Estimate struct {
	Left   time.Duration
	Method string
	// Credible is false for the assumption that stands in where nothing is
	// known.
	Credible bool
}

// slopeDrop is what the charge must have fallen by, in percent, before its slope
// says anything; journalDrop is after what fall it is written down.
const (
	slopeDrop   = 3.0
	journalDrop = 5.0
)

// TimeToEmpty is the most careful of what is known: the UPS's own figure where
// it is credible, how fast the charge fell in this outage, and how fast it fell
// at such a load before. Where there is none of them it is what the
// configuration says of the battery, or an assumed runtime, since unknown is
// never long. On mains it is what the battery would last from now.
func TimeToEmpty(r Rules, s State) Estimate {
	u, o := s.Seen.UPS, s.Outage
	age := time.Duration(0)
	if u.Power == OnBattery {
		age = s.Now - u.At
	}
	best := Estimate{Left: -1}
	take := func(left time.Duration, method string) {
		if left = max(0, left-age); best.Left < 0 || left < best.Left {
			best = Estimate{left, method, true}
		}
	}
	points, usable := 0.0, 1.0
	if u.Charge != nil {
		points = max(0, *u.Charge-emptyAt(r, s))
		usable = points / max(1, *u.Charge)
	}
	if credible(s) {
		take(time.Duration(usable*float64(*u.Runtime)), "the UPS's figure")
	}
	if o != nil && o.PerPercent > 0 && u.Charge != nil {
		take(time.Duration(points*float64(o.PerPercent)), "the slope of the charge")
	}
	if u.Charge != nil && len(s.Battery.Discharges) > 0 {
		if per := learned(s.Battery, Load(r, s).Watts, s.Now); per > 0 {
			take(time.Duration(points*float64(per)), "known discharges")
		}
	}
	if best.Left >= 0 {
		return best
	}
	return assumed(r, s, points, age)
}

// assumed is the time to empty where nothing was measured.
func assumed(r Rules, s State, points float64, age time.Duration) Estimate {
	u := s.Seen.UPS
	if u.Charge == nil {
		return Estimate{max(0, r.AssumedRuntime-s.OnBatteryFor()), "assumed", false}
	}
	if watts := Load(r, s).Watts; r.UPS.BatteryWh > 0 && watts > 0 {
		hours := points / 100 * r.UPS.BatteryWh / (watts/inverterEfficiency + inverterWatts)
		return Estimate{max(0, time.Duration(hours*float64(time.Hour))-age), "the configured battery", true}
	}
	share := points / max(1, 100-emptyAt(r, s))
	return Estimate{max(0, time.Duration(float64(r.AssumedRuntime)*share)-age), "assumed", false}
}

// inverterEfficiency is of what goes through an inverter of this size.
const inverterEfficiency = 0.8

// credible is whether the UPS's time to empty is worth believing: not 0, not
// where it says that nothing is connected, not stuck, and not beyond where it
// was stuck before. Seen on a BR1000ELCD: 0 % load and 7200 s for ever.
func credible(s State) bool {
	u := s.Seen.UPS
	if u.Runtime == nil || *u.Runtime <= 0 || u.Load == nil || *u.Load <= 0 {
		return false
	}
	if stuck := s.Battery.Stuck; stuck > 0 && *u.Runtime >= stuck {
		return false
	}
	return !stuckNow(s)
}

// stuckNow is whether the UPS has told one time to empty for so long that it
// cannot be a measured one.
func stuckNow(s State) bool {
	u, o := s.Seen.UPS, s.Outage
	if o == nil || o.First == nil || o.First.Runtime == nil || u.Runtime == nil || u.Power != OnBattery {
		return false
	}
	return *o.First.Runtime == *u.Runtime && u.At-o.First.At > 3*time.Minute
}

// slope measures how long one percent lasts. It goes by the moments at which the
// charge that is told falls: gauges step by 1, 5 or 10 percent, and rest at 100
// for a while.
func (c *core) slope(before *float64) {
	o, u := c.s.Outage, c.s.Seen.UPS
	if o == nil || u.Charge == nil || u.Power != OnBattery || c.outletsOff() {
		return
	}
	here := &Anchor{At: u.At, Charge: *u.Charge}
	if o.First == nil {
		o.First = &Anchor{At: u.At, Charge: *u.Charge, Runtime: u.Runtime}
	}
	if stuckNow(c.s) {
		c.s.Battery.Stuck = *u.Runtime
	}
	if before == nil || *u.Charge >= *before {
		return
	}
	if fell := *before - *u.Charge; o.Grain == 0 || fell < o.Grain {
		o.Grain = fell
	}
	if o.Anchor == nil {
		o.Anchor, o.Recent, o.Watts = here, here, Load(c.r, c.s).Watts
		return
	}
	drop := o.Anchor.Charge - *u.Charge
	if drop < slopeDrop {
		return
	}
	per := time.Duration(float64(u.At-o.Anchor.At) / drop)
	if fell := o.Recent.Charge - *u.Charge; fell >= slopeDrop {
		per = min(per, time.Duration(float64(u.At-o.Recent.At)/fell))
	}
	o.PerPercent = per
	if o.Recent.Charge-*u.Charge >= journalDrop {
		o.Recent = here
	}
}

// believed is the reading with what jumped left out until it is told twice. On
// battery the charge does not fall by more than some percent at once, and the
// time to empty goes by the clock; a reading that was damaged on its way does
// neither.
func (c *core) believed(w Reading) Reading {
	u := &c.s.Seen.UPS
	charge, runtime := w.Charge, w.Runtime
	passed := c.s.Now - u.At
	if c.s.Outage != nil && u.Power == OnBattery && w.Power != OnMains {
		if u.Charge != nil && charge != nil {
			most := 6 + 20*passed.Minutes()
			if far(*charge, *u.Charge, most) && (u.DoubtCharge == nil || far(*charge, *u.DoubtCharge, most)) {
				w.Charge = u.Charge
			}
		}
		if u.Runtime != nil && runtime != nil {
			if due := *u.Runtime - passed; strange(*runtime, due) && (u.DoubtRuntime == nil || strange(*runtime, *u.DoubtRuntime-passed)) {
				w.Runtime = new(max(0, due))
			}
		}
	}
	u.DoubtCharge, u.DoubtRuntime = nil, nil
	if w.Charge != charge {
		u.DoubtCharge = charge
	}
	if w.Runtime != runtime {
		u.DoubtRuntime = runtime
	}
	return w
}

func far(a, b, most float64) bool { return max(a-b, b-a) > most }

// strange is whether a time to empty is far off the one that is due.
func strange(told, due time.Duration) bool {
	return told < due/2-time.Minute || told > 2*due+2*time.Minute
}
