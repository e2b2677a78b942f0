package usbhid

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lastwatt/drivers"
)

// A Person stands at the UPS while it is tried.
type Person interface {
	Tell(text string)
	// Yes waits for the answer to a question. Its error is that nobody
	// answers any more.
	Yes(question string) (bool, error)
}

// errNotLearned is what ends the trial without a profile.
var errNotLearned = errors.New("nothing was learned")

// How long the trial waits for what the person was asked to do, and for outlets
// that might come on without mains.
const (
	waitForPlug    = 2 * time.Minute
	waitForOutlets = 2 * time.Minute
)

// A trial is one UPS with a lamp as its load.
type trial struct {
	ctx    context.Context
	d      drivers.Commander
	events func() int // the changes of mains that the device told by itself
	person Person
	found  Profile

	mu      sync.Mutex
	last    drivers.UPS
	heardAt time.Time // the last reading
	gap     time.Duration
}

// Learn tries what a UPS does, step by step, each after a yes: it cuts the
// outlets three times. It begins by asking whether anything but a lamp is fed by
// this UPS, and refuses if so. d is from [New]. It takes some ten minutes.
func Learn(ctx context.Context, d drivers.Commander, p Person) (Profile, error) {
	events := func() int { return 0 }
	if d, ok := d.(*driver); ok {
		events = d.events
	}
	return learn(ctx, d, events, p)
}

func learn(ctx context.Context, d drivers.Commander, events func() int, p Person) (Profile, error) {
	ctx, cancel := context.WithCancel(ctx)
	t := &trial{ctx: ctx, d: d, events: events, person: p}
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	for _, q := range []struct {
		ask  string
		want bool
	}{
		{"Is this machine, or its network, fed by this UPS?", false},
		{"Is a lamp, and nothing else, on one of the UPS's battery outlets, and lit?", true},
	} {
		if yes, err := p.Yes(q.ask); err != nil || yes != q.want {
			return Profile{}, errors.Join(fmt.Errorf("%w: the outlets will be cut, so only a lamp may be on them", errNotLearned), err)
		}
	}
	reading.Go(t.read)
	for _, step := range []func() error{t.contact, t.loseMains, t.cutOnBattery, t.returnOfMains, t.cutOnMains} {
		if err := step(); err != nil {
			return Profile{}, fmt.Errorf("%w: %w", errNotLearned, err)
		}
	}
	return t.found, nil
}

// read keeps the driver running.
func (t *trial) read() {
	for t.ctx.Err() == nil {
		_ = t.d.Run(t.ctx, func(r drivers.Reading) { // why it ended does not matter: gap tells for how long
			u, ok := r.Fact.(drivers.UPS)
			if !ok {
				return
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			if !t.heardAt.IsZero() {
				t.gap = max(t.gap, r.At.Sub(t.heardAt))
			}
			t.last, t.heardAt = u, r.At
		})
		t.sleep(100 * time.Millisecond)
	}
}

func (t *trial) sleep(d time.Duration) {
	select {
	case <-t.ctx.Done():
	case <-time.After(d):
	}
}

// until waits for a reading.
func (t *trial) until(limit time.Duration, what string, is func(drivers.UPS) bool) error {
	for end := time.Now().Add(limit); time.Now().Before(end); t.sleep(100 * time.Millisecond) {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		t.mu.Lock()
		ok := !t.heardAt.IsZero() && is(t.last)
		t.mu.Unlock()
		if ok {
			return nil
		}
	}
	return fmt.Errorf("the UPS did not say within %v that %s", limit, what)
}

// ready asks before a step.
func (t *trial) ready(text string) error {
	t.person.Tell(text)
	yes, err := t.person.Yes("Ready?")
	if err == nil && !yes {
		err = errors.New("stopped at your word")
	}
	return err
}

func (t *trial) contact() error {
	if err := t.until(30*time.Second, "it is on mains", func(u drivers.UPS) bool { return u.OnBattery != nil && !*u.OnBattery }); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.found.Device = fmt.Sprintf("%s:%s %s %s", t.last.VendorID, t.last.ProductID, t.last.Maker, t.last.Model)
	return nil
}

func (t *trial) loseMains() error {
	if err := t.ready("Step 1 of 4. After your yes, pull the UPS's own plug out of the wall. The lamp stays lit, from the battery."); err != nil {
		return err
	}
	before := t.events()
	t.person.Tell("Pull the plug now.")
	if err := t.until(waitForPlug, "mains is gone", func(u drivers.UPS) bool { return u.OnBattery != nil && *u.OnBattery }); err != nil {
		return err
	}
	t.found.Interrupts = t.events() > before
	t.person.Tell("The UPS says that it is on battery.")
	return nil
}

// cut orders a cut and times it by the person's eye.
func (t *trial) cut() (out bool, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
	defer cancel()
	a, err := t.d.Do(ctx, drivers.Command{Name: drivers.ShutdownReturn, Delay: time.Second})
	if err != nil {
		return false, 0, err
	}
	t.found.DelayStep = a.Delay
	began := time.Now()
	out, err = t.person.Yes(fmt.Sprintf("The UPS counts down %v. Say yes in the moment in which the lamp goes out, and no if it is lit a minute after that.", a.Delay))
	return out, time.Since(began), err
}

func (t *trial) cutOnBattery() error {
	if err := t.ready("Step 2 of 4. After your yes, the UPS is told to cut its outlets with the shortest delay that it knows."); err != nil {
		return err
	}
	out, took, err := t.cut()
	switch {
	case err != nil:
		return err
	case !out:
		return errors.New("the UPS does not cut its outlets on battery: write cut: false into the configuration")
	case took < t.found.DelayStep/2 || took > t.found.DelayStep*2:
		t.person.Tell(fmt.Sprintf("The lamp went out after %v, and the UPS had said %v.", took.Round(time.Second), t.found.DelayStep))
		t.found.DelayStep = took.Round(time.Second)
	}
	t.person.Tell(fmt.Sprintf("Now leave the plug out for %v, to see whether the outlets come on without mains.", waitForOutlets))
	t.sleep(waitForOutlets)
	on, err := t.person.Yes("Has the lamp come on again, without mains?")
	t.found.ReturnsWithoutMains = on
	return err
}

func (t *trial) returnOfMains() error {
	if err := t.ready("Step 3 of 4. After your yes, put the UPS's plug into the wall again, and touch nothing on the UPS."); err != nil {
		return err
	}
	t.mu.Lock()
	t.gap = 0
	t.mu.Unlock()
	began := time.Now()
	var err error
	if t.found.ReturnsAlone, err = t.person.Yes("Put it in now. Say yes in the moment in which the lamp is lit, and no if it is dark after three minutes."); err != nil {
		return err
	}
	if t.found.ReturnsAlone {
		t.found.Return = time.Since(began).Round(time.Second)
	} else {
		t.person.Tell("It comes back only by its button: nodes on it do not start by themselves after a cut. Press the button now.")
	}
	err = t.until(waitForPlug, "mains is back", func(u drivers.UPS) bool { return u.OnBattery != nil && !*u.OnBattery })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gap > 2*maxPoll {
		t.found.Reenumeration = t.gap.Round(time.Second)
	} else if t.gap > 3*defaultPoll {
		t.found.Reenumeration = t.gap.Round(100 * time.Millisecond)
	}
	return err
}

func (t *trial) cutOnMains() error {
	if err := t.ready("Step 4 of 4. With mains there, the UPS is told to cut once more. Leave its plug in."); err != nil {
		return err
	}
	out, _, err := t.cut()
	if err != nil {
		return err
	}
	t.found.CutsOnMains = out
	if out {
		on, err := t.person.Yes("Say yes when the lamp is lit again, and no if it is dark after three minutes.")
		t.found.ReturnsAlone = t.found.ReturnsAlone && on
		return err
	}
	ctx, cancel := context.WithTimeout(t.ctx, 30*time.Second)
	defer cancel()
	_, err = t.d.Do(ctx, drivers.Command{Name: drivers.ShutdownStop})
	return err
}
