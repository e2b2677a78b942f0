package simulate

import (
	"slices"
	"time"
)

// An other is a way in which people do it today: nothing is drained, all stop at
// one moment, the UPS is told to cut after the last, and nothing is undone.
type other struct {
	w     *world
	name  string
	fires func(on onBattery) bool
	// sync is how long the machine with the UPS waits for the others, and
	// off the UPS's delay: upsmon's HOSTSYNC and FINALDELAY, usbhid-ups's
	// offdelay; PowerPanel's and apcupsd's are taken for the same.
	sync, off time.Duration

	since   time.Duration // on battery; below 0 on mains
	stopped bool
}

// onBattery is what such a program goes by.
type onBattery struct {
	since   time.Duration
	charge  float64
	runtime time.Duration
	low     bool
}

// others are the ways that Lastwatt is compared with, in the order of the table.
func others() []other {
	const sync, off = 20 * time.Second, time.Minute
	return []other{
		{name: "nut", fires: func(o onBattery) bool { return o.low }, sync: sync, off: off},
		{name: "nut-timer", fires: func(o onBattery) bool { return o.low || o.since >= 5*time.Minute }, sync: sync, off: off},
		{name: "apcupsd", fires: func(o onBattery) bool { return o.charge <= 5 || o.runtime <= 3*time.Minute }, sync: sync, off: off},
		{name: "powerpanel", fires: func(o onBattery) bool { return o.low || o.since >= time.Minute }, sync: sync, off: off},
	}
}

func (p *other) begin() { p.since = -1 }

func (p *other) reading() {
	charge, _, runtime := p.w.says()
	switch {
	case p.w.mains:
		p.since = -1
		return
	case p.since < 0:
		p.since = p.w.now
	}
	// A UPS's flag of a low battery: CyberPower's at 10 % or 300 s.
	low := p.w.low || charge <= 10 || runtime <= 5*time.Minute
	if !p.stopped && p.hostRuns() && p.fires(onBattery{p.w.now - p.since, charge, runtime, low}) {
		p.stop()
	}
}

// hostRuns is whether the machine with the UPS, which watches it, is up; where
// there is none, something else watches.
func (p *other) hostRuns() bool {
	return !slices.ContainsFunc(p.w.nodes, func(n *node) bool { return n.truth.UPSHost && n.state != up })
}

// stop halts all, the UPS's host last, and cuts.
func (p *other) stop() {
	p.stopped = true
	s := p.w.spell()
	s.committed = true
	last := time.Duration(0)
	for _, n := range p.w.nodes {
		whole := time.Duration(n.truth.Drain + n.truth.Halt) // its system stops the containers
		at := time.Duration(0)
		if n.truth.UPSHost {
			at = p.sync
		}
		p.w.after(at, func() { n.haltAfter(time.Duration(n.truth.Drain)) })
		if n.truth.UPSHost || last == 0 {
			last = at + whole
		}
	}
	p.w.after(last, func() {
		if p.w.outlets {
			s.cut = true
			p.w.arm(p.off)
		}
	})
}

func (p *other) seen(*node) {
	if p.stopped && !slices.ContainsFunc(p.w.nodes, func(n *node) bool { return n.state != up }) {
		p.stopped = false
	}
}

func (p *other) contact(bool)                {}
func (p *other) killed(bool)                 {}
func (p *other) powered()                    { p.since = -1 }
func (p *other) wake() (time.Duration, bool) { return 0, false }
func (p *other) tick()                       {}

func (p *other) busy() bool {
	return slices.ContainsFunc(p.w.nodes, func(n *node) bool { return n.state != up && n.state != halted && n.state != dead })
}
