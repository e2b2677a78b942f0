package gpio

import (
	"math"
	"slices"
	"time"

	"lastwatt/drivers"
)

// tachRules are what is known of a fan's tachometer.
type tachRules struct {
	pulses   int           // in a revolution
	min, max float64       // least and greatest speed in rpm of a fan that runs
	spinUp   time.Duration // how long it may take to get there
}

// period is the time between two pulses at a speed.
func (r tachRules) period(rpm float64) time.Duration {
	return time.Duration(float64(time.Minute) / (rpm * float64(r.pulses)))
}

// rpm is the speed of so many pulses in a time.
func (r tachRules) rpm(pulses int, in time.Duration) float64 {
	return float64(pulses) * float64(time.Minute) / (float64(r.pulses) * float64(in))
}

// window is how far back the speed is measured, and how long a fan is silent
// before it stands still.
func (r tachRules) window() time.Duration { return max(2*time.Second, 3*r.period(r.min)) }

const (
	// tooSoon is the part of the shortest period within which an edge is
	// noise: magnets sit unevenly, and a fan may be a little faster than its
	// greatest speed.
	tooSoon = 0.8
	// ringing is the part within which an edge is an echo of the one before
	// and says nothing of how fast the fan is.
	ringing = 0.3
	// split is the part of the usual period below which the edge at its end
	// is noise. Of the two parts of a period that an edge splits one is
	// always shorter than this, and a fan's own periods never are.
	split = 0.55
	// silence is how many periods without an edge mean that the fan is slower
	// than before; fewer may have been lost.
	silence = 4
	// again is how far above the least speed a stalled fan runs again.
	again = 1.1
)

// A pulse is an edge that was not too soon.
type pulse struct {
	at    time.Duration
	count int  // pulses since the one before, with those that were lost: 1 or more
	noisy bool // there was noise before it that looks like a fan that is too fast
	odd   bool // counted as rejected after all
}

// A tach makes a fan's speed and state of the edges of its tachometer. All times
// are the kernel's monotonic clock, and none is before the one given last.
type tach struct {
	tachRules
	recent   []pulse // of the window, oldest first
	seq      uint32  // of the last edge
	noisy    bool    // since the last pulse
	rejected uint64
	lost     uint64

	powered bool
	since   time.Duration // when it was powered, or first looked at
	state   drivers.FanState
}

// newTach begins with a fan that has power, and may just have got it.
func newTach(r tachRules, now time.Duration) *tach {
	return &tach{tachRules: r, powered: true, since: now, state: drivers.FanUnknown}
}

// power says whether the fan has power now.
func (t *tach) power(on bool, now time.Duration) {
	if on != t.powered {
		t.powered, t.since, t.state = on, now, drivers.FanUnknown
	}
}

// edge takes an edge. seq is the kernel's number of it, one more than that of the
// edge before, unless edges between them were lost.
func (t *tach) edge(at time.Duration, seq uint32) {
	count := int(int32(seq - t.seq))
	if count <= 0 {
		return // told twice
	}
	t.seq = seq
	t.lost += uint64(count - 1)
	if len(t.recent) == 0 {
		t.recent = append(t.recent, pulse{at: at, count: 1})
		return
	}
	gap, shortest := at-t.recent[len(t.recent)-1].at, tooSoon*float64(t.period(t.max))
	if float64(gap) < shortest {
		t.rejected++
		t.noisy = t.noisy || float64(gap) > ringing*float64(t.period(t.max))
		return
	}
	// Of the lost edges no more than fit into the time were the fan's.
	count = min(count, int(float64(gap)/shortest))
	t.recent = append(t.recent, pulse{at: at, count: count, noisy: t.noisy})
	t.noisy = false
}

// fan judges the fan. Edges from before now have been given.
func (t *tach) fan(now time.Duration) drivers.Fan {
	from := now - t.window()
	t.recent = slices.DeleteFunc(t.recent, func(p pulse) bool { return p.at < from })
	rpm, clean := t.speed(now)
	f := drivers.Fan{Rejected: t.rejected, Lost: t.lost}
	if clean {
		f.RPM = &rpm
	}
	t.judge(rpm, clean, now)
	f.State = t.state
	if !t.powered {
		f.State = drivers.FanOff
	}
	if f.State == drivers.FanUnknown && rpm == 0 {
		f.RPM = nil // nothing was heard yet
	}
	return f
}

func (t *tach) judge(rpm float64, clean bool, now time.Duration) {
	least := t.min
	if t.state == drivers.FanStalled {
		least *= again
	}
	switch {
	case !clean:
		t.state = drivers.FanUnknown
	case rpm >= least || t.state == drivers.FanRunning && t.slowing(now):
		t.state = drivers.FanRunning
	case now-t.since < max(t.spinUp, t.window()):
		t.state = drivers.FanUnknown
	default:
		t.state = drivers.FanStalled
	}
}

// slowing is whether the fan was fast enough before it fell silent, not long ago:
// a late edge is no stall.
func (t *tach) slowing(now time.Duration) bool {
	if len(t.recent) < 2 {
		return false
	}
	rpm, _ := t.speed(t.recent[len(t.recent)-1].at)
	return rpm >= t.min
}

// speed is the speed over the window; it is not clean if there is as much noise
// as signal, or a fan that is much faster than its greatest speed.
func (t *tach) speed(now time.Duration) (rpm float64, clean bool) {
	if len(t.recent) < 2 {
		return 0, true
	}
	gaps := t.gaps()
	last, noisy, kept, pulses := t.recent[0].at, 0, 0, 0
	var in, usual time.Duration
	for i := range gaps {
		p := &t.recent[i+1]
		gap := p.at - last
		usual = around(gaps, i)
		if float64(gap) < split*float64(usual) {
			if !p.odd {
				p.odd = true
				t.rejected++
			}
			continue
		}
		count := p.count
		if float64(gap) < split*float64(usual)*float64(count) {
			count = max(1, int(math.Round(float64(gap)/float64(usual))))
		}
		if p.noisy {
			noisy++
		}
		in, pulses, last, kept = in+gap, pulses+count, p.at, kept+1
	}
	if kept == 0 {
		return 0, true
	}
	// A few edges close together are noise, or a fan that only starts.
	rpm = t.rpm(pulses, max(in, t.window()/4))
	if silent := now - last; silent > max(silence*usual, t.window()/8) {
		rpm = min(rpm, t.rpm(1, silent)) // it has not turned further since
	}
	return rpm, kept < 4 || 2*noisy < kept
}

// gaps are the times between two pulses.
func (t *tach) gaps() []time.Duration {
	gaps := make([]time.Duration, 0, len(t.recent))
	for i, p := range t.recent[1:] {
		gaps = append(gaps, (p.at-t.recent[i].at)/time.Duration(p.count))
	}
	return gaps
}

// around is the median of the gaps near a place: near, because a fan that changes
// its speed makes no noise.
func around(gaps []time.Duration, i int) time.Duration {
	const near = 6
	var buf [2*near + 1]time.Duration
	n := copy(buf[:], gaps[max(0, i-near):min(len(gaps), i+near+1)])
	slices.Sort(buf[:n])
	return buf[n/2]
}
