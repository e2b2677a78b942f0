package board

import (
	"lastwatt/drivers/board/mailbox"
)

// calm is how many samples a flag must be clear before it counts anew when it is
// set again: a supply that swings about the threshold is one event.
const calm = 5

// flagCounters count how often each of the firmware's flags began.
type flagCounters struct {
	counts map[string]uint64
	clear  map[string]int // samples since it was last set, up to calm
	last   mailbox.Throttled
	seen   bool
}

// take counts the flags of one sample. A flag that was set between two samples is
// seen by its "has been" bit, if that is not still set from before.
func (f *flagCounters) take(t mailbox.Throttled) {
	for i, name := range mailbox.ThrottleFlags() {
		between := f.seen && t.Was(i) && !f.last.Was(i)
		f.flag(name, t.Now(i) || between)
	}
	f.last, f.seen = t, true
}

// flag counts one flag of one sample.
func (f *flagCounters) flag(name string, set bool) {
	if f.counts == nil {
		f.counts, f.clear = map[string]uint64{}, map[string]int{}
	}
	if !set {
		f.clear[name] = min(f.clear[name]+1, calm)
		return
	}
	if !f.lasts(name) {
		f.counts[name]++
	}
	f.clear[name] = 0
}

// lasts is whether the last event of a flag is not over yet.
func (f *flagCounters) lasts(name string) bool { return f.counts[name] > 0 && f.clear[name] < calm }

// flagsOf are the names of the flags that are set, never nil.
func flagsOf(t mailbox.Throttled) []string {
	names := []string{}
	for i, name := range mailbox.ThrottleFlags() {
		if t.Now(i) {
			names = append(names, name)
		}
	}
	return names
}
