package policy

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A Battery is what outages have taught of the UPS's battery. The zero value is
// that of one that nothing is known of.
type Battery struct {
	// Lowest is the least charge in percent that the UPS told while the
	// battery went on; nil before the first outage.
	Lowest   *float64      `json:"lowest,omitempty"`
	LowestAt time.Duration `json:"lowest_at,omitempty"` // when that was last seen
	// Ended is whether the battery was seen to end there, and Short whether
	// once it may have: mains that came back early looks the same.
	Ended bool `json:"ended,omitempty"`
	Short bool `json:"short,omitempty"`
	// Stuck is a time to empty that the UPS once told without moving: it is
	// told where the truth is longer than the UPS can say, or not known.
	Stuck time.Duration `json:"stuck,omitempty"`
	// Discharges are how fast the charge fell, and at which load.
	Discharges []Discharge `json:"discharges,omitempty"`
}

// A Discharge is a part of an outage at one load.
type Discharge struct {
	Watts      float64       `json:"watts"`
	PerPercent time.Duration `json:"per_percent"` // how long a percent lasted
	Points     float64       `json:"points"`      // percent over which it was measured
	At         time.Duration `json:"at"`
}

// An End is what a full stop leaves the battery to do.
type End struct {
	Dark   float64 `json:"dark"`   // the charge told when all was down
	Expect float64 `json:"expect"` // the one to be told when the outlets go off
	// For is the time between the two; 0 is not known.
	For time.Duration `json:"for,omitempty"`
}

const (
	// credibleEmpty is the charge at which a battery that was not proven is
	// taken to be empty where the UPS's own time to empty is credible.
	credibleEmpty = 20.0
	// emptyMargin and emptyPerYear are added to what was proven, in percent
	// and percent a year: the battery of next year is worse.
	emptyMargin  = 1.0
	emptyPerYear = 5.0
	// learnTo is the charge down to which a battery is proven on purpose: one
	// that is nearer to empty than this may have been set to 0 by its own end.
	learnTo = 3.0
	// nothing is what a gauge at most tells that was set to 0 by the battery's
	// end, and has charged for a minute.
	nothing = 2.0
	// aged is after how much of emptyPerYear it is proven again.
	aged = 1.0
	// patience is how much longer than by the tables the way there may take: how
	// much less is drawn with all nodes down is known by them only.
	patience = 1.5
	// spent is how near to where it is taken to be empty a battery has to be.
	spent = 20.0
	// fewPoints is the fall in percent below which a discharge is not kept.
	fewPoints      = 10.0
	keepDischarges = 12
	year           = 365 * 24 * time.Hour
)

// emptyAt is the charge told, in percent, at which the battery is taken to be
// empty.
func emptyAt(r Rules, s State) float64 {
	b, assumed := s.Battery, r.AssumedEmpty
	if credible(s) {
		assumed = min(assumed, credibleEmpty)
	}
	if b.Lowest == nil {
		return assumed
	}
	if b.Ended {
		return min(b.proven(s.Now), 100)
	}
	return min(b.proven(s.Now), assumed)
}

// proven is the charge at which the battery is taken to be empty by what was
// seen of it, which grows old.
func (b Battery) proven(now time.Duration) float64 {
	return *b.Lowest + emptyMargin + emptyPerYear*years(now-b.LowestAt)
}

func years(d time.Duration) float64 { return max(0, float64(d)/float64(year)) }

// proven notes that the battery still went on at this charge, and whether it
// then ended.
func (c *core) proven(charge float64, ended bool) {
	b := &c.s.Battery
	if ended || b.Lowest == nil || charge+emptyMargin < b.proven(c.s.Now) {
		if ended && (!b.Ended || math.Abs(charge-*b.Lowest) > 1) {
			c.tell("health", "warning", "", fmt.Sprintf("The battery ended when the UPS told %.0f %%: what it tells is now counted from there.", charge))
		}
		b.Lowest, b.LowestAt, b.Ended = &charge, c.s.Now, ended
	}
}

// suspect notes that the machine started again in the middle of an outage: if
// other nodes that ran did so too, the battery had ended.
func (c *core) suspect(rebooted bool) {
	o := c.s.Outage
	last := o.Recent
	if last == nil {
		last = o.First
	}
	if !rebooted || last == nil || c.s.Seen.UPS.Power != OnBattery || o.Committed {
		return
	}
	o.Suspect = new(last.Charge)
}

// goesDark notes what the charge is to be when the outlets go off.
func (c *core) goesDark() {
	o, u := c.s.Outage, c.s.Seen.UPS
	if u.Charge == nil || u.Power != OnBattery {
		return
	}
	e := End{Dark: *u.Charge, Expect: *u.Charge}
	if per := c.percentAt(c.darkWatts()); per > 0 && o.CutAt > c.s.Now {
		e.For = o.CutAt - c.s.Now
		e.Expect = max(0, e.Dark-float64(e.For)/float64(per))
		if c.learning() > 0 {
			e.Expect = max(e.Expect, c.learnTo())
		}
	}
	o.End = &e
}

// cameUp learns from the first charge that is told after the power was off. One
// that is far above what was expected may be that of a battery that ended there,
// or mains came back early: only twice in a row at one charge is an end. One of
// nearly nothing that was not expected was set by the UPS when its battery ended,
// and says nothing of where.
func (c *core) cameUp(charge float64) {
	e, b := c.s.Outage.End, &c.s.Battery
	c.s.Outage.End = nil
	fell, expected := e.Dark-charge, e.Dark-e.Expect
	switch {
	case charge < nothing && e.For == 0:
		c.proven(e.Dark, false) // without a cut nobody knows how long it lasted
	case charge < nothing && e.Expect > nothing:
		c.proven(e.Dark, true)
	case expected >= learnTo && fell < expected/2:
		again := b.Short && b.Lowest != nil && math.Abs(charge-*b.Lowest) <= 1
		c.proven(min(charge, e.Dark), again)
		b.Short = true
	default:
		c.proven(min(charge, e.Dark), false)
		b.Short = b.Short && expected < learnTo
	}
}

// percentAt is how long a percent of charge lasts at a load, by what was seen and
// the tables; 0 is not known.
func (c *core) percentAt(watts float64) time.Duration {
	o := c.s.Outage
	if o.PerPercent > 0 && o.Watts > 0 {
		return time.Duration(float64(o.PerPercent) * (o.Watts + inverterWatts) / (watts + inverterWatts))
	}
	return learned(c.s.Battery, watts, c.s.Now)
}

// keep keeps a discharge, in the place of the oldest at such a load where there
// are many: those at a load that is seldom are worth the most.
func (c *core) keep(d Discharge) {
	all := append(slices.Clone(c.s.Battery.Discharges), d)
	if len(all) > keepDischarges {
		oldest, most := 0, 0
		for i, a := range all {
			like := 0
			for _, b := range all {
				if near(a.Watts, b.Watts) {
					like++
				}
			}
			if like > most {
				oldest, most = i, like
			}
		}
		all = slices.Delete(all, oldest, oldest+1)
	}
	c.s.Battery.Discharges = all
}

// near is whether two loads, in watts, are so alike that a percent lasts about as
// long.
func near(a, b float64) bool { return a < 1.3*b && b < 1.3*a }

// learning is how long the cut may wait so that the battery is proven lower, with
// all nodes down; 0 is not at all. It is brought forward when the charge is there.
func (c *core) learning() time.Duration {
	o, u, b := c.s.Outage, c.s.Seen.UPS, c.s.Battery
	if !c.r.LearnEmpty || o.NoLearning || u.Power != OnBattery || u.Charge == nil {
		return 0
	}
	known := b.Lowest != nil && (b.Ended || *b.Lowest < c.learnTo()+1) && emptyPerYear*years(c.s.Now-b.LowestAt) < aged
	if known || *u.Charge <= c.learnTo() {
		return 0
	}
	if *u.Charge > emptyAt(c.r, c.s)+spent {
		return 0 // stopped before the last moment: somebody wants what is left
	}
	points := *u.Charge - c.learnTo()
	return min(time.Duration(patience*points*float64(c.percentAt(c.darkWatts()))), c.r.ParkLongest)
}

// learnTo is the charge down to which the battery is proven: what a gauge with such
// steps tells last before it may tell none, beside what a cut that is then armed
// still takes, and beside one more start and stop, since nodes start with mains and
// it may go again at once.
func (c *core) learnTo() float64 {
	all := core{r: c.r, s: c.allUp()}
	points := func(d time.Duration, watts float64) float64 {
		if per := c.percentAt(watts); per > 0 {
			return float64(d) / float64(per)
		}
		return 0
	}
	again := points(all.bootTime()+all.need(), Load(c.r, all.s).Watts)
	return max(learnTo, again, c.s.Outage.Grain, nothing+points(c.shortDelay(), c.darkWatts()))
}

// outletsOff is whether a cut was armed and its time is over: the battery feeds
// nothing then.
func (c *core) outletsOff() bool {
	at := c.s.Outage.CutAt
	return at > 0 && c.s.Now >= at
}

// darkWatts is what is fed while all that is left is to lose power.
func (c *core) darkWatts() float64 {
	watts := c.r.BaseWatts
	for _, n := range c.r.Nodes {
		if c.s.Outage.Runs[n.Name].State != Halted {
			watts += idleWatts(n)
		}
	}
	return watts
}

// inverterWatts is what an inverter of this size itself takes on battery.
const inverterWatts = 10.0

// lighter is how much longer a percent lasts at a load of so many watts than at
// the present one.
func (c *core) lighter(watts float64) float64 {
	return (Load(c.r, c.s).Watts + inverterWatts) / (watts + inverterWatts)
}

// keepDischarge keeps how fast the charge fell at this load so far, and begins
// to measure anew.
func (c *core) keepDischarge() {
	o, u := c.s.Outage, c.s.Seen.UPS
	a, last := o.Anchor, o.Recent
	o.Anchor, o.Recent = nil, nil
	if a == nil || last == nil || u.Charge == nil || u.Power != OnBattery || c.outletsOff() {
		return
	}
	drop, took := a.Charge-*u.Charge, u.At-a.At
	if drop < fewPoints {
		return
	}
	d := Discharge{Watts: o.Watts, PerPercent: time.Duration(float64(took) / drop), Points: drop, At: c.s.Now}
	c.keep(d)
}

// learned is how long a percent of charge lasts at a load, by past discharges:
// the most careful of the three nearest in load. A figure counts the less the
// fewer points and the more years it is away, and is carried over to another load
// with care.
func learned(b Battery, watts float64, now time.Duration) time.Duration {
	best, far := [3]time.Duration{}, [3]float64{}
	for _, d := range b.Discharges {
		per := float64(d.PerPercent) * (1 - 1.5/d.Points) * max(0.5, 1-0.1*years(now-d.At))
		if watts > d.Watts {
			per *= math.Pow((d.Watts+1)/(watts+1), 1.2) // Peukert's law
		} else {
			per *= (d.Watts + 2*inverterWatts) / (watts + 2*inverterWatts)
		}
		away := max((d.Watts+1)/(watts+1), (watts+1)/(d.Watts+1)) - 1
		for i := range best {
			if best[i] == 0 || away <= far[i] {
				copy(best[i+1:], best[i:])
				copy(far[i+1:], far[i:])
				best[i], far[i] = time.Duration(per), away
				break
			}
		}
	}
	least := time.Duration(0)
	for i, per := range best {
		near := far[i] <= max(0.15, 1.5*far[0])
		if per > 0 && near && (least == 0 || per < least) {
			least = per
		}
	}
	return least
}
