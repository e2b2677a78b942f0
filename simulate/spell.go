package simulate

import (
	"slices"
	"time"

	"lastwatt/simulate/yardstick"
)

// A spell is one time without mains, until everything is as before.
type spell struct {
	at, ended, restored time.Duration // ended and restored are 0 until then
	rack                yardstick.Rack
	service             time.Duration
	committed, cut      bool
	margin              *time.Duration
	nodes               map[string]*fate
}

// A fate is what a spell did to one machine.
type fate struct {
	clean, dirty int
	offSince     time.Duration // -1 while it runs
	off          time.Duration
}

func (w *world) spell() *spell {
	if len(w.spells) == 0 {
		return nil
	}
	return w.spells[len(w.spells)-1]
}

// close ends the books of the spell before: what is off from now on is in the next.
func (w *world) close() {
	if s := w.spell(); s != nil {
		for _, f := range s.nodes {
			if f.offSince >= 0 {
				f.off, f.offSince = f.off+w.now-f.offSince, -1
			}
		}
	}
}

// settled notes when everything is as before.
func (w *world) settled() {
	s := w.spell()
	if s == nil || s.restored > 0 || s.ended == 0 {
		return
	}
	if !slices.ContainsFunc(w.nodes, func(n *node) bool { return n.state != up || n.availability != "active" }) {
		s.restored = w.now
	}
}

// books are those of the spell, or nil before the first.
func (n *node) books() *fate {
	if s := n.w.spell(); s != nil {
		return s.nodes[n.name]
	}
	return nil
}

// stopped books that it is off.
func (n *node) stopped(clean bool) {
	f := n.books()
	switch {
	case f == nil:
		return
	case clean:
		f.clean++
	default:
		f.dirty++
	}
	if f.offSince < 0 {
		f.offSince = n.w.now
	}
}

// started books that it is up again.
func (n *node) started() {
	if f := n.books(); f != nil && f.offSince >= 0 {
		f.off, f.offSince = f.off+n.w.now-f.offSince, -1
	}
}

func (s *spell) outage(id string, now time.Duration) Outage {
	o := Outage{ID: id, At: s.at.Seconds(), Duration: (s.ended - s.at).Seconds(), Committed: s.committed, Cut: s.cut, Nodes: map[string]Fate{}, Restored: -1}
	o.Service = s.service.Seconds()
	o.Possible = yardstick.Possible(s.rack, s.ended-s.at).Seconds()
	if s.restored > 0 {
		o.Restored = (s.restored - s.ended).Seconds()
	}
	if s.margin != nil {
		o.Margin = new(s.margin.Seconds())
	}
	for name, f := range s.nodes {
		off := f.off
		if f.offSince >= 0 {
			off += now - f.offSince
		}
		o.Nodes[name] = Fate{f.clean, f.dirty, off.Seconds()}
	}
	return o
}
