package gpio

import "time"

// An input makes a lasting state of a line that bounces. It is looked at often:
// after every edge, when it is due, and from time to time, because edges get
// lost.
type input struct {
	hold time.Duration // how long a level has to stay
	// settled is the last level that stayed; nil before the first, and while
	// the line has not been still for long.
	settled *bool
	seen    bool      // the level at the last look
	since   time.Time // it is this level since then; zero before the first look
	uneasy  time.Time // when it last left a settled level; zero: it has not
}

// restless is how long a line may go without a level that stays before nothing
// is believed of it.
func (i *input) restless() time.Duration { return max(time.Second, 10*i.hold) }

// look takes the level of the line now, and whether it had edges since the last
// look, and returns whether what is settled has changed.
func (i *input) look(at time.Time, active, edges bool) bool {
	if i.since.IsZero() {
		i.since, i.seen, i.uneasy = at, active, at
	}
	if edges || active != i.seen {
		if i.uneasy.IsZero() {
			i.uneasy = at
		}
		i.seen, i.since = active, at
	}
	switch {
	case at.Sub(i.since) >= i.hold:
		i.uneasy = time.Time{}
		return i.settle(&active)
	case i.settled != nil && at.Sub(i.uneasy) >= i.restless():
		return i.settle(nil)
	}
	return false
}

func (i *input) settle(on *bool) bool {
	changed := (on == nil) != (i.settled == nil) || on != nil && *on != *i.settled
	i.settled = on
	return changed
}

// due is when the line has to be looked at again; zero is never.
func (i *input) due() time.Time {
	if i.since.IsZero() || i.uneasy.IsZero() {
		return time.Time{}
	}
	return i.since.Add(i.hold)
}
