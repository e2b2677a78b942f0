package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// How long outages last: a Lomax distribution, whose tail is so heavy that an
// outage that has lasted long is likely to last as long again. priorLength is
// its median before this site has any history, and counts as priorOutages of
// them. The tail's weight is that of published records of interruptions, and is
// not learned: a site has too few long ones.
const (
	priorLength  = 30 * time.Minute
	priorOutages = 5
	tail         = 1.5
	keepLengths  = 50
)

// outages is the scale of the distribution: the median is the geometric mean of
// the prior and of this site's own lengths.
func outages(lengths []time.Duration) (scale time.Duration) {
	sum := priorOutages * math.Log(priorLength.Seconds())
	for _, d := range lengths {
		sum += math.Log(max(1, d.Seconds()))
	}
	median := math.Exp(sum / float64(priorOutages+len(lengths)))
	return time.Duration(median / (math.Pow(2, 1/tail) - 1) * float64(time.Second))
}

// lasts is the chance that an outage that has lasted so long lasts for more yet.
func lasts(scale, sofar, more time.Duration) float64 {
	return math.Pow(float64(scale+sofar)/float64(scale+sofar+more), tail)
}

// service is how much longer than left the services can be expected to be needed
// and up, if they could be up for longer: the chance of each moment between, added up.
func service(scale, sofar, left, longer time.Duration) time.Duration {
	at := func(t time.Duration) float64 {
		return float64(scale+sofar) / (tail - 1) * math.Pow(float64(scale+sofar)/float64(scale+sofar+t), tail-1)
	}
	return time.Duration(at(left) - at(longer))
}

// A stretch is what shedding all that the services do not need would bring.
type stretch struct {
	nodes        []NodeRules
	saved        float64       // watts
	left, longer time.Duration // of service, as it is and if they were shed
	gain, cost   time.Duration // of service that can be expected, and that the disturbance is worth
}

// stretch looks at shedding now.
func (c *core) stretch() stretch {
	st := stretch{nodes: c.spare()}
	for _, n := range st.nodes {
		st.saved += nodeWatts(n, c.s)
		if c.shedState(n) == Idle {
			st.saved -= min(idleWatts(n), nodeWatts(n, c.s))
		}
	}
	st.cost = time.Duration(len(st.nodes)) * c.r.Disturbance
	st.left = TimeToEmpty(c.r, c.s).Left - c.need() - c.r.Reserve
	if st.left <= 0 || st.saved <= 0 {
		st.left = 0
		return st
	}
	st.longer = time.Duration(float64(st.left) * c.lighter(Load(c.r, c.s).Watts-st.saved))
	st.gain = service(outages(c.s.Lengths), c.s.spell(), st.left, st.longer)
	return st
}

// due is whether to shed in so much time from now, if the outage goes on until
// then: when what it can be expected to bring is worth the disturbance, and
// waiting for mains is not: a minute of waiting costs the service that its
// energy would have given at the end, if the outage lasts until then, and saves
// the disturbance if mains comes back in that minute.
func (st stretch) due(scale, sofar, in time.Duration) bool {
	left := st.left - in
	if left <= 0 || len(st.nodes) == 0 {
		return false
	}
	ratio := float64(st.longer) / float64(st.left)
	longer := time.Duration(float64(left) * ratio)
	sofar += in
	waiting := (ratio - 1) * lasts(scale, sofar, longer)
	back := tail / float64(scale+sofar)
	return service(scale, sofar, left, longer) >= st.cost && waiting >= back*float64(st.cost)
}

// stretchOften is how often the strategy looks, and stretchAhead how far.
const (
	stretchOften = 30 * time.Second
	stretchAhead = 4 * time.Hour
)

// stretches begins to shed if it is due.
func (c *core) stretches() bool {
	if !c.r.Stretch || c.s.Outage.Aborted || c.s.spell() < c.r.RideThrough || c.s.Outage.Stages[ownStage] != "" {
		return false
	}
	st := c.stretch()
	if !st.due(outages(c.s.Lengths), c.s.spell(), 0) {
		return false
	}
	why := fmt.Sprintf("saves %.0f of %.0f W (%s): %s of service left become %s, and of that %s can be expected to be needed",
		st.saved, Load(c.r, c.s).Watts, Load(c.r, c.s).Method, Short(st.left), Short(st.longer), Short(st.gain))
	return c.beginShed(ownStage, "stretch", names(st.nodes), why)
}

// wakeStretch offers when shedding will be due.
func (c *core) wakeStretch(w *waker) {
	if !c.r.Stretch || c.s.Outage.Doing != Nothing || c.s.Outage.Aborted || c.s.Outage.Stages[ownStage] != "" {
		return
	}
	st, scale := c.stretch(), outages(c.s.Lengths)
	from := max(0, c.r.RideThrough-c.s.spell())
	for in := from; in < min(stretchAhead, st.left); in += stretchOften {
		if st.due(scale, c.s.spell(), in) {
			w.offer(c.s.Now + in)
			return
		}
	}
}

// ownStage is the index of the strategy's own stage.
const ownStage = -1

func names(nodes []NodeRules) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return all
}

// lasted keeps how long mains was away, for the next outage. One that ended in
// the dark lasted at least until then; by the tail, as long again is as likely as not.
func (c *core) lasted(o *Outage) {
	d := c.s.OnBatteryFor()
	if d < c.r.RideThrough {
		return
	}
	if o.Cut {
		d = d * 8 / 5
	}
	all := append(slices.Clone(c.s.Lengths), d)
	c.s.Lengths = all[max(0, len(all)-keepLengths):]
}

// list writes names for people.
func list(all []string) string { return strings.Join(all, ", ") }
