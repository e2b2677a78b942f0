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

// slopeDrop and slopeTime are what a discharge must have lost before its slope
// says anything: gauges step in whole percents and rest at 100 for a while.
const (
	slopeDrop = 3.0
	slopeTime = time.Minute
)

// TimeToEmpty is the most careful of what is known: the UPS's own figure where
// it is credible, and how fast the charge fell in this outage. Where there is
// neither it is an assumed runtime, since unknown is never long. On mains it is
// what the battery would last from now.
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
	if credible(s) {
		take(*u.Runtime, "the UPS's figure")
	}
	if o != nil && o.PerPercent > 0 && u.Charge != nil {
		take(time.Duration(*u.Charge*float64(o.PerPercent)), "the slope of the charge")
	}
	if best.Left >= 0 {
		return best
	}
	left := r.AssumedRuntime
	if u.Charge != nil {
		left = time.Duration(float64(left) * *u.Charge / 100)
	} else {
		age = s.OnBatteryFor()
	}
	return Estimate{max(0, left-age), "assumed", false}
}

// credible is whether the UPS's runtime is worth believing: not 0, not where it
// says that nothing is connected, and not stuck. Seen on a BR1000ELCD: 0 % load
// and 7200 s for ever.
func credible(s State) bool {
	u := s.Seen.UPS
	if u.Runtime == nil || *u.Runtime <= 0 || u.Load == nil || *u.Load <= 0 {
		return false
	}
	if o := s.Outage; o != nil && o.Anchor != nil && o.Anchor.Runtime != nil && u.Power == OnBattery {
		stuck := *o.Anchor.Runtime == *u.Runtime && u.At-o.Anchor.At > 3*time.Minute
		return !stuck
	}
	return true
}

// slope measures how long one percent lasts, taking the gauge to be one percent
// late.
func (c *core) slope() {
	o, u := c.s.Outage, c.s.Seen.UPS
	if o == nil || o.Anchor == nil || u.Charge == nil || u.Power != OnBattery {
		return
	}
	drop, took := o.Anchor.Charge-*u.Charge, u.At-o.Anchor.At
	if drop >= slopeDrop && took >= slopeTime {
		o.PerPercent = time.Duration(float64(took) / (drop + 1))
	}
}
